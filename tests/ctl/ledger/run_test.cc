#include "ctl/ledger/run.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ctl/ledger/run_diff.h"

namespace specula::ctl {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

CommandEnding Exit(int code) {
  CommandEnding ending;
  ending.outcome = code == 0 ? Outcome::kOk : Outcome::kExit;
  ending.number = code;
  ending.exit_code = code;
  return ending;
}

struct Sent {
  std::string host;
  std::string output;
  std::string error;
  CommandEnding ending;
};

v1::Command Prog() {
  v1::Command command;
  command.mutable_argv()->add_arguments("prog");
  return command;
}

Gather GatherSent(const std::vector<Sent>& all, Gather::Limits limits = {}) {
  std::vector<std::string> names;
  for (const Sent& sent : all) names.push_back(sent.host);
  Gather gather(names, limits);
  for (size_t i = 0; i < all.size(); ++i) {
    gather.Add(i, OutputStream::kOutput, all[i].output);
    gather.Add(i, OutputStream::kError, all[i].error);
    gather.End(i, all[i].ending);
  }
  return gather;
}

ledger::Run RunOf(int64_t id, const std::vector<Sent>& all,
                  const v1::Command& command = Prog(),
                  const RunLimits& limits = {}) {
  std::vector<Target> targets;
  for (const Sent& sent : all) {
    Target target;
    target.name = sent.host;
    target.endpoint.address = {sent.host, kAgentPort};
    targets.push_back(std::move(target));
  }
  ledger::Run run = MakeRun(
      command, targets, GatherSent(all),
      std::vector<absl::Duration>(all.size(), absl::Seconds(1)), limits);
  run.set_id(id);
  return run;
}

TEST(RunTest, WhatIsReadBackHasTheSameViews) {
  const std::vector<Sent> all = {{"vm1", "a\n", "", Exit(0)},
                                 {"vm2", "a\n", "", Exit(0)},
                                 {"vm3", "b\x1b[2J\xff\n", "oh\n", Exit(3)}};
  const Gather before = GatherSent(all);
  const absl::StatusOr<ledger::Run> run = ParseRun(FormatRun(RunOf(7, all)));
  ASSERT_TRUE(run.ok()) << run.status();
  const Gather after = GatherOf(*run);
  for (const bool safe : {false, true}) {
    EXPECT_EQ(after.ViewFolded(safe), before.ViewFolded(safe));
    EXPECT_EQ(after.ViewDiff(safe), before.ViewDiff(safe));
  }
  EXPECT_EQ(after.ViewSummary(), before.ViewSummary());
  EXPECT_EQ(run->outputs_size(), 4) << "a, nothing, b, oh: each once";
}

TEST(RunTest, StandardInputAndValuesOfTheEnvironmentAreNotKept) {
  v1::Command command = Prog();
  command.set_stdin("hush1");
  (*command.mutable_environment())["TOKEN"] = "hush2";
  const ledger::Run run = RunOf(1, {{"vm1", "", "", Exit(0)}}, command);
  EXPECT_THAT(FormatRun(run), Not(HasSubstr("hush")));
  EXPECT_THAT(FormatRun(run), HasSubstr("TOKEN"));
  EXPECT_THAT(MissingToRepeat(run, false, {}), HasSubstr("standard input (5B"));
  EXPECT_THAT(MissingToRepeat(run, false, {}), HasSubstr("TOKEN"));
  EXPECT_THAT(MissingToRepeat(run, true, {"OTHER=1"}), HasSubstr("TOKEN"));
  EXPECT_THAT(MissingToRepeat(run, true, {"TOKEN=1"}), IsEmpty());
}

TEST(RunTest, OutputsAreCutAndThatIsSaid) {
  const std::vector<Sent> all = {{"vm1", std::string(1000, 'a'), "", Exit(0)},
                                 {"vm2", std::string(1000, 'b'), "", Exit(0)}};
  const ledger::Run run =
      RunOf(1, all, Prog(), {.output_bytes = 800, .total_bytes = 500});
  EXPECT_LE(FormatRun(run).size(), 800U);
  EXPECT_THAT(GatherOf(run).ViewFolded(false),
              HasSubstr("800B more of standard output not kept"));
}

TEST(RunTest, WhatIsNoRunIsRefused) {
  const std::string good = FormatRun(RunOf(1, {{"vm1", "x", "", Exit(0)}}));
  ASSERT_TRUE(ParseRun(good).ok());
  EXPECT_FALSE(ParseRun("").ok());
  EXPECT_FALSE(ParseRun("specula run 2\n").ok());
  EXPECT_FALSE(ParseRun("specula run 1\n").ok());
  EXPECT_FALSE(ParseRun(good.substr(0, good.size() - 1)).ok());
  auto changed = [&](auto change) {
    ledger::Run run = *ParseRun(good);
    change(run);
    return ParseRun(FormatRun(run)).ok();
  };
  EXPECT_TRUE(changed([](ledger::Run&) {}));
  EXPECT_FALSE(changed([](ledger::Run& run) { run.clear_id(); }));
  EXPECT_FALSE(changed([](ledger::Run& run) { run.clear_hosts(); }));
  EXPECT_FALSE(changed([](ledger::Run& run) { run.clear_outputs(); }));
  EXPECT_FALSE(changed([](ledger::Run& run) { run.clear_command(); }));
  EXPECT_FALSE(
      changed([](ledger::Run& run) { run.mutable_hosts(0)->set_outcome(99); }));
  EXPECT_FALSE(
      changed([](ledger::Run& run) { run.mutable_hosts(0)->set_outcome(-1); }));
  EXPECT_FALSE(
      changed([](ledger::Run& run) { run.mutable_hosts(0)->set_port(65536); }));
  EXPECT_FALSE(
      changed([](ledger::Run& run) { run.mutable_hosts(0)->clear_name(); }));
  EXPECT_FALSE(changed(
      [](ledger::Run& run) { run.mutable_outputs(0)->set_total_bytes(0); }));
  EXPECT_FALSE(changed(
      [](ledger::Run& run) { run.mutable_outputs(0)->set_sha256("x"); }));
}

TEST(RunTest, CommandsAreQuotedAsAShellReadsThem) {
  v1::Command command;
  for (const char* word : {"ls", "-l", "a b", "it's", "", "*"}) {
    command.mutable_argv()->add_arguments(word);
  }
  EXPECT_EQ(CommandLine(command), "ls -l 'a b' 'it'\\''s' '' '*'");
  command.set_shell("df | wc");
  EXPECT_EQ(CommandLine(command), "-s 'df | wc'");
}

TEST(RunDiffTest, EqualRunsDifferInNothing) {
  const std::vector<Sent> all = {{"vm1", "a\n", "e\n", Exit(0)},
                                 {"vm2", "b\n", "", Exit(1)}};
  EXPECT_EQ(DiffRuns(RunOf(1, all), RunOf(2, all), false), "");
}

TEST(RunDiffTest, HostsWithTheSameChangeAreTogether) {
  const ledger::Run from = RunOf(1, {{"vm1", "a\nb\n", "", Exit(0)},
                                     {"vm2", "a\nb\n", "", Exit(0)},
                                     {"vm3", "same\n", "", Exit(0)},
                                     {"gone", "", "", Exit(0)}});
  const ledger::Run to = RunOf(2, {{"vm3", "same\n", "", Exit(2)},
                                   {"new", "", "", Exit(0)},
                                   {"vm1", "a\nc\n", "", Exit(0)},
                                   {"vm2", "a\nc\n", "", Exit(0)}});
  EXPECT_EQ(DiffRuns(from, to, false),
            "only in run 1: gone (1)\n"
            "only in run 2: new (1)\n"
            "ok -> exit 2: vm3 (1)\n"
            "--- run 1 vm[1-2] (2)\n"
            "+++ run 2 vm[1-2] (2)\n"
            "@@ -1,2 +1,2 @@\n"
            " a\n"
            "-b\n"
            "+c\n");
}

TEST(RunDiffTest, WhatIsNotKeptDiffersToo) {
  const RunLimits limits = {.output_bytes = 4, .total_bytes = 100};
  const ledger::Run from =
      RunOf(1, {{"vm1", "aaaab", "", Exit(0)}}, Prog(), limits);
  const ledger::Run to =
      RunOf(2, {{"vm1", "aaaac", "", Exit(0)}}, Prog(), limits);
  EXPECT_THAT(DiffRuns(from, to, false), HasSubstr("in what is not kept"));
}

}  // namespace
}  // namespace specula::ctl
