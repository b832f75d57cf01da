#include "ctl/find_processes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"

namespace specula::ctl {
namespace {

using ::testing::ElementsAre;
using ::testing::ElementsAreArray;
using ::testing::IsEmpty;

v1::Process MakeProcess(const std::string& name, const std::string& command,
                        int64_t pid = 10, int64_t parent = 1) {
  v1::Process process;
  process.set_pid(pid);
  process.set_parent_pid(parent);
  process.set_start_ticks(pid * 10);
  process.set_name(name);
  process.set_command_line(command);
  return process;
}

ProcessPattern Pattern(const std::string& text, bool full = false) {
  return *ProcessPattern::Parse({text, full});
}

TEST(FindProcessesTest, NamesAreWhatOneSees) {
  struct Case {
    const char* name;
    const char* command;
    std::vector<std::string> names;
  };
  const Case cases[] = {
      {"sleep", "sleep 1", {"sleep"}},
      {"sleep", "/bin/sleep 1", {"sleep"}},
      {"sleep", "", {"sleep"}},
      {"bash", "-bash", {"bash", "-bash"}},
      {"kworker/0:1", "[kworker/0:1]", {"kworker/0:1"}},
      {"victoria-metric",
       "/opt/victoria-metrics-prod -x",
       {"victoria-metric", "victoria-metrics-prod"}},
      // A script that its interpreter runs.
      {"backup-database",
       "/bin/sh /srv/backup-database-nightly.sh -v",
       {"backup-database", "sh", "backup-database-nightly.sh"}},
      {"backup-database",
       "/bin/sh /srv/backup-database-tools/x",
       {"backup-database", "sh"}},
      {"python3", "python3 worker.py", {"python3"}},
      // A name with spaces.
      {"my app server l",
       "/opt/my app server long --x",
       {"my app server l", "my", "my app server long"}},
      // Cut within a character.
      {"gr\xc3\xbc\xc3\x9f-dienst-\xef\xbf\xbd",
       "/x/gr\xc3\xbc\xc3\x9f-dienst-\xc3\xbc\xc3\xbc",
       {"gr\xc3\xbc\xc3\x9f-dienst-\xef\xbf\xbd",
        "gr\xc3\xbc\xc3\x9f-dienst-\xc3\xbc\xc3\xbc"}},
      {"exactly-fifteen", "exactly-fifteen", {"exactly-fifteen"}},
      {"renamed-by-itse", "/usr/bin/other", {"renamed-by-itse", "other"}},
      {"\xef\xbf\xbd", "x", {"\xef\xbf\xbd", "x"}},
  };
  for (const Case& c : cases) {
    EXPECT_THAT(NamesOf(MakeProcess(c.name, c.command)),
                ElementsAreArray(c.names))
        << c.name;
  }
}

TEST(FindProcessesTest, WhatIsMeant) {
  struct Case {
    const char* pattern;
    bool full;
    const char* name;
    const char* command;
    bool meant;
  };
  const Case cases[] = {
      {"victoria-metrics-prod", false, "victoria-metric",
       "/opt/victoria-metrics-prod", true},
      {"^victoria-metric$", false, "victoria-metric",
       "/opt/victoria-metrics-prod", true},
      {"worker\\.py", false, "python3", "python3 worker.py", false},
      {"worker\\.py", true, "python3", "python3 worker.py", true},
      {"nginx", false, "vim", "vim nginx.conf", false},
      {"nginx", true, "nginx", "[nginx]", false},  // of the kernel
      {"specula|x", true, "specula-agent", "/usr/bin/specula-agent", false},
      {"specula|x", true, "specula-log", "/usr/bin/specula-agent", false},
      {"agent", false, "renamed", "/usr/bin/specula-agent --x", false},
      {"specula", true, "vim", "vim specula.toml", true},
  };
  for (const Case& c : cases) {
    EXPECT_EQ(
        Pattern(c.pattern, c.full).Matches(MakeProcess(c.name, c.command)),
        c.meant)
        << c.pattern << " " << c.command;
  }
  EXPECT_FALSE(Pattern("init").Matches(MakeProcess("init", "init", 1)));
}

TEST(FindProcessesTest, PatternsThatCannotBeMeantAreRefused) {
  for (const char* pattern : {"(", ".*", "a*", "|x", ""}) {
    EXPECT_FALSE(ProcessPattern::Parse({pattern, false}).ok()) << pattern;
  }
}

std::vector<int64_t> Pids(const absl::StatusOr<FoundProcesses>& found) {
  std::vector<int64_t> pids;
  if (!found.ok()) return {-1};
  for (const v1::Process& process : found->list.processes()) {
    pids.push_back(process.pid());
  }
  return pids;
}

v1::ProcessesResponse List(const std::vector<v1::Process>& processes) {
  v1::ProcessesResponse list;
  for (const v1::Process& process : processes) *list.add_processes() = process;
  list.set_total_count(list.processes_size());
  return list;
}

TEST(FindProcessesTest, WeAreNeverMeant) {
  const v1::ProcessesResponse list =
      List({MakeProcess("python3", "python3 x.py", 50),
            MakeProcess("bash", "bash x.py", 100),
            MakeProcess("sudo", "sudo specula kill -f --name x.py", 101, 100),
            MakeProcess("specula", "specula kill -f --name x.py", 102, 101)});
  const ProcessPattern full = Pattern("x\\.py", true);
  EXPECT_THAT(Pids(FindIn(list, full, {102, 1020})), ElementsAre(50, 100));
  // On another host that pid is another's.
  EXPECT_THAT(Pids(FindIn(list, full, {102, 999})),
              ElementsAre(50, 100, 101, 102));
  EXPECT_THAT(Pids(FindIn(list, Pattern("^su|^spec"), {102, 1020})),
              ElementsAre(101));
  const Self self = OurProcess();
  EXPECT_EQ(self.pid, getpid());
  EXPECT_GT(self.start_ticks, 0);
}

TEST(FindProcessesTest, PartOfAListIsNotAll) {
  v1::ProcessesResponse list = List({MakeProcess("sleep", "sleep")});
  EXPECT_THAT(Pids(FindIn(list, Pattern("nosuch"), {})), IsEmpty());
  EXPECT_EQ(FindIn(list, Pattern("sleep"), {})->gap, "");
  list.set_total_count(2);
  EXPECT_EQ(FindIn(list, Pattern("sleep"), {})->gap,
            "only 1 of its 2 processes were looked at");
  EXPECT_TRUE(
      absl::IsResourceExhausted(FindIn(list, Pattern("nosuch"), {}).status()));
  // Whose command line the agent could not read in time.
  v1::ProcessesResponse silent = List(
      {MakeProcess("python3", "[python3: does not answer]"),
       MakeProcess("victoria-metric", "[victoria-metric: does not answer]", 11),
       MakeProcess("sleep", "sleep", 12)});
  EXPECT_THAT(Pids(FindIn(silent, Pattern("^python3$"), {})), ElementsAre(10));
  EXPECT_TRUE(absl::IsResourceExhausted(
      FindIn(silent, Pattern("victoria-metrics"), {}).status()));
  EXPECT_THAT(FindIn(silent, Pattern("sleep|worker", true), {})->gap,
              ::testing::HasSubstr("of 2 of its processes"));
  EXPECT_THAT(GapOf({}), ::testing::HasSubstr("cannot read"));
  list.set_total_count(1);
  list.set_others_hidden(true);
  EXPECT_THAT(FindIn(list, Pattern("sleep"), {})->gap,
              ::testing::HasSubstr("hidepid"));
  EXPECT_TRUE(
      absl::IsPermissionDenied(FindIn(list, Pattern("nosuch"), {}).status()));
}

}  // namespace
}  // namespace specula::ctl
