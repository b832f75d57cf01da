#ifndef SPECULA_CTL_TOP_SESSION_H_
#define SPECULA_CTL_TOP_SESSION_H_

#include <functional>

#include "absl/time/time.h"
#include "ctl/interrupt.h"
#include "ctl/ui/feed.h"
#include "ctl/ui/keys.h"
#include "ctl/ui/screen.h"
#include "ctl/ui/top_state.h"

namespace specula::ctl {

// The live table at work: keys and news in, frames out. A key is answered at
// once; news are taken and shown at most ten times a second, and nothing is
// drawn when nothing has changed.
struct TopSession {
  // What is done to hosts, on the plain terminal. The screen is left meanwhile.
  std::function<void(const Action&, Interrupt&)> act;
  // Sees what the feed gave before it is shown; may be null.
  std::function<void(const Feed::News&)> record;
  // Steps, plays and seeks in a recording; null: there is none.
  std::function<void(const Effect&, TopState&)> replay;
  absl::TimeZone zone;
};

// Runs until `q` (exit code 0) or SIGTERM (130).
int RunTopSession(const TopSession& session, Screen& screen, Feed& feed,
                  TopState& state, Interrupt& interrupt);

}  // namespace specula::ctl

#endif  // SPECULA_CTL_TOP_SESSION_H_
