// The agent as a caller sees it: true numbers, Watch, an orderly end, bad
// options.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <pwd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cmath>
#include <fstream>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "lib/base/file.h"
#include "lib/rpc/grpc_status.h"
#include "tests/e2e/harness.h"

namespace specula::testing {
namespace {

using ::testing::HasSubstr;

class AgentTest : public ::testing::Test {
 protected:
  std::unique_ptr<v1::Specula::Stub> Stub(const std::string& who = "viewer") {
    return v1::Specula::NewStub(agent_.Connect(pki_.Load(who)));
  }

  v1::StatusResponse Status() {
    grpc::ClientContext context;
    v1::StatusResponse response;
    grpc::Status status = Stub()->Status(&context, {}, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response;
  }

  const Pki pki_;
  AgentProcess agent_{pki_};
};

int64_t ResidentBytes(pid_t pid) {
  std::ifstream statm(absl::StrCat("/proc/", pid, "/statm"));
  int64_t size = 0;
  int64_t resident = 0;
  statm >> size >> resident;
  return resident * sysconf(_SC_PAGESIZE);
}

// Keeps `count` cores busy while it lives.
class BusyLoops {
 public:
  explicit BusyLoops(int count) {
    for (int i = 0; i < count; ++i) {
      threads_.emplace_back([this] {
        while (!stop_) {
        }
      });
    }
  }
  ~BusyLoops() {
    stop_ = true;
    for (std::thread& thread : threads_) thread.join();
  }

 private:
  std::atomic<bool> stop_ = false;
  std::vector<std::thread> threads_;
};

TEST_F(AgentTest, MemoryIsThatOfProcMeminfo) {
  std::ifstream meminfo("/proc/meminfo");
  std::string word;
  int64_t kilobytes = 0;
  meminfo >> word >> kilobytes;
  ASSERT_EQ(word, "MemTotal:");
  EXPECT_NEAR(static_cast<double>(Status().memory().total_bytes()),
              static_cast<double>(kilobytes) * 1024,
              static_cast<double>(kilobytes) * 10.24);
}

TEST_F(AgentTest, FirstStatusHasACpuWindowAndNeverAFalseZero) {
  const BusyLoops busy(1);
  const v1::StatusResponse status = Status();
  EXPECT_EQ(status.cpu().quality(), v1::QUALITY_OK);
  const double window = static_cast<double>(status.cpu().window().seconds()) +
                        status.cpu().window().nanos() / 1e9;
  EXPECT_GE(window, 0.2);
  EXPECT_GT(status.cpu().utilization(), 0);
}

TEST_F(AgentTest, BusyCoresAreSeen) {
  const int cores = static_cast<int>(std::thread::hardware_concurrency());
  const BusyLoops busy(cores);
  Status();
  absl::SleepFor(absl::Seconds(1));
  // All cores run flat out; what else runs on the machine only adds to it.
  EXPECT_GT(Status().cpu().utilization(), 0.95);
}

TEST_F(AgentTest, OneBusyCoreIsItsShareAboveWhatRanBefore) {
  const int cores = static_cast<int>(std::thread::hardware_concurrency());
  Status();
  absl::SleepFor(absl::Milliseconds(700));
  const double idle_share = Status().cpu().utilization();
  const BusyLoops busy(1);
  absl::SleepFor(absl::Milliseconds(3500));  // beyond every older baseline
  Status();
  absl::SleepFor(absl::Milliseconds(700));
  const double share = Status().cpu().utilization();
  EXPECT_GE(share, 0.9 / cores) << "before: " << idle_share;
}

TEST_F(AgentTest, StatusIsWhole) {
  const v1::StatusResponse status = Status();
  char hostname[256] = {};
  gethostname(hostname, sizeof hostname - 1);
  EXPECT_EQ(status.host().hostname(), hostname);
  EXPECT_THAT(status.host().boot_id(), ::testing::SizeIs(36));
  EXPECT_FALSE(status.host().kernel().empty());
  EXPECT_GT(status.host().uptime().seconds(), 0);
  EXPECT_EQ(status.cpu().cores_size(), status.cpu().logical_count());
  EXPECT_GT(status.disk().filesystems_size(), 0);
  EXPECT_GT(status.disk().total_bytes(), status.disk().used_bytes());
  EXPECT_TRUE(status.has_load());
  EXPECT_EQ(status.network().quality(), v1::QUALITY_OK);
  // Of both processes; they may have grown or shrunk since.
  const int64_t front = ResidentBytes(agent_.front_pid());
  const int64_t broker = ResidentBytes(agent_.process().pid());
  EXPECT_GT(front, 0);
  EXPECT_GT(broker, 0);
  EXPECT_GT(status.agent().memory_bytes(), front + broker / 2);
  EXPECT_LT(status.agent().memory_bytes(), front + broker * 3 / 2);
  EXPECT_TRUE(status.agent().has_cpu_utilization());
  EXPECT_GT(status.agent().certificate_expire_time().seconds(),
            absl::ToUnixSeconds(absl::Now()));
  EXPECT_EQ(status.agent().certificate_generation(), 1);
}

TEST_F(AgentTest, ProcessesShowTheBusyOneFirst) {
  Process busy({.arguments = {"sh", "-c", "while :; do :; done"}});
  v1::ProcessesResponse response;
  EXPECT_TRUE(Eventually([&] {
    grpc::ClientContext context;
    response.Clear();
    EXPECT_TRUE(Stub()->Processes(&context, {}, &response).ok());
    for (const v1::Process& process : response.processes()) {
      if (process.pid() == busy.pid() && process.cpu_utilization() > 0.3) {
        EXPECT_THAT(process.command_line(), HasSubstr("while :; do :; done"));
        EXPECT_EQ(process.state(), "R");
        return true;
      }
    }
    return false;
  }));
  EXPECT_LE(response.processes_size(), 10);
  EXPECT_GT(response.total_count(), 1);
}

TEST_F(AgentTest, ProcessesRefuseAnOddLimit) {
  for (const int limit : {-1, 10001}) {
    grpc::ClientContext context;
    v1::ProcessesRequest request;
    request.set_limit(limit);
    v1::ProcessesResponse response;
    EXPECT_EQ(Stub()->Processes(&context, request, &response).error_code(),
              grpc::StatusCode::INVALID_ARGUMENT);
  }
}

TEST_F(AgentTest, WatchSendsSnapshotsWithABaselineOfItsOwn) {
  grpc::ClientContext context;
  v1::WatchRequest request;
  request.mutable_interval()->set_nanos(300'000'000);
  request.set_process_limit(3);
  auto stub = Stub();
  auto watch = stub->Watch(&context, request);
  // A busy poller beside it must not shorten the watcher's windows.
  std::atomic<bool> stop = false;
  std::thread poller([&] {
    auto channel = agent_.Connect(pki_.Load("viewer"));
    while (!stop) EXPECT_TRUE(CallCpu(channel).ok());
  });
  int64_t last = 0;
  for (int i = 0; i < 4; ++i) {
    v1::WatchResponse snapshot;
    ASSERT_TRUE(watch->Read(&snapshot));
    EXPECT_GT(snapshot.sequence(), last);
    last = snapshot.sequence();
    EXPECT_EQ(snapshot.status().cpu().quality(), v1::QUALITY_OK);
    EXPECT_LE(snapshot.processes().processes_size(), 3);
    EXPECT_GT(snapshot.processes().processes_size(), 0);
    const double window =
        snapshot.status().cpu().window().nanos() / 1e9 +
        static_cast<double>(snapshot.status().cpu().window().seconds());
    EXPECT_GE(window, i == 0 ? 0.19 : 0.25);
  }
  stop = true;
  poller.join();
  context.TryCancel();
}

TEST_F(AgentTest, WatchGivesASlowReaderTheNewestAndNoQueue) {
  grpc::ClientContext context;
  v1::WatchRequest request;
  request.mutable_interval()->set_nanos(200'000'000);
  request.set_process_limit(1000);
  auto stub = Stub();
  auto watch = stub->Watch(&context, request);
  v1::WatchResponse snapshot;
  ASSERT_TRUE(watch->Read(&snapshot));
  // Small snapshots fit into gRPC's windows for a while, so a reader that
  // sleeps shows nothing; what can be shown is that the agent keeps no more
  // than one. The sequence tells of intervals, not of snapshots.
  absl::SleepFor(absl::Seconds(3));
  int64_t last = snapshot.sequence();
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(watch->Read(&snapshot));
    EXPECT_GT(snapshot.sequence(), last);
    last = snapshot.sequence();
  }
  context.TryCancel();
}

TEST_F(AgentTest, WatchRefusesOddRequests) {
  for (const int64_t nanos : {int64_t{-1}, int64_t{0}, int64_t{199'999'999}}) {
    grpc::ClientContext context;
    v1::WatchRequest request;
    request.mutable_interval()->set_nanos(static_cast<int>(nanos));
    auto stub = Stub();
    auto watch = stub->Watch(&context, request);
    v1::WatchResponse ignored;
    EXPECT_FALSE(watch->Read(&ignored));
    EXPECT_EQ(watch->Finish().error_code(), grpc::StatusCode::INVALID_ARGUMENT)
        << nanos;
  }
}

TEST_F(AgentTest, ManyWatchesCancelledAtRandomLeaveNothingBehind) {
  auto stub = Stub();
  for (int round = 0; round < 200; ++round) {
    grpc::ClientContext context;
    v1::WatchRequest request;
    request.mutable_interval()->set_nanos(200'000'000);
    request.set_process_limit(round % 2);
    context.set_deadline(
        absl::ToChronoTime(absl::Now() + absl::Milliseconds(round % 40)));
    auto watch = stub->Watch(&context, request);
    v1::WatchResponse snapshot;
    while (watch->Read(&snapshot)) {
    }
    EXPECT_FALSE(watch->Finish().ok());
  }
  EXPECT_TRUE(CallCpu(agent_.Connect(pki_.Load("viewer"))).ok());
  agent_.process().Signal(SIGTERM);
  EXPECT_EQ(agent_.process().Wait(), 0) << agent_.Log();
}

TEST_F(AgentTest, SigtermEndsItInOrderWithAnOpenWatch) {
  grpc::ClientContext context;
  v1::WatchRequest request;
  request.mutable_interval()->set_seconds(3600);
  auto stub = Stub();
  auto watch = stub->Watch(&context, request);
  v1::WatchResponse snapshot;
  ASSERT_TRUE(watch->Read(&snapshot));
  agent_.process().Signal(SIGTERM);
  EXPECT_FALSE(watch->Read(&snapshot));
  absl::Status end = FromGrpc(watch->Finish());
  EXPECT_TRUE(absl::IsUnavailable(end)) << end;
  EXPECT_THAT(std::string(end.message()), HasSubstr("stopping"));
  EXPECT_EQ(agent_.process().Wait(), 0);
  EXPECT_THAT(agent_.Log(), HasSubstr("msg=stopped"));
}

// A client that has nothing to do may not read what the agent tells it.
TEST_F(AgentTest, AnIdleConnectionDoesNotHoldUpTheEnd) {
  const Process idle(
      {.arguments = {
           "sh", "-c",
           absl::StrCat("printf 'PRI * HTTP/2.0\\r\\n\\r\\nSM\\r\\n\\r\\n"
                        "\\000\\000\\000\\004\\000\\000\\000\\000\\000' | "
                        "openssl s_client -connect ",
                        agent_.host(), " -quiet -CAfile ", pki_.File("ca.crt"),
                        " -cert ", pki_.File("viewer.crt"), " -key ",
                        pki_.File("viewer.key"), " -alpn h2")}});
  // The agent's SETTINGS show that it speaks HTTP/2 with it.
  ASSERT_TRUE(Eventually([&] { return !idle.Stdout().empty(); }))
      << idle.Stderr();
  const absl::Time start = absl::Now();
  agent_.process().Signal(SIGTERM);
  EXPECT_EQ(agent_.process().Wait(), 0);
  EXPECT_LT(absl::Now() - start, absl::Seconds(6));  // not the grace of 8 s
}

// Bad options and files.

Result StartAgent(const Pki& pki, const std::vector<std::string>& more) {
  std::vector<std::string> arguments = {Program("specula-agent"),
                                        "--listen",
                                        "127.0.0.1:0",
                                        "--ca",
                                        pki.File("ca.crt"),
                                        "--cert",
                                        pki.File("localhost.crt"),
                                        "--key",
                                        pki.File("localhost.key"),
                                        "--state-dir",
                                        pki.File("state2")};
  arguments.insert(arguments.end(), more.begin(), more.end());
  return RunProgram(arguments);
}

TEST(AgentOptionsTest, UnknownFlagIsUsage) {
  const Pki pki;
  const Result result = StartAgent(pki, {"--no-such-flag"});
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_THAT(result.err + result.out, HasSubstr("--no-such-flag"));
}

TEST(AgentOptionsTest, KeyThatOthersMayReadIsRefusedWithItsPath) {
  const Pki pki;
  ASSERT_EQ(chmod(pki.File("localhost.key").c_str(), 0644), 0);
  const Result result = StartAgent(pki, {});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.err, HasSubstr(pki.File("localhost.key")));
  EXPECT_THAT(result.err, HasSubstr("chmod 600"));
}

TEST(AgentOptionsTest, KeyReadableByTheOwnGroupIsTaken) {
  const Pki pki;
  ASSERT_EQ(chmod(pki.File("localhost.key").c_str(), 0440), 0);
  EXPECT_EQ(StartAgent(pki, {"--check-config"}).exit_code, 0);
}

// By root, as an operator does, with the key that the packages lay down for the
// user of the front.
TEST(AgentOptionsTest, FilesAreJudgedAsTheFrontWillReadThem) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root";
  const Pki pki;
  const passwd* front = getpwnam("nobody");
  ASSERT_NE(front, nullptr);
  const std::string key = pki.File("localhost.key");
  const auto check = [&] {
    return StartAgent(pki, {"--front-user", "nobody", "--check-config"});
  };
  ASSERT_EQ(chown(key.c_str(), front->pw_uid, front->pw_gid), 0);
  EXPECT_EQ(check().exit_code, 0) << check().err;
  ASSERT_EQ(chown(key.c_str(), 0, front->pw_gid), 0);
  ASSERT_EQ(chmod(key.c_str(), 0640), 0);
  EXPECT_EQ(check().exit_code, 0) << check().err;
  // The front could not read it.
  ASSERT_EQ(chown(key.c_str(), 0, 0), 0);
  ASSERT_EQ(chmod(key.c_str(), 0600), 0);
  EXPECT_THAT(check().err, HasSubstr("cannot be read by the user nobody"));
  EXPECT_THAT(check().err, HasSubstr("chown nobody " + key));
  ASSERT_EQ(chmod(key.c_str(), 0640), 0);
  EXPECT_THAT(check().err, HasSubstr("others may access it"));
}

TEST(AgentOptionsTest, MissingFileIsNamed) {
  const Pki pki;
  const Result result = StartAgent(pki, {"--key", "/no/such/key"});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.err, HasSubstr("/no/such/key"));
}

TEST(AgentOptionsTest, CallersCertificateIsNotAnAgents) {
  const Pki pki;
  const Result result = StartAgent(
      pki, {"--cert", pki.File("viewer.crt"), "--key", pki.File("viewer.key")});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.err, HasSubstr("specula pki agent"));
}

TEST(AgentOptionsTest, PortInUseIsSaid) {
  const Pki pki;
  AgentProcess agent(pki);
  const Result result = StartAgent(pki, {"--listen", agent.host()});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.err, HasSubstr("Address already in use"));
  EXPECT_THAT(result.err, HasSubstr(agent.host()));
}

TEST(AgentOptionsTest, HealthListenerIsKeptToLoopback) {
  const Pki pki;
  const Result result = StartAgent(pki, {"--health-listen", "0.0.0.0:1"});
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_THAT(result.err, HasSubstr("loopback"));
}

TEST(AgentOptionsTest, ConfigurationFileIsReadAndItsErrorsHaveALine) {
  const Pki pki;
  const std::string path = pki.File("agent.toml");
  const std::string good =
      absl::StrCat("listen = \"127.0.0.1:0\"\nca = \"", pki.File("ca.crt"),
                   "\"\ncert = \"", pki.File("localhost.crt"), "\"\nkey = \"",
                   pki.File("localhost.key"), "\"\n");
  ASSERT_TRUE(WriteFileAtomically(path, good, 0644, true).ok());
  const std::vector<std::string> check = {Program("specula-agent"), "--config",
                                          path, "--check-config"};
  const Result fine = RunProgram(check);
  EXPECT_EQ(fine.exit_code, 0) << fine.err;
  ASSERT_TRUE(
      WriteFileAtomically(path, good + "lisen = \"x\"\n", 0644, true).ok());
  const Result odd = RunProgram(check);
  EXPECT_EQ(odd.exit_code, 2);
  EXPECT_THAT(odd.err, HasSubstr("agent.toml:5"));
  EXPECT_THAT(odd.err, HasSubstr("lisen"));
}

TEST(AgentNameTest, AHostIsCalledAsItsAgentWasTold) {
  const Pki pki;
  const AgentProcess agent(pki, {{"--hostname", "node-1"}});
  auto stub = v1::Specula::NewStub(agent.Connect(pki.Load("viewer")));
  grpc::ClientContext context;
  v1::StatusResponse response;
  const grpc::Status status = stub->Status(&context, {}, &response);
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(response.host().hostname(), "node-1");
}

}  // namespace
}  // namespace specula::testing
