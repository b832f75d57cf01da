#ifndef SPECULA_SHIM_CENSUS_H_
#define SPECULA_SHIM_CENSUS_H_

#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"

namespace specula::shim {

// Counts connections in all and by source. Pure.
class Census {
 public:
  Census(int most, int most_of_source)
      : most_(most), most_of_source_(most_of_source) {}

  bool IsFull() const { return count_ >= most_; }
  bool IsFull(absl::string_view source) const {
    const auto found = by_source_.find(source);
    return found != by_source_.end() && found->second >= most_of_source_;
  }

  void Enter(const std::string& source) {
    ++count_;
    ++by_source_[source];
  }

  void Leave(const std::string& source) {
    --count_;
    const auto found = by_source_.find(source);
    if (--found->second == 0) by_source_.erase(found);
  }

  int count() const { return count_; }

 private:
  const int most_;
  const int most_of_source_;
  int count_ = 0;
  absl::flat_hash_map<std::string, int> by_source_;
};

}  // namespace specula::shim

#endif  // SPECULA_SHIM_CENSUS_H_
