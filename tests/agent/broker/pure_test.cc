// Ceiling, environment, /proc and cgroup texts, messages: what is decided
// without a system call.

#include <gtest/gtest.h>

#include <limits>

#include "absl/strings/match.h"
#include "agent/broker/ceiling.h"
#include "agent/broker/cgroup.h"
#include "agent/broker/environment.h"
#include "agent/broker/message.h"
#include "agent/broker/proc_stat.h"
#include "agent/broker/session_tree.h"

namespace specula::agent {
namespace {

TEST(CeilingTest, CommandsAndNumbers) {
  Ceiling ceiling;
  ceiling.max_execs = 2;
  ceiling.max_execs_per_caller = 1;
  ceiling.max_started = 1;
  EXPECT_TRUE(AllowsCommand(ceiling, false, {}).ok());
  EXPECT_TRUE(AllowsCommand(ceiling, false, {.execs = 1}).ok());
  EXPECT_TRUE(
      absl::IsResourceExhausted(AllowsCommand(ceiling, false, {.execs = 2})));
  EXPECT_TRUE(absl::IsResourceExhausted(
      AllowsCommand(ceiling, false, {.execs = 1, .execs_of_caller = 1})));
  EXPECT_TRUE(
      AllowsCommand(ceiling, true, {.execs = 2, .execs_of_caller = 2}).ok());
  EXPECT_TRUE(
      absl::IsResourceExhausted(AllowsCommand(ceiling, true, {.started = 1})));
  ceiling.commands = false;
  EXPECT_TRUE(absl::IsPermissionDenied(AllowsCommand(ceiling, false, {})));
  EXPECT_TRUE(absl::IsPermissionDenied(AllowsCommand(ceiling, true, {})));
}

TEST(CeilingTest, Users) {
  Ceiling ceiling;
  EXPECT_EQ(*AllowedUser(ceiling, "", "root"), "");
  EXPECT_EQ(*AllowedUser(ceiling, "root", "root"), "");
  EXPECT_EQ(*AllowedUser(ceiling, "bob", "root"), "bob");
  ceiling.default_user = "bob";
  EXPECT_EQ(*AllowedUser(ceiling, "", "root"), "bob");
  ceiling.users = {"bob", "eve"};
  EXPECT_EQ(*AllowedUser(ceiling, "", "root"), "bob");
  EXPECT_EQ(*AllowedUser(ceiling, "eve", "root"), "eve");
  EXPECT_TRUE(
      absl::IsPermissionDenied(AllowedUser(ceiling, "root", "root").status()));
  ceiling.default_user = "";
  EXPECT_TRUE(
      absl::IsPermissionDenied(AllowedUser(ceiling, "", "root").status()));
}

TEST(CeilingTest, Programs) {
  Ceiling ceiling;
  EXPECT_EQ(AllowedPrograms(ceiling, {"x", "/y"}, {{"A", "B"}})->size(), 2u);
  ceiling.programs = {"/usr/bin/id", "/bin/uptime"};
  EXPECT_EQ(*AllowedPrograms(ceiling, {"/usr/sbin/id", "/usr/bin/id"}, {}),
            std::vector<std::string>{"/usr/bin/id"});
  for (const char* path :
       {"/usr/bin/id/", "/usr/bin/../bin/id", "id", "./id", "/bin/sh"}) {
    EXPECT_TRUE(
        absl::IsPermissionDenied(AllowedPrograms(ceiling, {path}, {}).status()))
        << path;
  }
  EXPECT_FALSE(
      AllowedPrograms(ceiling, {"/usr/bin/id"}, {{"LD_PRELOAD", "x"}}).ok());
}

TEST(CeilingTest, LimitsAreNeverWidened) {
  Ceiling ceiling;
  EXPECT_EQ(AllowedTimeout(ceiling, absl::Seconds(5)), absl::Seconds(5));
  EXPECT_EQ(AllowedOutputBytes(ceiling, 0), 0);
  ceiling.max_timeout = absl::Seconds(60);
  ceiling.max_output_bytes = 100;
  EXPECT_EQ(AllowedTimeout(ceiling, absl::ZeroDuration()), absl::Seconds(60));
  EXPECT_EQ(AllowedTimeout(ceiling, absl::Seconds(61)), absl::Seconds(60));
  EXPECT_EQ(AllowedTimeout(ceiling, absl::Seconds(59)), absl::Seconds(59));
  EXPECT_EQ(AllowedOutputBytes(ceiling, 0), 100);
  EXPECT_EQ(AllowedOutputBytes(ceiling, std::numeric_limits<int64_t>::max()),
            100);
  EXPECT_EQ(AllowedOutputBytes(ceiling, 7), 7);
}

TEST(CeilingTest, NonsenseIsRefused) {
  Ceiling ceiling;
  EXPECT_TRUE(CheckCeiling(ceiling).ok());
  ceiling.tail_roots = {"var/log"};
  EXPECT_FALSE(CheckCeiling(ceiling).ok());
  ceiling.tail_roots = {};
  ceiling.max_execs = -1;
  EXPECT_FALSE(CheckCeiling(ceiling).ok());
}

TEST(EnvironmentTest, AskedForStandsOverTheBaseButNotOverTheId) {
  User bob;
  bob.name = "bob";
  const Environment environment = BuildEnvironment(
      bob, {{"PATH", "/x"}, {"SPECULA_EXEC_ID", "forged"}}, "0123");
  EXPECT_EQ(environment.at("PATH"), "/x");
  EXPECT_EQ(environment.at("SPECULA_EXEC_ID"), "0123");
  EXPECT_EQ(environment.at("HOME"), "/");
  EXPECT_EQ(environment.at("SHELL"), "/bin/sh");
  EXPECT_EQ(environment.size(), 7u);
}

TEST(EnvironmentTest, ProgramsAreLookedForAsAShellDoes) {
  EXPECT_EQ(ProgramCandidates("a/b", "/x"), std::vector<std::string>{"a/b"});
  EXPECT_EQ(ProgramCandidates("p", "/x:/y/"),
            (std::vector<std::string>{"/x/p", "/y//p"}));
  EXPECT_EQ(ProgramCandidates("p", ":/y"),
            (std::vector<std::string>{"./p", "/y/p"}));
}

TEST(ProcStatTest, NameMayHoldAnything) {
  const auto stat = ParseProcStat(
      "42 (a) R (b) S 7 42 41 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 98765 100 "
      "200 18446744073709551615\n");
  ASSERT_TRUE(stat.ok());
  EXPECT_EQ(stat->pid, 42);
  EXPECT_EQ(stat->state, 'S');
  EXPECT_EQ(stat->parent, 7);
  EXPECT_EQ(stat->session, 41);
  EXPECT_EQ(stat->start_ticks, 98765);
  EXPECT_FALSE(stat->kernel_thread);
  for (const char* text :
       {"", "42", "42 (a", "42 (a) S 1",
        "x (a) S 7 42 41 0 -1 0 1 2 3 4 5 6 7 8 20 0 1 0 9 1"}) {
    EXPECT_FALSE(ParseProcStat(text).ok()) << text;
  }
}

TEST(CgroupTextTest, MountAndPathAreFound) {
  EXPECT_EQ(ParseCgroupMount("24 1 0:5 / /proc rw - proc proc rw\n"
                             "30 24 0:26 / /sys/fs/cgroup rw,nosuid shared:9 - "
                             "cgroup2 cgroup2 rw\n"),
            "/sys/fs/cgroup");
  EXPECT_EQ(ParseCgroupMount("24 1 0:5 / /proc rw - cgroup cgroup rw\n"), "");
  EXPECT_EQ(ParseCgroupPath("9:pids:/x\n0::/system.slice/specula.service\n"),
            "/system.slice/specula.service");
  EXPECT_EQ(ParseCgroupPath("9:pids:/x\n"), "");
  EXPECT_EQ(ParseCgroupPath("0::/../outside\n"), "");
  EXPECT_TRUE(ParsePopulated("populated 1\nfrozen 0\n"));
  EXPECT_FALSE(ParsePopulated("frozen 0\npopulated 0\n"));
  EXPECT_TRUE(ParsePopulated(""));
}

ProcStat Process(int64_t pid, int64_t parent, int64_t session,
                 int64_t start = 500, char state = 'S') {
  ProcStat stat;
  stat.pid = pid;
  stat.parent = parent;
  stat.session = session;
  stat.start_ticks = start;
  stat.state = state;
  return stat;
}

std::vector<int64_t> Pids(const std::vector<ProcStat>& stats) {
  std::vector<int64_t> pids;
  for (const ProcStat& stat : stats) pids.push_back(stat.pid);
  return pids;
}

TEST(FindMembersTest, ByDescentSessionAndId) {
  const TreeRoot root = {100, 500, "me", 10};
  const std::vector<ProcStat> all = {
      Process(10, 1, 10),                // the broker
      Process(100, 10, 100),             // the leader
      Process(101, 100, 100),            // its child
      Process(102, 101, 102),            // in a session of its own
      Process(103, 10, 100),             // an orphan in its session
      Process(104, 10, 104),             // an orphan with its id
      Process(105, 104, 105),            // a child of that
      Process(106, 10, 106),             // an orphan of somebody else
      Process(107, 1, 107),              // a stranger
      Process(108, 10, 104, 499),        // older than the leader
      Process(109, 101, 100, 500, 'Z'),  // dead
      Process(110, 109, 100),            // of the dead
  };
  const auto id_of = [](int64_t pid) -> std::string {
    return pid == 104 || pid == 108 ? "me" : pid == 106 ? "other" : "";
  };
  EXPECT_EQ(Pids(FindMembers(root, all, id_of)),
            (std::vector<int64_t>{100, 101, 102, 103, 104, 105, 110}));
}

TEST(FindMembersTest, LeadersPidOfAnotherIsNotTheLeader) {
  const TreeRoot root = {100, 500, "me", 10};
  const std::vector<ProcStat> all = {Process(100, 10, 100, 900),
                                     Process(101, 100, 100, 901),
                                     Process(102, 10, 100, 902)};
  const auto id_of = [](int64_t) { return std::string("other"); };
  EXPECT_TRUE(FindMembers(root, all, id_of).empty());
  // Nor is its session the leader's.
  const auto no_id = [](int64_t) { return std::string(); };
  EXPECT_TRUE(FindMembers(root, all, no_id).empty());
}

TEST(FindMembersTest, WithoutALeaderOnlyTheIdCounts) {
  const TreeRoot root = {-1, 500, "me", 0};
  const std::vector<ProcStat> all = {Process(1, 0, 0, 600),
                                     Process(101, 1, 101, 901),
                                     Process(102, 1, 102, 902)};
  const auto id_of = [](int64_t pid) {
    return std::string(pid == 102 ? "me" : "");
  };
  EXPECT_EQ(Pids(FindMembers(root, all, id_of)), std::vector<int64_t>{102});
}

TEST(MessageTest, RequestsAreReadWithSuspicion) {
  EXPECT_FALSE(ParseRequest("").ok()) << "no id";
  EXPECT_FALSE(ParseRequest("\xff\xff\xff").ok());
  broker::Request request;
  request.set_id(1);
  EXPECT_FALSE(CheckRequest(request).ok()) << "no operation";
  request.mutable_spawn()->set_shell("true");
  EXPECT_TRUE(CheckRequest(*ParseRequest(request.SerializeAsString())).ok());
  request.mutable_spawn()->set_timeout_milliseconds(
      std::numeric_limits<int64_t>::max());
  EXPECT_FALSE(CheckRequest(request).ok());
  request.mutable_end_tree();
  EXPECT_FALSE(CheckRequest(request).ok()) << "no job";
  request.mutable_signal()->set_job(5);
  EXPECT_FALSE(CheckRequest(request).ok()) << "no signal";
  request.mutable_kill()->set_pid(1);
  EXPECT_FALSE(CheckRequest(request).ok());
  request.mutable_open()->set_path("relative");
  EXPECT_FALSE(CheckRequest(request).ok());
}

TEST(MessageTest, FingerprintTellsCommandsApart) {
  broker::Spawn command;
  command.set_shell("a");
  const uint64_t plain = FingerprintOf(command, "");
  command.set_caller("somebody");
  command.set_idempotency_key("k");
  EXPECT_EQ(FingerprintOf(command, ""), plain);
  EXPECT_NE(FingerprintOf(command, "x"), plain);
  command.set_user("bob");
  EXPECT_NE(FingerprintOf(command, ""), plain);
}

TEST(MessageTest, StatusSurvivesTheWay) {
  broker::Answer answer;
  SetStatus(absl::NotFoundError("exec(/x): \xff"), answer);
  EXPECT_EQ(StatusOf(answer), absl::NotFoundError("exec(/x): \xff"));
  EXPECT_TRUE(StatusOf(broker::Answer()).ok());
}

}  // namespace
}  // namespace specula::agent
