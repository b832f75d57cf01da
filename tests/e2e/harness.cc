#include "tests/e2e/harness.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "lib/base/file.h"
#include "lib/base/status_macros.h"
#include "lib/rpc/certificate.h"
#include "lib/rpc/grpc_status.h"
#include "tests/places.h"

namespace specula::testing {
namespace {

// A file that is not there yet is empty: a child opens its own.
std::string MustRead(const std::string& path) {
  absl::StatusOr<std::string> text = ReadFile(path, size_t{1} << 30);
  if (text.ok()) return *std::move(text);
  if (!absl::IsNotFound(text.status())) ADD_FAILURE() << text.status();
  return "";
}

std::vector<char*> Pointers(std::vector<std::string>& words) {
  std::vector<char*> pointers;
  for (std::string& word : words) pointers.push_back(word.data());
  pointers.push_back(nullptr);
  return pointers;
}

// The value of key= in a line of a log.
std::string LogValue(const std::string& line, const std::string& key) {
  const size_t start = line.find(" " + key + "=");
  if (start == std::string::npos) return "";
  const size_t value = start + key.size() + 2;
  return line.substr(value, line.find(' ', value) - value);
}

void Must(const absl::Status& status) { ASSERT_TRUE(status.ok()) << status; }

}  // namespace

bool Eventually(const std::function<bool()>& condition) {
  const absl::Time limit = absl::Now() + kHangLimit;
  while (!condition()) {
    if (absl::Now() > limit) return false;
    absl::SleepFor(absl::Milliseconds(5));
  }
  return true;
}

TemporaryDirectory::TemporaryDirectory() {
  std::string pattern =
      (std::filesystem::temp_directory_path() / "specula-test-XXXXXX").string();
  path_ = mkdtemp(pattern.data()) == nullptr ? "" : pattern;
}

TemporaryDirectory::~TemporaryDirectory() {
  std::error_code ignored;
  if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
}

Process::Process(const Options& options) {
  std::vector<std::string> arguments = options.arguments;
  // What a program keeps by itself goes with the directory.
  std::vector<std::string> environment = options.environment;
  for (const std::string& usual :
       {std::string("PATH=/usr/bin:/bin"), std::string("HOME=/nonexistent"),
        absl::StrCat("XDG_STATE_HOME=", directory_.path())}) {
    const std::string name = usual.substr(0, usual.find('=') + 1);
    const bool given =
        std::any_of(environment.begin(), environment.end(),
                    [&](const std::string& variable) {
                      return variable.compare(0, name.size(), name) == 0;
                    });
    if (!given) environment.push_back(usual);
  }
  for (const char* name : {"ASAN_OPTIONS", "TSAN_OPTIONS", "UBSAN_OPTIONS"}) {
    if (const char* value = getenv(name); value != nullptr)
      environment.push_back(absl::StrCat(name, "=", value));
  }
  std::vector<char*> argv = Pointers(arguments);
  std::vector<char*> envp = Pointers(environment);
  const std::string out = directory_.File("out");
  const std::string err = directory_.File("err");
  // vfork'ed child: only system calls between here and exec.
  pid_ = vfork();
  if (pid_ == 0) {
    setpgid(0, 0);
    const int null = open("/dev/null", O_RDONLY);
    dup2(null, 0);
    dup2(open(out.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600), 1);
    dup2(open(err.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0600), 2);
    close_range(3, ~0U, 0);
    if (options.open_files > 0) {
      const rlimit limit{options.open_files, options.open_files};
      setrlimit(RLIMIT_NOFILE, &limit);
    }
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, nullptr);
    signal(SIGPIPE, SIG_DFL);
    execvpe(argv[0], argv.data(), envp.data());
    _exit(127);
  }
}

Process::~Process() {
  if (reaped_) return;
  Signal(SIGKILL);
  Reap(0);
}

bool Process::Reap(int options) {
  rusage usage = {};
  if (wait4(pid_, &status_, options, &usage) != pid_) return false;
  peak_resident_bytes_ = int64_t{usage.ru_maxrss} << 10;
  reaped_ = true;
  return true;
}

void Process::Signal(int signal) const {
  if (!reaped_) kill(pid_, signal);
}

bool Process::Running() { return !reaped_ && !Reap(WNOHANG); }

int Process::Wait() {
  if (!Eventually([this] { return !Running(); })) {
    ADD_FAILURE() << "process " << pid_ << " hangs; its stderr:\n" << Stderr();
    Signal(SIGKILL);
    Reap(0);
  }
  return WIFSIGNALED(status_) ? 128 + WTERMSIG(status_) : WEXITSTATUS(status_);
}

std::string Process::Stdout() const { return MustRead(directory_.File("out")); }
std::string Process::Stderr() const { return MustRead(directory_.File("err")); }

Result RunProgram(const std::vector<std::string>& arguments,
                  const std::vector<std::string>& environment) {
  Process process({.arguments = arguments, .environment = environment});
  const int exit_code = process.Wait();
  return {exit_code, process.Stdout(), process.Stderr(),
          process.peak_resident_bytes()};
}

std::string Program(const std::string& name) {
  return absl::StrCat(ProgramsDirectory(), "/", name);
}

Pki::Pki(absl::Time now) {
  const std::string& directory = directory_.path();
  ctl::AuthorityOptions authority;
  authority.now = now;
  ctl::IssueOptions issue;
  issue.now = now;
  Must(ctl::InitAuthority(directory, authority).status());
  Must(ctl::IssueAgent(directory, "localhost", {"127.0.0.1"}, issue).status());
  Must(ctl::IssueClient(directory, "viewer", Role::kViewer, issue).status());
  Must(
      ctl::IssueClient(directory, "operator", Role::kOperator, issue).status());
  Must(ctl::IssueClient(directory, "admin", Role::kAdmin, issue).status());
}

Credentials Pki::Load(const std::string& name) const {
  Credentials credentials;
  credentials.roots_pem = MustRead(File("ca.crt"));
  credentials.certificate_pem = MustRead(File(name + ".crt"));
  credentials.key_pem = MustRead(File(name + ".key"));
  credentials.identity.trust_domain = "specula.local";
  return credentials;
}

ctl::CertificateRequest Pki::ViewerRequest() {
  ctl::CertificateRequest request;
  request.common_name = "viewer";
  request.uris = {"spiffe://specula.local/specula/viewer/viewer"};
  request.client_auth = true;
  request.not_before = absl::Now() - absl::Hours(1);
  request.not_after = absl::Now() + absl::Hours(1);
  return request;
}

Credentials Pki::Issue(const ctl::CertificateRequest& request) const {
  const ctl::KeyPair authority{MustRead(File("ca.key")),
                               MustRead(File("ca.crt"))};
  absl::StatusOr<ctl::KeyPair> pair = ctl::Issue(authority, request);
  Credentials credentials = Load("viewer");
  EXPECT_TRUE(pair.ok()) << pair.status();
  if (pair.ok()) {
    credentials.certificate_pem = pair->certificate_pem;
    credentials.key_pem = pair->key_pem;
  }
  return credentials;
}

AgentProcess::AgentProcess(const Pki& pki, const AgentOptions& options) {
  Process::Options start;
  start.arguments = {Program("specula-agent"),
                     "--listen",
                     "127.0.0.1:0",
                     "--health-listen",
                     "127.0.0.1:0",
                     "--ca",
                     pki.File("ca.crt"),
                     "--cert",
                     pki.File("localhost.crt"),
                     "--key",
                     pki.File("localhost.key"),
                     "--denylist",
                     pki.File("denylist"),
                     "--state-dir",
                     pki.File("state")};
  start.arguments.insert(start.arguments.end(), options.arguments.begin(),
                         options.arguments.end());
  start.arguments.insert(start.arguments.begin(), options.before.begin(),
                         options.before.end());
  start.environment = options.environment;
  start.open_files = options.open_files;
  process_ = std::make_unique<Process>(start);
  EXPECT_TRUE(AwaitNextFront()) << Log();
}

bool AgentProcess::AwaitNextFront() {
  const size_t nth = fronts_++;
  return Eventually([this, nth] {
           return ReadListening(nth) || !process_->Running();
         }) &&
         process_->Running();
}

bool AgentProcess::ReadListening(size_t nth) {
  const std::string log = Log();
  size_t line = log.find("msg=listening");
  for (; nth > 0 && line != std::string::npos; --nth)
    line = log.find("msg=listening", line + 1);
  const size_t end = log.find('\n', line);
  if (line == std::string::npos || end == std::string::npos) return false;
  const std::string said = log.substr(line, end - line);
  absl::StatusOr<HostPort> address =
      ParseHostPort(LogValue(said, "address"), 0);
  absl::StatusOr<HostPort> health = ParseHostPort(LogValue(said, "health"), 0);
  EXPECT_TRUE(address.ok() && health.ok()) << said;
  EXPECT_TRUE(absl::SimpleAtoi(LogValue(said, "pid"), &front_pid_)) << said;
  if (address.ok()) address_ = *address;
  if (health.ok()) health_port_ = health->port;
  return true;
}

AgentProcess::~AgentProcess() {
  process_->Signal(SIGTERM);
  Eventually([this] { return !process_->Running(); });
}

std::shared_ptr<grpc::Channel> AgentProcess::Connect(
    const Credentials& credentials) const {
  return MakeChannel({address_, ""}, credentials);
}

std::vector<std::string> ControllerArguments(
    const Pki& pki, const std::string& name, const std::string& hosts,
    const std::vector<std::string>& command) {
  std::vector<std::string> arguments = {Program("specula"),
                                        "--hosts",
                                        hosts,
                                        "--ca",
                                        pki.File("ca.crt"),
                                        "--cert",
                                        pki.File(name + ".crt"),
                                        "--key",
                                        pki.File(name + ".key"),
                                        "--timeout",
                                        "20"};
  arguments.insert(arguments.end(), command.begin(), command.end());
  return arguments;
}

absl::Status CallCpu(const std::shared_ptr<grpc::Channel>& channel,
                     absl::Duration deadline) {
  auto stub = v1::Specula::NewStub(channel);
  grpc::ClientContext context;
  context.set_deadline(absl::ToChronoTime(absl::Now() + deadline));
  v1::CpuResponse response;
  return FromGrpc(stub->Cpu(&context, {}, &response));
}

}  // namespace specula::testing
