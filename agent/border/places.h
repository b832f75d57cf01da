#ifndef SPECULA_AGENT_BORDER_PLACES_H_
#define SPECULA_AGENT_BORDER_PLACES_H_

#include <memory>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/synchronization/mutex.h"

namespace specula::agent {

// How many connections there may be at once.
struct PlaceLimits {
  int all = 1024;
  int per_source = 256;  // an IPv4 address, or the /64 of an IPv6 one
};

// The places for connections of one port. Thread-safe.
class Places {
 public:
  explicit Places(const PlaceLimits& limits) : limits_(limits) {}

  enum class Free { kYes, kNoneAtAll, kNoneForSource };

  // Whether there is a place for one more of `source`.
  Free Look(const std::string& source) const ABSL_LOCKS_EXCLUDED(mutex_);

  // Takes a place, also beyond the limits; it is given back with the object.
  class Place {
   public:
    Place(std::shared_ptr<Places> places, std::string source);
    ~Place();
    Place(const Place&) = delete;
    const std::string& source() const { return source_; }

   private:
    const std::shared_ptr<Places> places_;
    const std::string source_;
  };

 private:
  const PlaceLimits limits_;
  mutable absl::Mutex mutex_;
  int taken_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::flat_hash_map<std::string, int> by_source_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace specula::agent

#endif  // SPECULA_AGENT_BORDER_PLACES_H_
