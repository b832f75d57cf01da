// What the hand costs, measured in one run beside what it is compared with, in
// turn, so that the machine's noise falls on both. Prints one line for each
// number with its bar; the exit code says nothing about them.
//
//   hand_bench [--openssh ROOT] [--rounds N]
//
// The peers: posix_spawn and waitpid in this process, the least that a child
// costs; OpenSSH with its default cipher, a server of its own on loopback with
// keys of its own, from ROOT/usr/sbin/sshd, in a mount namespace where nothing
// of it outlives the run (needs root).
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "clients/cpp/exec_call.h"
#include "clients/cpp/tail_call.h"
#include "lib/base/clock.h"
#include "lib/base/unique_fd.h"
#include "lib/rpc/tls_policy.h"
#include "tests/e2e/hand.h"
#include "tests/e2e/harness.h"

extern char** environ;

namespace specula::testing {
namespace {

using Channel = std::shared_ptr<grpc::Channel>;

struct Percentiles {
  double p50, p99;
};

Percentiles Of(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return {values[values.size() / 2], values[values.size() * 99 / 100]};
}

double Seconds(const std::function<void()>& work) {
  const absl::Duration begin = MonotonicNow();
  work();
  return absl::ToDoubleSeconds(MonotonicNow() - begin);
}

[[noreturn]] void Die(const std::string& why) {
  fprintf(stderr, "hand_bench: %s\n", why.c_str());
  exit(1);
}

void SpawnAndWait() {
  char program[] = "/bin/true";
  char* argv[] = {program, nullptr};
  pid_t pid;
  if (posix_spawn(&pid, program, nullptr, nullptr, argv, environ) != 0 ||
      waitpid(pid, nullptr, 0) != pid)
    Die("posix_spawn");
}

// As `specula exec` does it. Gives the bytes of output.
int64_t ExecByClient(const Channel& channel, const v1::ExecRequest& request) {
  absl::Notification finished;
  int64_t bytes = 0;
  absl::Status end;
  std::shared_ptr<ExecCall> call;
  ExecEvents events;
  events.started = [](const v1::ExecStarted&) {};
  events.output = [&](const std::string& chunk) {
    bytes += static_cast<int64_t>(chunk.size());
    call->Continue();
  };
  events.error_output = events.output;
  events.exited = [](const v1::ExecExited&) {};
  events.finished = [&](const absl::Status& status) {
    end = status;
    finished.Notify();
  };
  call = ExecCall::Create(channel, request, {}, std::move(events));
  call->Start();
  finished.WaitForNotification();
  if (!end.ok()) Die(end.ToString());
  return bytes;
}

void ExecBlocking(v1::Specula::Stub& stub, const v1::ExecRequest& request) {
  const Execution end = RunExec(stub, request);
  if (!end.status.ok() || !end.exited) Die(end.status.ToString());
}

void BenchSpawn(const Channel& channel, int rounds) {
  const v1::ExecRequest request = Argv({"/bin/true"});
  const auto stub = v1::Specula::NewStub(channel);
  for (int i = 0; i < 50; ++i) ExecBlocking(*stub, request);
  std::vector<double> plain, blocking, client;
  for (int i = 0; i < rounds; ++i) {
    plain.push_back(Seconds(SpawnAndWait) * 1e6);
    blocking.push_back(Seconds([&] { ExecBlocking(*stub, request); }) * 1e6);
    plain.push_back(Seconds(SpawnAndWait) * 1e6);
    client.push_back(Seconds([&] { ExecByClient(channel, request); }) * 1e6);
  }
  const Percentiles peer = Of(plain);
  printf("posix_spawn+wait of true     p50 %7.0f us  p99 %7.0f us\n", peer.p50,
         peer.p99);
  const auto print = [&](const char* how, const Percentiles& ours) {
    printf("Exec of true, %-14s p50 %7.0f us  p99 %7.0f us\n", how, ours.p50,
           ours.p99);
    printf("  ratio of p50               %.2f  (bar: at most 1.9)\n",
           ours.p50 / peer.p50);
  };
  print("blocking stub", Of(blocking));
  print("our client", Of(client));
}

// Runs a program with its output to us; gives the bytes.
int64_t ReadFrom(std::vector<std::string> arguments) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) Die("pipe2");
  const UniqueFd out(ends[0]);
  UniqueFd child_end(ends[1]);
  fcntl(out.get(), F_SETPIPE_SZ, 1 << 20);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, child_end.get(), 1);
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  pid_t pid;
  if (posix_spawnp(&pid, argv[0], &actions, nullptr, argv.data(), environ) != 0)
    Die(arguments[0]);
  posix_spawn_file_actions_destroy(&actions);
  child_end.Reset();
  int64_t bytes = 0;
  std::vector<char> buffer(1 << 18);
  ssize_t got;
  while ((got = read(out.get(), buffer.data(), buffer.size())) > 0)
    bytes += got;
  int status = 0;
  waitpid(pid, &status, 0);
  if (status != 0) Die(absl::StrJoin(arguments, " "));
  return bytes;
}

// sshd for this run alone.
class Ssh {
 public:
  // Nothing if it does not start; says why.
  static std::unique_ptr<Ssh> Start(const std::string& root) {
    if (root.empty() || geteuid() != 0) {
      printf("ssh                          not measured: %s\n",
             root.empty() ? "give --openssh ROOT" : "needs root");
      return nullptr;
    }
    std::unique_ptr<Ssh> ssh(new Ssh(root));
    if (RunProgram(ssh->Command("true")).exit_code == 0) return ssh;
    printf("ssh                          not measured: %s\n",
           ssh->server_->Stderr().c_str());
    return nullptr;
  }

  std::vector<std::string> Command(const std::string& line) const {
    return {"ssh",
            "-F",
            "none",
            "-p",
            absl::StrCat(port_),
            "-i",
            directory_.File("key"),
            "-o",
            "StrictHostKeyChecking=no",
            "-o",
            "UserKnownHostsFile=/dev/null",
            "-o",
            "LogLevel=ERROR",
            "-o",
            "BatchMode=yes",
            "root@127.0.0.1",
            line};
  }

 private:
  explicit Ssh(const std::string& root) {
    for (const char* key : {"host", "key"})
      RunProgram({"ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f",
                  directory_.File(key)});
    std::ofstream(directory_.File("passwd"))
        << "root:*:0:0::/:/bin/sh\nsshd:*:65534:65534::/:/bin/false\n";
    std::ofstream(directory_.File("shadow")) << "root:*:19000:0:99999:7:::\n";
    std::ofstream(directory_.File("config"))
        << "HostKey " << directory_.File("host") << "\nAuthorizedKeysFile "
        << directory_.File("key.pub")
        << "\nListenAddress 127.0.0.1\nStrictModes no\nUsePAM no\n"
           "PermitRootLogin yes\nPidFile none\n";
    // The user and the directory that sshd insists on are seen by it alone.
    const std::string prepare = absl::StrCat(
        "mount --make-rprivate / && mount --bind ", directory_.File("passwd"),
        " /etc/passwd && mount --bind ", directory_.File("shadow"),
        " /etc/shadow && mount -t tmpfs -o mode=755 tmpfs /run && mkdir -m 755 "
        "/run/sshd && LD_LIBRARY_PATH=$(echo ",
        root, "/lib/*-linux-gnu ", root,
        "/usr/lib/*-linux-gnu | tr ' ' :) exec ", root,
        "/usr/sbin/sshd -D -e -f ", directory_.File("config"), " -p ");
    // sshd takes no port 0.
    for (port_ = 20000 + getpid() % 20000;; ++port_) {
      server_ = std::make_unique<Process>(
          Process::Options{.arguments = {"unshare", "-m", "sh", "-c",
                                         absl::StrCat(prepare, port_)}});
      Eventually([this] {
        return !server_->Running() ||
               server_->Stderr().find("listening") != std::string::npos;
      });
      if (server_->Running() ||
          server_->Stderr().find("in use") == std::string::npos)
        return;
    }
  }

  TemporaryDirectory directory_;
  int port_ = 0;
  std::unique_ptr<Process> server_;
};

void BenchBulk(const Pki& pki, const AgentProcess& agent,
               const Channel& channel, const std::string& openssh, int rounds) {
  constexpr int64_t kBytes = int64_t{1} << 30;
  const std::string line = absl::StrCat("head -c ", kBytes, " /dev/zero");
  const std::unique_ptr<Ssh> ssh = Ssh::Start(openssh);
  const v1::ExecRequest request = Shell(line);
  const auto rate = [&](const std::function<int64_t()>& transfer) {
    int64_t bytes = 0;
    const double seconds = Seconds([&] { bytes = transfer(); });
    if (bytes != kBytes) Die(absl::StrCat("only ", bytes, " bytes came"));
    return static_cast<double>(bytes) / 1e6 / seconds;
  };
  std::vector<double> ours, program, peer;
  for (int i = 0; i < rounds; ++i) {
    ours.push_back(rate([&] { return ExecByClient(channel, request); }));
    if (ssh) peer.push_back(rate([&] { return ReadFrom(ssh->Command(line)); }));
    program.push_back(rate([&] {
      return ReadFrom(ControllerArguments(pki, "operator", agent.host(),
                                          {"exec", "--", "sh", "-c", line}));
    }));
  }
  printf("Exec, 1 GiB of output, mTLS  p50 %7.0f MB/s\n", Of(ours).p50);
  printf("specula exec | reader        p50 %7.0f MB/s  (whole program)\n",
         Of(program).p50);
  if (peer.empty()) return;
  printf("ssh | reader                 p50 %7.0f MB/s  (default cipher)\n",
         Of(peer).p50);
  printf("  ratio of p50               %.2f  (bar: at least 1.3)\n",
         Of(ours).p50 / Of(peer).p50);
}

// Lines that carry the time at which they were appended.
void BenchTail(const Channel& channel, const std::string& path) {
  constexpr size_t kLines = 2000;
  const UniqueFd log(
      open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644));
  absl::Mutex mutex;
  std::vector<double> milliseconds;
  absl::Notification finished;
  std::shared_ptr<TailCall> call;
  std::string rest;
  TailEvents events;
  events.data = [&](const std::string& data) {
    const double now = absl::ToDoubleMilliseconds(MonotonicNow());
    rest += data;
    size_t begin = 0;
    for (size_t end; (end = rest.find('\n', begin)) != std::string::npos;
         begin = end + 1) {
      double then = 0;
      if (!absl::SimpleAtod(rest.substr(begin, end - begin), &then)) continue;
      const absl::MutexLock lock(&mutex);
      milliseconds.push_back(now - then);
    }
    rest.erase(0, begin);
    call->Continue();
  };
  events.event = [&](const v1::TailEvent&) { call->Continue(); };
  events.finished = [&](const absl::Status&) { finished.Notify(); };
  v1::TailRequest request;
  request.set_path(path);
  request.set_follow(true);
  call = TailCall::Create(channel, request, {}, std::move(events));
  call->Start();
  absl::SleepFor(absl::Milliseconds(300));
  for (size_t i = 0; i < kLines; ++i) {
    absl::SleepFor(absl::Milliseconds(2));
    char line[40];
    const int size = snprintf(line, sizeof line, "%.6f\n",
                              absl::ToDoubleMilliseconds(MonotonicNow()));
    if (write(log.get(), line, static_cast<size_t>(size)) != size) Die("write");
  }
  Eventually([&] {
    const absl::MutexLock lock(&mutex);
    return milliseconds.size() == kLines;
  });
  call->Cancel();
  finished.WaitForNotification();
  const Percentiles latency = Of(milliseconds);
  printf(
      "Tail, append to client       p50 %7.2f ms  p99 %7.2f ms  (bars: at most "
      "3 and 20)\n",
      latency.p50, latency.p99);
}

}  // namespace
}  // namespace specula::testing

int main(int argc, char** argv) {
  using namespace specula::testing;
  std::string openssh;
  int rounds = 400;
  for (int i = 1; i + 1 < argc; i += 2) {
    if (strcmp(argv[i], "--openssh") == 0) openssh = argv[i + 1];
    if (strcmp(argv[i], "--rounds") == 0) rounds = atoi(argv[i + 1]);
  }
  setvbuf(stdout, nullptr, _IOLBF, 0);
  signal(SIGPIPE, SIG_IGN);
  if (!specula::EnforceTlsPolicy().ok()) return 1;
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  const Pki pki;
  AgentProcess agent(pki);
  const auto channel = agent.Connect(pki.Load("operator"));
  BenchSpawn(channel, rounds);
  BenchTail(channel, pki.File("log"));
  BenchBulk(pki, agent, channel, openssh, 7);
}
