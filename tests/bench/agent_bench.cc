// What the agent costs, measured in one run beside what it is compared with.
// Prints one line for each number with its bar; the exit code says nothing
// about them.
//
//   agent_bench [--idle SECONDS] [--node-exporter PATH]
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "lib/base/file.h"
#include "lib/base/unique_fd.h"
#include "lib/rpc/tls_policy.h"
#include "tests/e2e/harness.h"

namespace specula::testing {
namespace {

// Sums over all threads of a process; CPU time in nanoseconds is that of the
// scheduler.
struct Usage {
  double cpu_seconds = 0;
  int64_t wakeups = 0;
};

Usage ReadUsage(pid_t pid) {
  Usage usage;
  std::error_code ignored;
  for (const auto& task : std::filesystem::directory_iterator(
           absl::StrCat("/proc/", pid, "/task"), ignored)) {
    const std::string directory = task.path().string();
    absl::StatusOr<std::string> schedstat = ReadFile(directory + "/schedstat");
    if (schedstat.ok()) {
      int64_t nanoseconds = 0;
      const std::vector<std::string> fields = absl::StrSplit(*schedstat, ' ');
      if (absl::SimpleAtoi(fields[0], &nanoseconds)) {
        usage.cpu_seconds += static_cast<double>(nanoseconds) / 1e9;
      }
    }
    absl::StatusOr<std::string> status = ReadFile(directory + "/status");
    if (!status.ok()) continue;
    for (absl::string_view line : absl::StrSplit(*status, '\n')) {
      int64_t count = 0;
      if (absl::StartsWith(line, "voluntary_ctxt_switches:") &&
          absl::SimpleAtoi(line.substr(line.find(':') + 1), &count)) {
        usage.wakeups += count;
      }
    }
  }
  return usage;
}

int64_t ResidentKilobytes(pid_t pid) {
  absl::StatusOr<std::string> status =
      ReadFile(absl::StrCat("/proc/", pid, "/status"));
  if (!status.ok()) return 0;
  for (absl::string_view line : absl::StrSplit(*status, '\n')) {
    int64_t kilobytes = 0;
    if (absl::StartsWith(line, "VmRSS:")) {
      const std::vector<absl::string_view> words =
          absl::StrSplit(line, ' ', absl::SkipEmpty());
      if (words.size() >= 2 &&
          absl::SimpleAtoi(words[words.size() - 2], &kilobytes))
        return kilobytes;
    }
  }
  return 0;
}

double Microseconds(absl::Duration duration) {
  return absl::ToDoubleMicroseconds(duration);
}

struct Percentiles {
  double p50, p99;
};

Percentiles Of(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return {values[values.size() / 2], values[values.size() * 99 / 100]};
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
    bind(listener.get(), reinterpret_cast<sockaddr*>(&address), sizeof address);
    listen(listener.get(), 1);
    socklen_t length = sizeof address;
    getsockname(listener.get(), reinterpret_cast<sockaddr*>(&address), &length);
    pid_ = fork();  // before gRPC has a thread
    if (pid_ == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      const UniqueFd peer(accept(listener.get(), nullptr, nullptr));
      NoDelay(peer.get());
      char buffer[4096];
      ssize_t got = 0;
      while ((got = read(peer.get(), buffer, sizeof buffer)) > 0) {
        if (write(peer.get(), buffer, static_cast<size_t>(got)) != got) break;
      }
      _exit(0);
    }
    client_.Reset(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    connect(client_.get(), reinterpret_cast<sockaddr*>(&address),
            sizeof address);
    NoDelay(client_.get());
  }
  ~Echo() {
    client_.Reset();
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }

  pid_t pid() const { return pid_; }

  void RoundTrip() const {
    char buffer[256] = {};
    if (write(client_.get(), buffer, sizeof buffer) != sizeof buffer) abort();
    for (size_t got = 0; got < sizeof buffer;) {
      const ssize_t more = read(client_.get(), buffer, sizeof buffer);
      if (more <= 0) abort();
      got += static_cast<size_t>(more);
    }
  }

 private:
  static void NoDelay(int fd) {
    const int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  }
  pid_t pid_ = -1;
  UniqueFd client_;
};

double Time(const std::function<void()>& work) {
  const absl::Time start = absl::Now();
  work();
  return Microseconds(absl::Now() - start);
}

template <typename Request, typename Response>
std::function<void()> UnaryCall(
    v1::Specula::Stub& stub,
    grpc::Status (v1::Specula::Stub::*method)(grpc::ClientContext*,
                                              const Request&, Response*),
    Request request = {}) {
  return [&stub, method, request] {
    grpc::ClientContext context;
    Response response;
    grpc::Status status = (stub.*method)(&context, request, &response);
    if (!status.ok()) {
      fprintf(stderr, "%s\n", status.error_message().c_str());
      abort();
    }
  };
}

// The agent's CPU for one call, in microseconds, over many.
double CpuPerCall(pid_t pid, int calls, const std::function<void()>& call) {
  for (int i = 0; i < 20; ++i) call();
  const Usage before = ReadUsage(pid);
  for (int i = 0; i < calls; ++i) call();
  return (ReadUsage(pid).cpu_seconds - before.cpu_seconds) * 1e6 / calls;
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
void CompareWithEcho(const char* how, const Echo& echo,
                     const std::function<void()>& cpu) {
  for (int i = 0; i < 500; ++i) {
    cpu();
    echo.RoundTrip();
  }
  std::vector<double> calls;
  std::vector<double> echoes;
  for (int round = 0; round < 50; ++round) {
    for (int i = 0; i < 100; ++i) calls.push_back(Time(cpu));
    for (int i = 0; i < 100; ++i) {
      echoes.push_back(Time([&] { echo.RoundTrip(); }));
    }
  }
  const Percentiles call = Of(calls);
  const Percentiles raw = Of(echoes);
  printf("unary Cpu, warm, mTLS       p50 %7.1f us  p99 %7.1f us  %s\n",
         call.p50, call.p99, how);
  printf("raw TCP echo                p50 %7.1f us  p99 %7.1f us  %s\n",
         raw.p50, raw.p99, how);
  printf("  ratio of p50              %.2f  (bar: at most 2.5)\n",
         call.p50 / raw.p50);
}

// The scheduler may put both ends of the echo on one core, where a wake-up
// costs next to nothing; an agent and its caller are never that near. So it is
// measured both ways.
void BenchUnary(const Echo& echo, v1::Specula::Stub& stub, pid_t pid) {
  auto cpu = UnaryCall(stub, &v1::Specula::Stub::Cpu, v1::CpuRequest());
  CompareWithEcho("(anywhere)", echo, cpu);
  Pin(getpid(), 0);
  Pin(pid, 1);
  Pin(echo.pid(), 1);
  CompareWithEcho("(caller and server on cores of their own)", echo, cpu);
  Pin(getpid(), -1);
  Pin(pid, -1);
  printf("agent CPU for one Cpu       %.1f us  (bar: at most 150)\n",
         CpuPerCall(pid, 3000, cpu));
}

// Scrapes of node_exporter over plain HTTP on a kept connection.
class NodeExporter {
 public:
  NodeExporter(const std::string& path, std::vector<std::string> collectors)
      : process_({.arguments = Arguments(path, std::move(collectors))}) {
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(19473);
    Eventually([&] {
      fd_.Reset(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
      return connect(fd_.get(), reinterpret_cast<sockaddr*>(&address),
                     sizeof address) == 0;
    });
  }
  pid_t pid() const { return process_.pid(); }

  void Scrape() const {
    const std::string request =
        "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n";
    if (write(fd_.get(), request.data(), request.size()) < 0) abort();
    std::string answer;
    char buffer[65536];
    // The chunked body ends with a chunk of no bytes, or has a length.
    while (true) {
      const ssize_t got = read(fd_.get(), buffer, sizeof buffer);
      if (got <= 0) abort();
      answer.append(buffer, static_cast<size_t>(got));
      const size_t body = answer.find("\r\n\r\n");
      if (body == std::string::npos) continue;
      const size_t length = answer.find("Content-Length: ");
      if (length < body) {
        size_t bytes = 0;
        absl::SimpleAtoi(
            answer.substr(length + 16,
                          answer.find("\r\n", length) - length - 16),
            &bytes);
        if (answer.size() >= body + 4 + bytes) return;
      } else if (answer.size() >= 5 &&
                 answer.compare(answer.size() - 5, 5, "0\r\n\r\n") == 0) {
        return;
      }
    }
  }

 private:
  static std::vector<std::string> Arguments(
      const std::string& path, std::vector<std::string> collectors) {
    std::vector<std::string> arguments = {
        path, "--web.listen-address=127.0.0.1:19473",
        "--collector.disable-defaults"};
    for (std::string& collector : collectors) {
      arguments.push_back(std::move(collector));
    }
    return arguments;
  }

  Process process_;
  UniqueFd fd_;
};

// A scrape for what changes from one Status to the next, and one for all that
// is in its answer: the host's facts, the sensors, and the agent itself.
void CompareWithNodeExporter(const std::string& path, double ours) {
  const std::vector<std::string> counters = {
      "--collector.cpu",      "--collector.meminfo",    "--collector.loadavg",
      "--collector.netdev",   "--collector.filesystem", "--collector.diskstats",
      "--collector.pressure", "--collector.stat"};
  std::vector<std::string> all = counters;
  for (const char* further :
       {"--collector.cpu.info", "--collector.os", "--collector.uname",
        "--collector.time", "--collector.hwmon"}) {
    all.emplace_back(further);
  }
  std::vector<std::string> bare = counters;
  bare.emplace_back("--web.disable-exporter-metrics");
  auto compare = [&](const char* what, std::vector<std::string> collectors) {
    const NodeExporter peer(path, std::move(collectors));
    const double theirs = CpuPerCall(peer.pid(), 300, [&] { peer.Scrape(); });
    printf("node_exporter for a scrape  %.0f us, %s\n", theirs, what);
    printf("  ratio                     %.1f times less  (bar: at least 10)\n",
           theirs / ours);
  };
  compare("the same as in Status", std::move(all));
  compare("without the facts, the sensors and itself", std::move(bare));
}

void BenchStatus(v1::Specula::Stub& stub, pid_t pid,
                 const std::string& node_exporter) {
  auto status =
      UnaryCall(stub, &v1::Specula::Stub::Status, v1::StatusRequest());
  const double ours = CpuPerCall(pid, 1000, status);
  printf("agent CPU for one Status    %.0f us\n", ours);
  if (node_exporter.empty()) {
    printf(
        "  node_exporter             not measured: give --node-exporter "
        "PATH\n");
  } else {
    CompareWithNodeExporter(node_exporter, ours);
  }
}

void BenchProcesses(v1::Specula::Stub& stub, pid_t pid) {
  std::vector<std::unique_ptr<Process>> sleepers;
  int have = 0;
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    have += isdigit(entry.path().filename().string()[0]) != 0 ? 1 : 0;
  }
  for (int i = have; i < 500; ++i) {
    sleepers.push_back(std::make_unique<Process>(
        Process::Options{.arguments = {"sleep", "600"}}));
  }
  auto processes =
      UnaryCall(stub, &v1::Specula::Stub::Processes, v1::ProcessesRequest());
  for (int i = 0; i < 20; ++i) processes();
  std::vector<double> times;
  for (int i = 0; i < 200; ++i) times.push_back(Time(processes));
  printf(
      "Processes with 500 of them  p50 %.2f ms, agent CPU %.2f ms  (bar: at "
      "most 5 ms)\n",
      Of(times).p50 / 1000, CpuPerCall(pid, 200, processes) / 1000);
}

void BenchColdStart(const Pki& pki, const AgentProcess& agent) {
  const auto command =
      ControllerArguments(pki, "viewer", agent.host(), {"status"});
  std::vector<double> times;
  for (int i = 0; i < 30; ++i) {
    times.push_back(Time([&] {
      // Not RunProgram, which looks for the end at intervals.
      Process process({.arguments = command});
      siginfo_t info;
      waitid(P_PID, static_cast<id_t>(process.pid()), &info, WEXITED | WNOWAIT);
    }));
  }
  times.erase(times.begin(), times.begin() + 5);
  printf(
      "specula status, one host    p50 %.1f ms, whole process  (bar: at most "
      "40 ms)\n",
      Of(times).p50 / 1000);
}

// Both processes of the agent together.
void BenchIdle(const std::vector<pid_t>& pids, int seconds) {
  auto usage = [&] {
    Usage sum;
    for (pid_t pid : pids) {
      const Usage one = ReadUsage(pid);
      sum.cpu_seconds += one.cpu_seconds;
      sum.wakeups += one.wakeups;
    }
    return sum;
  };
  absl::SleepFor(absl::Seconds(2));
  const Usage before = usage();
  absl::SleepFor(absl::Seconds(seconds));
  const Usage after = usage();
  printf("idle over %d s              %.4f %% of a core  (bar: at most 0.05)\n",
         seconds, (after.cpu_seconds - before.cpu_seconds) / seconds * 100);
  printf("  wake-ups                  %.1f a second\n",
         static_cast<double>(after.wakeups - before.wakeups) / seconds);
  int64_t kilobytes = 0;
  for (pid_t pid : pids) kilobytes += ResidentKilobytes(pid);
  printf("  resident                  %.1f MiB  (bar: at most 24)\n",
         static_cast<double>(kilobytes) / 1024);
}

}  // namespace
}  // namespace specula::testing

int main(int argc, char** argv) {
  using namespace specula::testing;
  int idle_seconds = 30;
  std::string node_exporter;
  for (int i = 1; i + 1 < argc; i += 2) {
    if (strcmp(argv[i], "--idle") == 0) idle_seconds = atoi(argv[i + 1]);
    if (strcmp(argv[i], "--node-exporter") == 0) node_exporter = argv[i + 1];
  }
  setvbuf(stdout, nullptr, _IOLBF, 0);
  const Echo echo;
  if (!specula::EnforceTlsPolicy().ok()) return 1;
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  {
    const Pki pki;
    AgentProcess fresh(pki);
    BenchIdle({fresh.front_pid(), fresh.process().pid()}, idle_seconds);
    BenchColdStart(pki, fresh);
  }
  const Pki pki;
  AgentProcess agent(pki);
  const pid_t pid = agent.front_pid();
  auto stub = specula::v1::Specula::NewStub(agent.Connect(pki.Load("viewer")));
  BenchUnary(echo, *stub, pid);
  BenchStatus(*stub, pid, node_exporter);
  BenchProcesses(*stub, pid);
}
