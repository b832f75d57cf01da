#ifndef SPECULA_SHIM_SHARES_H_
#define SPECULA_SHIM_SHARES_H_

#include <cstddef>
#include <string>

#include "absl/container/flat_hash_map.h"

namespace specula::shim {

// Divides what there is only so much of. One may hold as much as is left free:
// half of it if alone, a third each of two, and so on, so that something is
// left for the next one. Pure.
class Shares {
 public:
  explicit Shares(size_t most) : most_(most) {}

  // Whether `who` may have `amount` more.
  bool HasRoom(const std::string& who, size_t amount = 1) const {
    const auto found = held_.find(who);
    const size_t own = found == held_.end() ? 0 : found->second;
    return own + amount <= most_ - taken_;
  }

  // Takes it if it may be had.
  bool Take(const std::string& who, size_t amount = 1) {
    if (!HasRoom(who, amount)) return false;
    held_[who] += amount;
    taken_ += amount;
    return true;
  }

  // Gives back what was taken.
  void Give(const std::string& who, size_t amount = 1) {
    const auto found = held_.find(who);
    found->second -= amount;
    taken_ -= amount;
    if (found->second == 0) held_.erase(found);
  }

  size_t taken() const { return taken_; }

 private:
  const size_t most_;
  size_t taken_ = 0;
  absl::flat_hash_map<std::string, size_t> held_;
};

}  // namespace specula::shim

#endif  // SPECULA_SHIM_SHARES_H_
