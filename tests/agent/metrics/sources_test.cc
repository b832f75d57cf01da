#include "agent/metrics/sources.h"

#include <filesystem>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "agent/proc/parse.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lib/base/log.h"
#include "tests/lib/base/testing.h"

namespace specula::agent {
namespace {

using ::specula::testing::TempDirectory;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::vector<std::string> Problems(const Sources& sources) {
  v1::Agent agent;
  sources.FillProblems(&agent);
  return {agent.problems().begin(), agent.problems().end()};
}

TEST(SourcesTest, WhatCannotBeReadIsAProblemUntilItCan) {
  TempDirectory directory;
  ProcRoot root(directory.path());
  Sources sources(root);
  EXPECT_FALSE(sources.Read("/proc/uptime", ParseUptime).ok());
  EXPECT_FALSE(sources.Read("/proc/diskstats").ok());
  EXPECT_THAT(Problems(sources),
              ElementsAre(HasSubstr("/proc/diskstats: No such file"),
                          HasSubstr("/proc/uptime: No such file")));
  directory.Write("proc/uptime", "5.00 9.00\n");
  directory.Write("proc/diskstats", "");
  EXPECT_EQ(sources.Read("/proc/uptime", ParseUptime).value_or(0), 5);
  EXPECT_TRUE(sources.Read("/proc/diskstats").ok());
  EXPECT_THAT(Problems(sources), IsEmpty());
}

TEST(SourcesTest, WhatIsNotUnderstoodIsAProblemAsWell) {
  TempDirectory directory;
  directory.Write("proc/meminfo", "nonsense\n");
  ProcRoot root(directory.path());
  Sources sources(root);
  EXPECT_FALSE(sources.Read("/proc/meminfo", ParseMemInfo).ok());
  EXPECT_THAT(Problems(sources), ElementsAre(HasSubstr("/proc/meminfo")));
}

TEST(SourcesTest, WhatSomeKernelsLackMayBeMissingButNotUnreadable) {
  TempDirectory directory;
  ProcRoot root(directory.path());
  Sources sources(root);
  auto read = [&] {
    return sources.Read("/proc/pressure/cpu", ParsePressure,
                        Sources::Presence::kPerhaps);
  };
  EXPECT_FALSE(read().ok());
  EXPECT_THAT(Problems(sources), IsEmpty());
  std::filesystem::create_directories(directory.Path("proc/pressure/cpu"));
  EXPECT_FALSE(read().ok());
  EXPECT_THAT(Problems(sources),
              ElementsAre("cannot read /proc/pressure/cpu: Is a directory"));
}

TEST(SourcesTest, BeginAndEndOfAProblemAreLoggedOnce) {
  ProcRoot root("/nonexistent");
  Sources sources(root);
  ::testing::internal::CaptureStderr();
  for (int i = 0; i < 3; ++i)
    sources.Note("a", absl::UnavailableError("a is bad"));
  for (int i = 0; i < 3; ++i) sources.Note("a", absl::OkStatus());
  sources.Note("b", absl::OkStatus());
  FlushLog(absl::InfiniteDuration());
  const std::string log = ::testing::internal::GetCapturedStderr();
  EXPECT_THAT(log, HasSubstr("level=warning"));
  EXPECT_THAT(log, HasSubstr("reason=\"a is bad\""));
  EXPECT_THAT(log, HasSubstr("level=info"));
  EXPECT_EQ(std::count(log.begin(), log.end(), '\n'), 2) << log;
}

TEST(SourcesTest, AtMostSixteenAreSaid) {
  ProcRoot root("/nonexistent");
  Sources sources(root);
  for (int i = 0; i < 30; ++i)
    sources.Note(absl::StrCat(i), absl::UnavailableError("bad \xff"));
  EXPECT_EQ(Problems(sources).size(), 16u);
  EXPECT_EQ(Problems(sources).front(), "bad \ufffd");
}

}  // namespace
}  // namespace specula::agent
