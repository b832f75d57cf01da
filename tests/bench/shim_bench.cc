// What the shim costs, measured in one run beside a raw TCP echo. Prints one
// line for each number with its bar; the exit code says nothing about them.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "lib/base/unique_fd.h"
#include "lib/rpc/tls_policy.h"
#include "tests/e2e/shim_harness.h"

namespace specula::testing {
namespace {

constexpr size_t kFrameBytes = 6;  // of PING and of PONG
constexpr int kIdle = 5000;

// Sends as many bytes and waits for as many.
void RoundTrip(int fd, const std::string& request, size_t reply_bytes) {
  if (send(fd, request.data(), request.size(), MSG_NOSIGNAL) !=
      static_cast<ssize_t>(request.size()))
    abort();
  char buffer[65536];
  for (size_t got = 0; got < reply_bytes;) {
    const ssize_t more = recv(fd, buffer, sizeof buffer, 0);
    if (more <= 0) abort();
    got += static_cast<size_t>(more);
  }
}

// A process that sends back what it gets: the least that a request over TCP
// costs.
class Echo {
 public:
  Echo() {
    UniqueFd listener(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const int on = 1;
    setsockopt(listener.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    bind(listener.get(), reinterpret_cast<sockaddr*>(&address), sizeof address);
    listen(listener.get(), 1);
    socklen_t length = sizeof address;
    getsockname(listener.get(), reinterpret_cast<sockaddr*>(&address), &length);
    pid_ = fork();  // before gRPC has a thread
    if (pid_ == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      const UniqueFd peer(accept(listener.get(), nullptr, nullptr));
      char buffer[4096];
      ssize_t got = 0;
      while ((got = read(peer.get(), buffer, sizeof buffer)) > 0) {
        if (write(peer.get(), buffer, static_cast<size_t>(got)) != got) break;
      }
      _exit(0);
    }
    client_ = ConnectTo(ntohs(address.sin_port));
  }
  ~Echo() {
    client_.Reset();
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }

  pid_t pid() const { return pid_; }
  int fd() const { return client_.get(); }

 private:
  pid_t pid_ = -1;
  UniqueFd client_;
};

double Time(const std::function<void()>& work) {
  const absl::Time start = absl::Now();
  work();
  return absl::ToDoubleMicroseconds(absl::Now() - start);
}

double Percentile(std::vector<double> values, int percent) {
  std::sort(values.begin(), values.end());
  return values[values.size() * static_cast<size_t>(percent) / 100];
}

// Keeps a process, all its threads, on one core; -1: on any.
void Pin(pid_t pid, int core) {
  cpu_set_t cores;
  CPU_ZERO(&cores);
  for (int i = 0; i < CPU_SETSIZE; ++i) {
    if (core < 0 || i == core) CPU_SET(i, &cores);
  }
  std::error_code ignored;
  for (const auto& task : std::filesystem::directory_iterator(
           absl::StrCat("/proc/", pid, "/task"), ignored)) {
    sched_setaffinity(std::stoi(task.path().filename().string()), sizeof cores,
                      &cores);
  }
}

// In turn, so that the machine's noise falls on both.
void CompareWithEcho(const char* how, const Echo& echo, int shim) {
  const std::string ping = Frame("PING");
  auto ask = [&] { RoundTrip(shim, ping, kFrameBytes); };
  auto raw = [&] { RoundTrip(echo.fd(), ping, ping.size()); };
  for (int i = 0; i < 500; ++i) {
    ask();
    raw();
  }
  std::vector<double> pings;
  std::vector<double> echoes;
  for (int round = 0; round < 100; ++round) {
    for (int i = 0; i < 100; ++i) pings.push_back(Time(ask));
    for (int i = 0; i < 100; ++i) echoes.push_back(Time(raw));
  }
  printf("shim PING                   p50 %7.1f us  p99 %7.1f us  %s\n",
         Percentile(pings, 50), Percentile(pings, 99), how);
  printf("raw TCP echo                p50 %7.1f us  p99 %7.1f us  %s\n",
         Percentile(echoes, 50), Percentile(echoes, 99), how);
  printf("  ratio of p50              %.2f  (bar: at most 1.5)\n",
         Percentile(pings, 50) / Percentile(echoes, 50));
}

// Left to the scheduler one may have both ends on one core, where a wake-up
// costs next to nothing, and the other not; so both are put where they are.
void BenchPing(const Echo& echo, int shim, pid_t pid) {
  Pin(getpid(), 0);
  for (pid_t server : {pid, echo.pid()}) Pin(server, 0);
  CompareWithEcho("(caller and server on one core)", echo, shim);
  for (pid_t server : {pid, echo.pid()}) Pin(server, 1);
  CompareWithEcho("(caller and server on cores of their own)", echo, shim);
  Pin(getpid(), -1);
  Pin(pid, -1);
}

void BenchPipelined(int shim) {
  constexpr int kBatch = 1000;
  constexpr int kBatches = 500;
  std::string pings;
  for (int i = 0; i < kBatch; ++i) pings += Frame("PING");
  const double microseconds = Time([&] {
    for (int i = 0; i < kBatches; ++i)
      RoundTrip(shim, pings, kBatch * kFrameBytes);
  });
  printf("pipelined PINGs             %.0f a second, %d in a write\n",
         kBatch * kBatches * 1e6 / microseconds, kBatch);
}

void BenchBulk(int port) {
  LegacyClient client(port, "secret");
  const double microseconds = Time([&] {
    client.Send(Frame("EXEC head -c 1073741824 /dev/zero"));
    while (client.Next().compare(0, 8, "OUT_END ") != 0) {
    }
  });
  printf("EXEC, 1 GiB of output       %.0f MB/s\n", 1073741824 / microseconds);
}

void BenchIdle(const ShimProcess& shim, pid_t pid) {
  const int64_t before = ResidentKilobytes(pid);
  std::vector<LegacyClient> clients;
  for (int i = 0; i < kIdle; ++i) clients.emplace_back(shim.port(), "secret");
  const int64_t after = ResidentKilobytes(pid);
  printf(
      "%d idle connections       %.1f MB, %.1f of them before, %.1f KB each"
      "  (bar: at most 100 MB)\n",
      kIdle, static_cast<double>(after) * 1024 / 1e6,
      static_cast<double>(before) * 1024 / 1e6,
      static_cast<double>(after - before) / kIdle);
}

}  // namespace
}  // namespace specula::testing

int main() {
  using namespace specula::testing;
  setvbuf(stdout, nullptr, _IOLBF, 0);
  rlimit files;
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  const Echo echo;
  if (!specula::EnforceTlsPolicy().ok()) return 1;
  const Pki pki;
  const AgentProcess agent(pki);
  const std::vector<std::string> caps = {
      "--max-connections", "8192", "--max-connections-per-source", "6000"};
  {
    ShimProcess shim(pki, agent.host(), {.arguments = caps});
    LegacyClient client(shim.port(), "secret");
    client.Ask("STATUS");
    BenchPing(echo, client.fd(), shim.process().pid());
    BenchPipelined(client.fd());
    BenchBulk(shim.port());
  }
  ShimProcess fresh(pki, agent.host(), {.arguments = caps});
  BenchIdle(fresh, fresh.process().pid());
}
