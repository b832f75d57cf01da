#ifndef SPECULA_SHIM_TURNS_H_
#define SPECULA_SHIM_TURNS_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "absl/time/time.h"
#include "shim/shares.h"

namespace specula::shim {

// Says who may send when, where all send over one connection that takes only so
// many bytes a second. Each controller pays for itself: of those that wait it
// is the turn of the one that has sent the least since it waits, its next
// request counted, and of its requests a short one's before a long one's,
// unless that has waited for long. So a short one goes in between however many
// long ones wait. Pure; times are those of MonotonicNow().
class Turns {
 public:
  struct Bounds {
    double bytes_per_second = 0;
    // What may be sent at once after a rest.
    double burst_bytes = 0;
    // Requests whose turn has come and that have not left.
    size_t most_open = 0;
    size_t most_waiting_bytes = 0;
  };
  using Id = uint64_t;

  explicit Turns(const Bounds& bounds)
      : bounds_(bounds),
        pool_(bounds.burst_bytes),
        open_(bounds.most_open),
        waiting_bytes_(bounds.most_waiting_bytes) {}

  // Lets a request of `who` wait for its turn, at which `come` runs: perhaps
  // before this returns, else in Advance. It must not call back. Absent: as
  // much of `who` waits as may.
  std::optional<Id> Join(const std::string& who, size_t bytes,
                         std::function<void()> come, absl::Duration now);

  // Its end: it waits no longer, or what was sent is answered. Once for each
  // Join.
  void Leave(const std::string& who, Id id);

  // Lets go those whose turn it is. How long from now until it may be the next
  // one's; infinite: not before another Join or Leave.
  absl::Duration Advance(absl::Duration now);

  bool is_empty() const { return waiting_.empty(); }

 private:
  struct Request {
    double bytes = 0;
    std::function<void()> come;
  };
  // Those of one controller, each under what the controller will have sent when
  // it is its turn.
  struct Controller {
    double sent = 0;   // how far it is, on the clock of all
    double clock = 0;  // how far it is, on its own
    std::map<std::pair<double, Id>, Request> requests;  // never empty
  };
  using Controllers = std::map<std::string, Controller>;

  void Fill(absl::Duration now);
  Controllers::iterator FindNext();

  const Bounds bounds_;
  double pool_;  // bytes that may be sent
  std::optional<absl::Duration> filled_;
  Id last_ = 0;
  double clock_ = 0;  // how far those are whose turn it was
  Controllers waiting_;
  Shares open_;
  Shares waiting_bytes_;
};

}  // namespace specula::shim

#endif  // SPECULA_SHIM_TURNS_H_
