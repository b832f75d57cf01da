#include "shim/holdings.h"

#include <algorithm>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"

namespace specula::shim {
namespace {

constexpr absl::Duration kStill = absl::Seconds(1);

}  // namespace

Holdings::Member::Member(Holdings& holdings, std::function<void()> give_up)
    : holdings_(holdings),
      give_up_(std::move(give_up)),
      place_(holdings.members_.insert(holdings.members_.end(), this)) {}

Holdings::Member::~Member() {
  if (state_ == State::kHolds) holdings_.total_ -= bytes_;
  holdings_.members_.erase(place_);
}

void Holdings::Member::SetOwner(std::string owner) {
  owner_ = std::move(owner);
}

void Holdings::Member::Set(size_t bytes, absl::Duration now) {
  if (bytes == bytes_) return;
  if (bytes_ == 0 || bytes < bytes_) moved_ = now;
  const bool more = bytes > bytes_;
  if (state_ == State::kHolds) holdings_.total_ += bytes - bytes_;
  bytes_ = bytes;
  if (more) holdings_.Relieve(now);
}

// Who was asked is out of the sum, so each turn makes it smaller.
void Holdings::Relieve(absl::Duration now) {
  while (total_ > most_) {
    Member* worst = FindWorst(now);
    worst->state_ = Member::State::kAsked;
    total_ -= worst->bytes_;
    worst->give_up_();
  }
}

Holdings::Member* Holdings::FindWorst(absl::Duration now) const {
  std::vector<Member*> all;
  // All who hold something, the still ones in front.
  for (Member* member : members_) {
    if (member->state_ == Member::State::kHolds && member->bytes_ > 0) {
      all.push_back(member);
    }
  }
  const auto moving = std::stable_partition(
      all.begin(), all.end(),
      [now](const Member* each) { return now - each->moved_ >= kStill; });
  if (moving != all.begin()) all.erase(moving, all.end());
  absl::flat_hash_map<absl::string_view, size_t> of_owner;
  for (const Member* member : all) of_owner[member->owner_] += member->bytes_;
  const auto rank = [&of_owner](const Member* member) {
    return std::make_tuple(of_owner[member->owner_], member->bytes_,
                           -member->moved_);
  };
  return *std::max_element(all.begin(), all.end(),
                           [&rank](const Member* left, const Member* right) {
                             return rank(left) < rank(right);
                           });
}

}  // namespace specula::shim
