#ifndef SPECULA_CTL_UI_KEYS_H_
#define SPECULA_CTL_UI_KEYS_H_

#include <cstdint>

#include "absl/time/time.h"
#include "ctl/ui/top_state.h"
#include "ctl/ui/top_view.h"

namespace specula::ctl {

// What came from the keyboard or the mouse.
struct KeyEvent {
  enum class Code {
    kCharacter,  // `character`
    kUp,
    kDown,
    kLeft,
    kRight,
    kPageUp,
    kPageDown,
    kHome,
    kEnd,
    kEnter,
    kEscape,
    kBackspace,
    kDelete,
    kTab,
    kF1,
    kClick,  // at x, y
    kWheelUp,
    kWheelDown,
    kInterrupt,  // Ctrl-C
    kSuspend,    // Ctrl-Z
    kRedraw,     // Ctrl-L
    kEraseLine,  // Ctrl-U
    kEraseWord,  // Ctrl-W
  };
  Code code = Code::kCharacter;
  char32_t character = 0;
  int x = 0;
  int y = 0;
};

// What is to happen beside the change of the state.
struct Effect {
  enum class Kind {
    kNone,
    kQuit,
    kSuspend,   // Ctrl-Z
    kRedraw,    // the whole screen
    kAct,       // state.action
    kRefresh,   // ask all hosts at once
    kPause,     // as state.paused says
    kInterval,  // as state.options.interval says
    kStep,      // of a recording: by `amount` snapshots
    kPlay,      // or stop
    kSpeed,     // faster by a factor of 2 for `amount` 1, slower for -1
    kSeek,      // to `time`
  };
  Kind kind = Kind::kNone;
  int amount = 0;
  absl::Time time = {};
};

// What a key does. `layout`: of the frame that is on the screen, for clicks.
// Every key changes the state at once and waits for nothing. Pure.
Effect HandleKey(const KeyEvent& key, const TopLayout& layout, absl::Time now,
                 absl::TimeZone zone, TopState& state);

// Reads "14:32", "14:32:10" (on the day of `now`) or "2026-11-25 14:32[:10]".
absl::StatusOr<absl::Time> ParseMoment(absl::string_view text, absl::Time now,
                                       absl::TimeZone zone);

}  // namespace specula::ctl

#endif  // SPECULA_CTL_UI_KEYS_H_
