#ifndef SPECULA_SHIM_HOLDINGS_H_
#define SPECULA_SHIM_HOLDINGS_H_

#include <cstddef>
#include <functional>
#include <list>
#include <string>

#include "absl/time/time.h"

namespace specula::shim {

// Bounds the memory that many hold together. When it is more than `most`, one
// after the other is asked to give up: of those who have not moved for a
// second, if there are any, the one that holds the most of the controller that
// holds the most; of equals the one that has not moved for the longest. So a
// controller does not suffer for what others hold. Pure; times are those of
// MonotonicNow().
class Holdings {
 public:
  // What one connection holds; gone with it.
  class Member {
   public:
    // `give_up` is called at most once, perhaps in a Set of any member: it only
    // takes note. `holdings` must outlive it.
    Member(Holdings& holdings, std::function<void()> give_up);
    ~Member();
    Member(const Member&) = delete;
    Member& operator=(const Member&) = delete;

    // Whose it is.
    void SetOwner(std::string owner);
    // What it holds from now on. Coming to hold something, and less than
    // before, are moves.
    void Set(size_t bytes, absl::Duration now);

   private:
    friend Holdings;
    enum class State { kHolds, kAsked };
    Holdings& holdings_;
    const std::function<void()> give_up_;
    std::string owner_;
    State state_ = State::kHolds;
    size_t bytes_ = 0;
    absl::Duration moved_ = absl::ZeroDuration();
    const std::list<Member*>::iterator place_;
  };

  explicit Holdings(size_t most) : most_(most) {}

  // Of those who were not asked to give up.
  size_t total() const { return total_; }

 private:
  void Relieve(absl::Duration now);
  Member* FindWorst(absl::Duration now) const;

  const size_t most_;
  size_t total_ = 0;
  std::list<Member*> members_;
};

}  // namespace specula::shim

#endif  // SPECULA_SHIM_HOLDINGS_H_
