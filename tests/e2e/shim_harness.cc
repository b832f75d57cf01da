#include "tests/e2e/shim_harness.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <fstream>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "lib/base/file.h"
#include "lib/base/host_port.h"

namespace specula::testing {
namespace {

void WritePrivate(const std::string& path, const std::string& text) {
  EXPECT_TRUE(WriteFileAtomically(path, text, 0600, /*replace=*/true).ok());
}

// The ports in the lines that say where it listens.
std::vector<int> PortsIn(const std::string& log) {
  std::vector<int> ports;
  for (absl::string_view line : absl::StrSplit(log, '\n')) {
    const size_t at = line.find(" address=");
    if (line.find("msg=listening") == absl::string_view::npos ||
        at == absl::string_view::npos)
      continue;
    absl::string_view value = line.substr(at + 9);
    value = value.substr(0, value.find(' '));
    const absl::StatusOr<HostPort> address = ParseHostPort(value, 0);
    if (address.ok()) ports.push_back(address->port);
  }
  return ports;
}

}  // namespace

std::string Frame(absl::string_view payload) {
  return absl::StrCat(payload.size(), "\n", payload);
}

std::string Frames(const std::vector<std::string>& payloads) {
  std::string frames;
  for (const std::string& payload : payloads) frames += Frame(payload);
  return frames;
}

UniqueFd ConnectTo(int port, const std::string& source) {
  UniqueFd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  inet_pton(AF_INET, source.c_str(), &address.sin_addr);
  if (bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) !=
      0)
    return {};
  inet_pton(AF_INET, "127.0.0.1", &address.sin_addr);
  address.sin_port = htons(static_cast<uint16_t>(port));
  if (connect(fd.get(), reinterpret_cast<sockaddr*>(&address),
              sizeof address) != 0)
    return {};
  const int on = 1;
  setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  return fd;
}

LegacyClient::LegacyClient(int port, const std::string& token,
                           const std::string& source)
    : fd_(ConnectTo(port, source)) {
  EXPECT_TRUE(fd_.valid()) << "cannot connect from " << source;
  if (token.empty()) return;
  EXPECT_EQ(Ask("AUTH " + token), "OK agent");
}

void LegacyClient::Send(absl::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent =
        send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return;
    bytes.remove_prefix(static_cast<size_t>(sent));
  }
}

void LegacyClient::SendByteByByte(absl::string_view bytes) {
  for (size_t i = 0; i < bytes.size(); ++i) Send(bytes.substr(i, 1));
}

void LegacyClient::HalfClose() { shutdown(fd_.get(), SHUT_WR); }

bool LegacyClient::Fill(absl::Duration within) {
  pollfd waiting{fd_.get(), POLLIN, 0};
  const int ready =
      poll(&waiting, 1, static_cast<int>(absl::ToInt64Milliseconds(within)));
  if (ready <= 0) return false;
  if (taken_ > (1 << 20)) {
    received_.erase(0, taken_);
    taken_ = 0;
  }
  const size_t before = received_.size();
  received_.resize(before + (256 << 10));
  const ssize_t got =
      recv(fd_.get(), received_.data() + before, received_.size() - before, 0);
  received_.resize(before + static_cast<size_t>(std::max<ssize_t>(got, 0)));
  if (got == 0) end_ = kEnd;
  if (got < 0) end_ = kReset;
  return true;
}

std::string LegacyClient::Next(absl::Duration within) {
  const absl::Time limit = absl::Now() + within;
  while (true) {
    const absl::string_view rest = absl::string_view(received_).substr(taken_);
    const size_t newline = rest.find('\n');
    if (newline != absl::string_view::npos) {
      size_t length = 0;
      // Exact frames: nothing between them, and no padding.
      if (!absl::SimpleAtoi(rest.substr(0, newline), &length) ||
          absl::StrCat(length) != rest.substr(0, newline)) {
        return kNoFrame;
      }
      if (rest.size() >= newline + 1 + length) {
        taken_ += newline + 1 + length;
        return std::string(rest.substr(newline + 1, length));
      }
    }
    if (!end_.empty()) return rest.empty() ? end_ : kNoFrame;
    const absl::Duration left = limit - absl::Now();
    if (left <= absl::ZeroDuration() || !Fill(left)) return kSilent;
  }
}

std::string LegacyClient::Ask(const std::string& payload) {
  Send(Frame(payload));
  return Next();
}

bool LegacyClient::IsSilent(absl::Duration moment) {
  return Next(moment) == kSilent;
}

std::map<std::string, StreamResult> ReadStreams(
    LegacyClient& client, int count, std::vector<std::string>* others) {
  std::map<std::string, StreamResult> streams;
  for (int ended = 0; ended < count;) {
    const std::string reply = client.Next();
    const absl::string_view view = reply;
    if (absl::StartsWith(view, "OUT ")) {
      const size_t space = view.find(' ', 4);
      absl::StrAppend(&streams[reply.substr(4, space - 4)].output,
                      view.substr(space + 1));
    } else if (absl::StartsWith(view, "OUT_END ")) {
      const std::vector<std::string> words = absl::StrSplit(view, ' ');
      if (words.size() != 3) {
        ADD_FAILURE() << reply;
        return streams;
      }
      streams[words[1]].end = words[2];
      ++ended;
    } else if (others != nullptr && !absl::StartsWith(view, "<")) {
      others->push_back(reply);
    } else {
      ADD_FAILURE() << "'" << reply << "' instead of a stream's";
      return streams;
    }
  }
  return streams;
}

std::vector<std::string> ShimArguments(const Pki& pki,
                                       const std::string& agent) {
  if (!std::filesystem::exists(pki.File("console.crt"))) {
    EXPECT_TRUE(ctl::IssueShim(pki.path(), "console", {}).ok());
  }
  return {Program("specula-shim"),
          "--agent",
          agent,
          "--agent-name",
          "127.0.0.1",
          "--ca",
          pki.File("ca.crt"),
          "--cert",
          pki.File("console.crt"),
          "--key",
          pki.File("console.key")};
}

void IssueTlsCertificate(const Pki& pki) {
  ctl::CertificateRequest request = Pki::ViewerRequest();
  request.common_name = "localhost";
  request.uris.clear();
  request.dns_names = {"localhost"};
  request.client_auth = false;
  request.server_auth = true;
  const Credentials credentials = pki.Issue(request);
  WritePrivate(pki.File("tls.crt"), credentials.certificate_pem);
  WritePrivate(pki.File("tls.key"), credentials.key_pem);
}

ShimProcess::ShimProcess(const Pki& pki, const std::string& agent,
                         const ShimOptions& options) {
  Process::Options start;
  start.arguments =
      ShimArguments(pki, options.agent.empty() ? agent : options.agent);
  if (!options.listen.empty()) {
    start.arguments.insert(start.arguments.end(), {"--listen", options.listen});
  }
  if (!options.tokens.empty()) {
    WritePrivate(pki.File("tokens"), options.tokens);
    start.arguments.insert(start.arguments.end(),
                           {"--token-file", pki.File("tokens")});
  }
  start.arguments.insert(start.arguments.end(), options.arguments.begin(),
                         options.arguments.end());
  start.environment = options.environment;
  start.open_files = options.open_files;
  const size_t listeners = static_cast<size_t>(
      std::count(start.arguments.begin(), start.arguments.end(), "--listen"));
  process_ = std::make_unique<Process>(start);
  const bool listens = Eventually([&] {
    ports_ = PortsIn(Log());
    return ports_.size() == listeners || !process_->Running();
  });
  EXPECT_TRUE(listens && process_->Running()) << Log();
}

int CountDescriptors(pid_t pid) {
  std::error_code ignored;
  const auto all = std::filesystem::directory_iterator(
      absl::StrCat("/proc/", pid, "/fd"), ignored);
  return static_cast<int>(std::distance(begin(all), end(all)));
}

int64_t ResidentKilobytes(pid_t pid) {
  const absl::StatusOr<std::string> status =
      ReadFile(absl::StrCat("/proc/", pid, "/status"));
  if (!status.ok()) return 0;
  const size_t at = status->find("VmRSS:");
  return at == std::string::npos ? 0 : atoll(status->c_str() + at + 6);
}

bool Runs(const std::string& command) {
  return RunProgram({"pgrep", "-fx", command}).exit_code == 0;
}

}  // namespace specula::testing
