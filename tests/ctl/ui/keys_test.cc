#include "ctl/ui/keys.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "ctl/ui/pages.h"
#include "tests/ctl/ui/scripted_fleet.h"

namespace specula::ctl {
namespace {

using Code = KeyEvent::Code;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class KeysTest : public ::testing::Test {
 protected:
  Effect Press(const KeyEvent& key) {
    const Effect effect =
        HandleKey(key, layout_, ScriptedNow(), absl::UTCTimeZone(), state_);
    layout_ =
        DrawTop({.width = 80, .height = 24}, ScriptedNow(), state_).layout;
    return effect;
  }
  Effect Press(Code code) { return Press(KeyEvent{.code = code}); }
  Effect Type(absl::string_view text) {
    Effect last;
    for (const char c : text) {
      last = Press(KeyEvent{.character = static_cast<char32_t>(c)});
    }
    return last;
  }
  std::string Cursor() const {
    return state_.cursor ? state_.model.rows()[*state_.cursor].host.name : "";
  }
  void Restart(const TopState::Options& options) {
    state_ = ScriptedFleet(options);
  }

  TopState state_ = ScriptedFleet();
  TopLayout layout_ =
      DrawTop({.width = 80, .height = 24}, ScriptedNow(), state_).layout;
};

TEST_F(KeysTest, TheCursorMovesAndStopsAtTheEnds) {
  EXPECT_EQ(Cursor(), "api-01");
  Press(Code::kUp);
  EXPECT_EQ(Cursor(), "api-01");
  Press(Code::kDown);
  Type("j");
  EXPECT_EQ(Cursor(), "db-02");
  Press(Code::kEnd);
  EXPECT_EQ(Cursor(), "new-1");
  Press(Code::kPageDown);
  EXPECT_EQ(Cursor(), "new-1");
  Press(Code::kHome);
  EXPECT_EQ(Cursor(), "api-01");
}

TEST_F(KeysTest, TheCursorIsOnTheFirstRowUntilAKeyOrForAWhile) {
  state_ = Table({"a", "b", "c"});
  const absl::Time begin = ScriptedNow();
  auto hear = [&](size_t host, absl::Duration after, double cpu) {
    state_.Take({.events = {Heard(host, begin + after, {.cpu = cpu})}},
                begin + after);
    state_.Settle(begin + after);
  };
  hear(0, absl::ZeroDuration(), 0.1);
  EXPECT_EQ(Cursor(), "a");
  hear(2, absl::Seconds(1), 0.5);
  EXPECT_EQ(Cursor(), "c");
  TopState untouched = state_;
  Press(Code::kRedraw);
  Press(Code::kUp);  // the first key: from here on the host is meant
  hear(1, absl::Seconds(2), 0.9);
  EXPECT_EQ(state_.visible.front(), 1u);
  EXPECT_EQ(Cursor(), "c");
  // Nobody touched a key, but the fleet has been there for a while.
  state_ = untouched;
  state_.Settle(begin + absl::Seconds(30));
  hear(1, absl::Seconds(31), 0.9);
  EXPECT_EQ(Cursor(), "c");
}

TEST_F(KeysTest, TheSelectionFollowsTheHost) {
  Press(Code::kDown);
  Type("I");
  EXPECT_EQ(Cursor(), "db-01");
  Type(">");
  EXPECT_EQ(Cursor(), "db-01");
}

TEST_F(KeysTest, MarksAreForActions) {
  Press(Code::kDown);
  Type("  ");
  EXPECT_THAT(state_.Chosen(), ElementsAre(1, 2));
  Press(Code::kEscape);
  EXPECT_THAT(state_.Chosen(), ElementsAre(3));
  Type("/web*");
  Press(Code::kEnter);
  Type("*");
  EXPECT_THAT(state_.Chosen(), ElementsAre(3, 4));
  Type("*");
  EXPECT_EQ(state_.CountMarked(), 0u);
}

TEST_F(KeysTest, AFilterIsShownAsItIsTypedAndEscGivesItUp) {
  Type("/cpu>60");
  EXPECT_EQ(state_.visible.size(), 2u);
  Press(Code::kEscape);
  EXPECT_EQ(state_.visible.size(), 12u);
  Type("/cup>60");
  Press(Code::kEnter);
  EXPECT_THAT(state_.prompt.error, HasSubstr("'cup' is no column"));
  Press(Code::kHome);
  Press(Code::kDelete);
  Press(Code::kDelete);
  Press(Code::kDelete);
  Type("cpu");
  Press(Code::kEnter);
  EXPECT_EQ(state_.filter.text(), "cpu>60");
  EXPECT_EQ(state_.visible.size(), 2u);
}

TEST_F(KeysTest, OneHostNeedsNoCountToRunACommand) {
  Type("e");
  EXPECT_THAT(state_.prompt.label, HasSubstr("api-01"));
  Type("uptime");
  EXPECT_EQ(Press(Code::kEnter).kind, Effect::Kind::kAct);
  EXPECT_EQ(state_.action.text, "uptime");
  EXPECT_THAT(state_.action.hosts, ElementsAre(0));
}

TEST_F(KeysTest, ManyHostsNeedTheirCount) {
  Type("   e");
  Type("reboot");
  EXPECT_EQ(Press(Code::kEnter).kind, Effect::Kind::kNone);
  EXPECT_THAT(state_.prompt.label, HasSubstr("Type 3 to run on api-01"));
  Type("2");
  EXPECT_EQ(Press(Code::kEnter).kind, Effect::Kind::kNone);
  EXPECT_THAT(state_.message, HasSubstr("nothing done"));
  Type("ereboot");
  Press(Code::kEnter);
  Type("3");
  EXPECT_EQ(Press(Code::kEnter).kind, Effect::Kind::kAct);
  EXPECT_THAT(state_.action.hosts, ElementsAre(0, 1, 2));
}

TEST_F(KeysTest, ASignalByNameTakesASignalAndAPattern) {
  Type("k-HUP nginx");
  EXPECT_EQ(Press(Code::kEnter).kind, Effect::Kind::kAct);
  EXPECT_EQ(state_.action.kind, Action::Kind::kKillByName);
  EXPECT_EQ(state_.action.signal, 1);
  EXPECT_EQ(state_.action.text, "nginx");
  Type("k(");
  Press(Code::kEnter);
  EXPECT_THAT(state_.prompt.error, HasSubstr("no regular expression"));
}

TEST_F(KeysTest, ASignalByNameOnManyHostsIsAskedAboutOnce) {
  Type("   knginx");
  // By the command, which then knows whom it would hit.
  EXPECT_EQ(Press(Code::kEnter).kind, Effect::Kind::kAct);
  EXPECT_THAT(state_.action.hosts, ElementsAre(0, 1, 2));
}

TEST_F(KeysTest, TheHelpSaysWhatKDoes) {
  Type("h");
  std::string help;
  for (const Line& line : HelpPage(state_)) help += line.Text() + "\n";
  EXPECT_THAT(help, HasSubstr("k signals"));
}

TEST_F(KeysTest, TheHostViewSignalsThatProcessAndNoOther) {
  Press(Code::kEnter);
  EXPECT_EQ(state_.page, Page::kHost);
  Press(Code::kDown);
  Type("k");
  EXPECT_THAT(state_.prompt.label, HasSubstr("pid 4122"));
  EXPECT_EQ(Press(Code::kEnter).kind, Effect::Kind::kAct);
  EXPECT_EQ(state_.action.pid, 4122);
  EXPECT_EQ(state_.action.start_ticks, 1001);
  EXPECT_EQ(state_.action.signal, 15);
  // It ends; another one is not hit in its place.
  state_.Take({.events = {Heard(0, ScriptedNow(), {.processes = 1})}},
              ScriptedNow());
  Type("k");
  EXPECT_EQ(state_.prompt.kind, Prompt::Kind::kNone);
  EXPECT_THAT(state_.message, HasSubstr("ended"));
}

TEST_F(KeysTest, WhoMayOnlyLookCannotAct) {
  Restart({.no_actions = "started with --readonly"});
  for (const char* key : {"e", "t", "k"}) {
    Type(key);
    EXPECT_EQ(state_.prompt.kind, Prompt::Kind::kNone) << key;
    EXPECT_EQ(state_.message, "started with --readonly");
  }
}

TEST_F(KeysTest, AClickSelectsSortsAndTheWheelScrolls) {
  Press(KeyEvent{.code = Code::kClick, .x = 10, .y = layout_.rows_y + 2});
  EXPECT_EQ(Cursor(), "db-02");
  Press(KeyEvent{.code = Code::kWheelDown});
  EXPECT_EQ(Cursor(), "ci-7");
  // A copy: each key draws anew, and with it come new titles.
  const std::vector<TopLayout::Title> titles = layout_.titles;
  const auto memory = std::find_if(titles.begin(), titles.end(),
                                   [](const TopLayout::Title& title) {
                                     return title.column == ColumnId::kMemory;
                                   });
  ASSERT_NE(memory, titles.end());
  const KeyEvent click = {.code = Code::kClick,
                          .x = static_cast<int>(memory->begin),
                          .y = layout_.header_y};
  Press(click);
  EXPECT_EQ(state_.order.column(), ColumnId::kMemory);
  EXPECT_TRUE(state_.order.descending());
  Press(click);
  EXPECT_FALSE(state_.order.descending());
  Press(KeyEvent{.code = Code::kClick, .x = 5000, .y = 5000});
}

TEST_F(KeysTest, PausesChangesTheIntervalAndQuits) {
  EXPECT_EQ(Type("u").kind, Effect::Kind::kPause);
  EXPECT_TRUE(state_.paused);
  EXPECT_EQ(Type("+").kind, Effect::Kind::kInterval);
  EXPECT_EQ(state_.options.interval, absl::Seconds(5));
  Type("-----------");
  EXPECT_EQ(state_.options.interval, absl::Milliseconds(200));
  EXPECT_EQ(Type("s").kind, Effect::Kind::kNone);
  EXPECT_THAT(state_.message, HasSubstr("paused"));
  EXPECT_EQ(Type("u").kind, Effect::Kind::kPause);
  EXPECT_EQ(Type("s").kind, Effect::Kind::kRefresh);
  EXPECT_EQ(Press(Code::kSuspend).kind, Effect::Kind::kSuspend);
  EXPECT_EQ(Type("q").kind, Effect::Kind::kQuit);
  EXPECT_EQ(Press(Code::kInterrupt).kind, Effect::Kind::kQuit);
}

TEST_F(KeysTest, ARecordingIsSteppedAndPlayed) {
  EXPECT_EQ(Type("]").kind, Effect::Kind::kNone);
  Restart({.no_actions = "a recording", .replay = true});
  EXPECT_EQ(Type("[").amount, -1);
  EXPECT_EQ(Type("]").kind, Effect::Kind::kStep);
  EXPECT_EQ(Type("p").kind, Effect::Kind::kPlay);
  EXPECT_EQ(Type("+").kind, Effect::Kind::kSpeed);
  Type("g14:30");
  const Effect seek = Press(Code::kEnter);
  EXPECT_EQ(seek.kind, Effect::Kind::kSeek);
  EXPECT_EQ(seek.time, ScriptedNow() - absl::Seconds(130));
}

TEST_F(KeysTest, TypingTakesWholeCharacters) {
  Type("e");
  Press(KeyEvent{.character = U'é'});
  Press(KeyEvent{.character = U'€'});
  EXPECT_EQ(state_.prompt.text, "é€");
  Press(Code::kLeft);
  Press(Code::kBackspace);
  EXPECT_EQ(state_.prompt.text, "€");
  Press(Code::kEnd);
  Type(" a b");
  Press(Code::kEraseWord);
  EXPECT_EQ(state_.prompt.text, "€ a ");
  Press(Code::kEraseLine);
  EXPECT_EQ(state_.prompt.text, "");
}

TEST_F(KeysTest, ColumnsAreHiddenButNeverTheHost) {
  Type("c ");
  EXPECT_TRUE(state_.hidden.empty());
  Press(Code::kDown);
  Type(" ");
  EXPECT_EQ(state_.hidden.count(ColumnId::kCpu), 1u);
  Press(Code::kEscape);
  EXPECT_EQ(state_.page, Page::kTable);
}

}  // namespace
}  // namespace specula::ctl
