#ifndef SPECULA_SHIM_PENALTY_H_
#define SPECULA_SHIM_PENALTY_H_

#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace specula::shim {

// How long a wrong token waits for its answer: the first few of a source not at
// all, each further one twice as long as the one before, up to 2 s. A minute
// without one forgives all. Right tokens do not ask here. Pure; times are those
// of MonotonicNow().
class Penalties {
 public:
  // A failure from `source`: how long its answer waits.
  absl::Duration Fail(absl::string_view source, absl::Duration now);

  // Sources that are remembered; bounded.
  size_t size() const { return sources_.size(); }

 private:
  struct Failures {
    int count = 0;
    absl::Duration last;
  };
  void Forget(absl::Duration now);

  absl::flat_hash_map<std::string, Failures> sources_;
};

}  // namespace specula::shim

#endif  // SPECULA_SHIM_PENALTY_H_
