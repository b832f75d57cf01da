#include "ctl/ui/top_view.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

#include "absl/strings/str_split.h"
#include "ctl/table.h"
#include "tests/ctl/ui/scripted_fleet.h"
#include "tests/places.h"

namespace specula::ctl {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr Page kPages[] = {Page::kTable, Page::kHost, Page::kHelp,
                           Page::kExplain, Page::kColumns};

std::string Drawn(size_t width, size_t height, TopState& state,
                  bool braille = false) {
  return DrawTop({.width = width, .height = height, .braille = braille},
                 ScriptedNow(), state)
      .frame.Text();
}

// Compares with a file of tests/testdata/top. With SPECULA_WRITE_SCREENS set
// the file is written instead: look at what git says of it.
void ExpectScreen(const std::string& name, const std::string& drawn) {
  const std::string path = testing::TestDataDirectory() + "/top/" + name;
  if (std::getenv("SPECULA_WRITE_SCREENS") != nullptr) {
    std::ofstream(path) << drawn;
    return;
  }
  std::ifstream file(path);
  std::stringstream expected;
  expected << file.rdbuf();
  EXPECT_EQ(drawn, expected.str()) << path;
}

TEST(TopViewTest, ARecordingIsSaidInTheFirstLine) {
  TopState state = ScriptedFleet();
  state.recording = "REC 12M";
  EXPECT_THAT(Drawn(80, 24, state), HasSubstr("DOWN  1 waiting  REC 12M"));
}

TEST(TopViewTest, ItIsKnownHowLongTheAgesHold) {
  TopState state = Table({"a", "b", "c", "d"});
  auto hold = [&] {
    return DrawTop({.width = 80, .height = 24}, ScriptedNow(), state)
        .layout.ages_hold;
  };
  EXPECT_EQ(hold(), absl::InfiniteDuration());
  state.Take({.events = {Heard(0, ScriptedNow() - absl::Milliseconds(300), {}),
                         Heard(1, ScriptedNow() - absl::Milliseconds(4900), {}),
                         Heard(2, ScriptedNow() - absl::Minutes(9), {})}},
             ScriptedNow());
  state.Settle(ScriptedNow());
  EXPECT_EQ(hold(), absl::Milliseconds(100));
  EXPECT_EQ(AgeHolds(absl::Milliseconds(300)), absl::Milliseconds(700));
  EXPECT_EQ(AgeHolds(absl::Milliseconds(-300)), absl::Milliseconds(300));
}

TEST(TopViewTest, ScreensAreAsExpected) {
  TopState state = ScriptedFleet();
  state.marked[1] = state.marked[2] = true;
  ExpectScreen("table-80x24.txt", Drawn(80, 24, state));
  ExpectScreen("table-80x24-utf8.txt", Drawn(80, 24, state, true));
  ExpectScreen("table-200x50.txt", Drawn(200, 50, state));
  ExpectScreen("table-40x10.txt", Drawn(40, 10, state));
  state.page = Page::kHost;
  ExpectScreen("host-80x24.txt", Drawn(80, 24, state));
  ExpectScreen("host-200x50.txt", Drawn(200, 50, state));
  state.page = Page::kHelp;
  ExpectScreen("help-80x24.txt", Drawn(80, 24, state));
  state.page = Page::kExplain;
  ExpectScreen("explain-80x24.txt", Drawn(80, 24, state));
  state.page = Page::kColumns;
  ExpectScreen("columns-80x24.txt", Drawn(80, 24, state));
}

TEST(TopViewTest, EverySizeIsFilledAndNeverOverrun) {
  TopState state = ScriptedFleet();
  for (const Page page : kPages) {
    state.page = page;
    for (size_t width = 0; width < 220; width += width < 20 ? 1 : 13) {
      for (size_t height = 0; height < 60; height += height < 12 ? 1 : 9) {
        for (const auto prompt : {Prompt::Kind::kNone, Prompt::Kind::kExec}) {
          state.prompt = {prompt, "run on many hosts: ", "éé", 2, ""};
          const TopScreen screen =
              DrawTop({.width = width, .height = height}, ScriptedNow(), state);
          if (width == 0 || height == 0) continue;
          ASSERT_EQ(screen.frame.lines.size(), height);
          for (const Line& line : screen.frame.lines) {
            ASSERT_EQ(line.width(), width);
          }
          ASSERT_LT(screen.frame.cursor_x, static_cast<int>(width));
        }
      }
    }
  }
}

TEST(TopViewTest, ControlBytesOfHostsAreShownAndNotDone) {
  TopState state = ScriptedFleet();
  for (const Page page : kPages) {
    state.page = page;
    const TopScreen screen =
        DrawTop({.width = 200, .height = 50}, ScriptedNow(), state);
    for (const Line& line : screen.frame.lines) {
      for (const Span& span : line.spans()) {
        for (const char c : span.text) {
          ASSERT_GE(static_cast<unsigned char>(c), 0x20) << line.Text();
          ASSERT_NE(c, 0x7f);
        }
      }
    }
  }
  state.page = Page::kTable;
  EXPECT_THAT(Drawn(200, 50, state), HasSubstr("na\\x1b[2Js"));
  EXPECT_THAT(Drawn(200, 50, state), HasSubstr("java -jar\\x1b]0;owned"));
}

TEST(TopViewTest, ADeadHostsNumbersAreNotShown) {
  TopState state = ScriptedFleet();
  const std::vector<std::string> lines =
      absl::StrSplit(Drawn(200, 50, state), '\n');
  for (const std::string& line : lines) {
    if (line.find("edge-gru") == std::string::npos || line[2] != 'x') continue;
    EXPECT_THAT(line, HasSubstr("--"));
    EXPECT_THAT(line, Not(HasSubstr("41.0")));
    EXPECT_THAT(line, HasSubstr("!D"));
    return;
  }
  FAIL() << "no row of edge-gru";
}

TEST(TopViewTest, TheHostViewOfADeadHostSaysWhyAndNothingElse) {
  TopState state = ScriptedFleet();
  state.cursor = 10;
  state.page = Page::kHost;
  const std::string drawn = Drawn(80, 24, state);
  EXPECT_THAT(drawn,
              HasSubstr("DOWN for 12m00s: unreachable: connection refused"));
  EXPECT_THAT(drawn, Not(HasSubstr("mem 41")));
}

TEST(TopViewTest, TheLimitsOfAContainerStandBesideTheHostsNumbers) {
  TopState state = Table({"node-1"});
  FleetEvent heard = Heard(0, ScriptedNow(), {});
  auto sample = std::make_shared<v1::WatchResponse>(*heard.sample);
  v1::CgroupLimits& group = *sample->mutable_status()->mutable_cgroup();
  group.set_cpu_count(0.5);
  group.set_memory_limit_bytes(256 << 20);
  group.set_memory_used_bytes(64 << 20);
  heard.sample = std::move(sample);
  Feed::News news;
  news.events.push_back(std::move(heard));
  state.Take(std::move(news), ScriptedNow());
  state.page = Page::kHost;
  const std::string drawn = Drawn(200, 50, state);
  EXPECT_THAT(drawn, HasSubstr("the agent's own: 0.5 cpus mem 64M/256M"));
}

TEST(TopViewTest, WhatIsEstimatedAndWhatCannotBeReadIsShown) {
  TopState state = Table({"a"});
  FleetEvent heard = Heard(0, ScriptedNow(), {});
  auto sample = std::make_shared<v1::WatchResponse>(*heard.sample);
  v1::StatusResponse& status = *sample->mutable_status();
  status.mutable_memory()->set_quality(v1::QUALITY_CLAMPED);
  status.mutable_agent()->add_problems("cannot read /proc/stat: gone");
  heard.sample = std::move(sample);
  Feed::News news;
  news.events.push_back(std::move(heard));
  state.Take(std::move(news), ScriptedNow());
  state.Settle(ScriptedNow());
  EXPECT_THAT(Drawn(80, 24, state), HasSubstr(" 30~ "));
  EXPECT_EQ(AlertOf(state.model.rows()[0]), "w");
  state.page = Page::kHost;
  EXPECT_THAT(Drawn(80, 24, state), HasSubstr("mem 30.0~"));
  EXPECT_THAT(Drawn(80, 24, state), HasSubstr("cannot read /proc/stat: gone"));
}

TEST(TopViewTest, AFileSystemThatTurnedReadOnlyIsTheWorst) {
  TopState state = Table({"node-1", "node-2"});
  FleetEvent heard = Heard(0, ScriptedNow(), {.disk = 0.42});
  auto sample = std::make_shared<v1::WatchResponse>(*heard.sample);
  v1::Disk& disk = *sample->mutable_status()->mutable_disk();
  v1::Filesystem& image = *disk.add_filesystems();
  image.set_mount_point("/image");
  image.set_read_only(true);
  image.set_utilization(1);
  v1::Filesystem& failed = *disk.add_filesystems();
  failed.set_mount_point("/srv");
  failed.set_read_only(true);
  failed.set_turned_read_only(true);
  failed.set_utilization(0.17);
  heard.sample = std::move(sample);
  Feed::News news;
  news.events.push_back(std::move(heard));
  news.events.push_back(Heard(1, ScriptedNow(), {.disk = 0.2}));
  state.Take(std::move(news), ScriptedNow());
  const std::string table = Drawn(200, 50, state);
  EXPECT_THAT(table, HasSubstr("  42! READ-ONLY /srv "));
  EXPECT_THAT(table, HasSubstr(" !F"));
  EXPECT_THAT(table, HasSubstr("   20 /var "));
  EXPECT_EQ(AlertOf(state.model.rows()[0]), "!F");
  EXPECT_EQ(AlertOf(state.model.rows()[1]), "");
  EXPECT_THAT(Drawn(80, 24, state), HasSubstr("dsk /var 42.0"));
  EXPECT_THAT(Drawn(80, 24, state), HasSubstr("READ-ONLY /srv"));
  state.page = Page::kHost;
  // It stands before what is fuller.
  EXPECT_THAT(Drawn(200, 50, state),
              ::testing::ContainsRegex("(/srv .*READ-ONLY(.|\n)*"
                                       "/image .*read-only(.|\n)*/var )"));
}

TEST(HostValuesTest, DiskIsTheFullestThatFillsUp) {
  struct Row {
    const char* mount_point;
    double utilization;  // below 0: none
    bool read_only, turned;
  };
  const struct {
    std::vector<Row> rows;
    std::optional<double> disk;
    const char* mount;
    const char* read_only;
  } kCases[] = {
      {{}, std::nullopt, "", ""},
      {{{"/", 0.2, false, false}, {"/tmp", 1, false, false}}, 1, "/tmp", ""},
      {{{"/", 0.2, false, false}, {"/cd", 1, true, false}}, 0.2, "/", ""},
      {{{"/", 0.9, true, true}, {"/a", 0.2, false, false}}, 0.9, "/", "/"},
      {{{"/", 0.2, false, false}, {"/a", -1, true, true}}, 0.2, "/", "/a"},
      {{{"/", 7, false, false}}, std::nullopt, "", ""},
  };
  for (const auto& test : kCases) {
    v1::StatusResponse status;
    for (const Row& one : test.rows) {
      v1::Filesystem& row = *status.mutable_disk()->add_filesystems();
      row.set_mount_point(one.mount_point);
      if (one.utilization >= 0) row.set_utilization(one.utilization);
      row.set_read_only(one.read_only);
      row.set_turned_read_only(one.turned);
    }
    const HostValues values = ValuesOf(status);
    EXPECT_EQ(values.disk, test.disk) << test.mount;
    EXPECT_EQ(values.disk_mount, test.mount);
    EXPECT_EQ(values.disk_read_only, test.read_only);
  }
}

TEST(TopViewTest, ActionsAreHiddenFromWhoMayOnlyLook) {
  TopState all = ScriptedFleet();
  EXPECT_THAT(Drawn(200, 50, all), HasSubstr("e exec k signal t tail"));
  TopState state = ScriptedFleet({.no_actions = "started with --readonly"});
  EXPECT_THAT(Drawn(200, 50, state), Not(HasSubstr("e exec")));
  state.page = Page::kHelp;
  EXPECT_THAT(Drawn(200, 50, state), HasSubstr("started with --readonly"));
}

TEST(TopViewTest, AThousandHostsAreScrolledToTheLast) {
  std::vector<std::string> names;
  for (int i = 0; i < 1000; ++i) names.push_back("vm" + std::to_string(i));
  TopState state = Table(names);
  state.MoveCursor(5000);
  EXPECT_THAT(Drawn(80, 24, state), HasSubstr("vm999"));
  EXPECT_THAT(Drawn(40, 10, state), HasSubstr("vm999"));
  state.MoveCursor(-5000);
  EXPECT_THAT(Drawn(80, 24, state), Not(HasSubstr("vm999")));
}

TEST(TopViewTest, ALongTextIsTypedAtItsEnd) {
  TopState state = ScriptedFleet();
  const std::string typed = std::string(300, 'x') + "end";
  state.prompt = {Prompt::Kind::kExec, "run: ", typed, typed.size(), ""};
  const TopScreen screen =
      DrawTop({.width = 80, .height = 24}, ScriptedNow(), state);
  EXPECT_THAT(screen.frame.lines.back().Text(), HasSubstr("xend"));
  EXPECT_EQ(screen.frame.cursor_x, 79);
  EXPECT_EQ(screen.frame.cursor_y, 23);
}

TEST(ColumnsTest, ANarrowerScreenShowsLessAndNeverSomethingElse) {
  std::vector<const Column*> before;
  for (size_t width = 200; width > 10; --width) {
    const ChosenColumns chosen = ChooseColumns(width, 10);
    size_t used = kMarkWidth + chosen.host_width;
    for (const Column* column : chosen.columns) {
      if (column->id != ColumnId::kHost) used += 1 + column->width;
      if (!before.empty()) {
        EXPECT_THAT(before, ::testing::Contains(column)) << width;
      }
    }
    if (width >= 14) {
      EXPECT_LE(used, width);
    }
    before = chosen.columns;
  }
}

TEST(ColumnsTest, AtFortyColumnsOnlyTheMostImportant) {
  std::string titles;
  for (const Column* column : ChooseColumns(40, 10).columns) {
    titles += std::string(column->title) + " ";
  }
  EXPECT_EQ(titles, "HOST CPU% MEM% AGE AL ");
}

TEST(ColumnsTest, BytesAreShort) {
  EXPECT_EQ(ShortBytes(0), "0");
  EXPECT_EQ(ShortBytes(-5), "0");
  EXPECT_EQ(ShortBytes(999), "999B");
  EXPECT_EQ(ShortBytes(1000), "1.0K");
  EXPECT_EQ(ShortBytes(8.2 * 1024 * 1024), "8.2M");
  EXPECT_EQ(ShortBytes(9.96 * 1024), "10K");
}

}  // namespace
}  // namespace specula::ctl
