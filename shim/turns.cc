#include "shim/turns.h"

#include <algorithm>

namespace specula::shim {

std::optional<Turns::Id> Turns::Join(const std::string& who, size_t bytes,
                                     std::function<void()> come,
                                     absl::Duration now) {
  const Id id = ++last_;
  const double price = static_cast<double>(bytes);
  Fill(now);
  if (waiting_.empty() && pool_ >= price && open_.Take(who)) {
    pool_ -= price;
    clock_ += price;
    come();
    return id;
  }
  if (!waiting_bytes_.Take(who, bytes)) return std::nullopt;
  const auto [at, is_new] = waiting_.try_emplace(who);
  Controller& controller = at->second;
  // Who did not wait has neither saved nor owes anything.
  if (is_new) controller.sent = clock_;
  controller.requests.emplace(std::make_pair(controller.clock + price, id),
                              Request{price, std::move(come)});
  return id;
}

void Turns::Leave(const std::string& who, Id id) {
  const auto at = waiting_.find(who);
  if (at != waiting_.end()) {
    auto& requests = at->second.requests;
    const auto found = std::find_if(
        requests.begin(), requests.end(),
        [id](const auto& each) { return each.first.second == id; });
    if (found != requests.end()) {
      waiting_bytes_.Give(who, static_cast<size_t>(found->second.bytes));
      requests.erase(found);
      if (requests.empty()) waiting_.erase(at);
      return;
    }
  }
  open_.Give(who);
}

void Turns::Fill(absl::Duration now) {
  const absl::Duration passed = now - filled_.value_or(now);
  filled_ = now;
  pool_ =
      std::min(pool_ + absl::ToDoubleSeconds(passed) * bounds_.bytes_per_second,
               bounds_.burst_bytes);
}

// Those who have as many open as they may are passed over.
Turns::Controllers::iterator Turns::FindNext() {
  auto next = waiting_.end();
  double least = 0;
  for (auto it = waiting_.begin(); it != waiting_.end(); ++it) {
    if (!open_.HasRoom(it->first)) continue;
    const Controller& controller = it->second;
    const double then =
        controller.sent + controller.requests.begin()->second.bytes;
    if (next != waiting_.end() && then >= least) continue;
    next = it;
    least = then;
  }
  return next;
}

// Each round lets one request go, so it ends. Whose turn it is waits until the
// pool has its bytes, and none behind it goes before.
absl::Duration Turns::Advance(absl::Duration now) {
  Fill(now);
  for (auto next = FindNext(); next != waiting_.end(); next = FindNext()) {
    const std::string& who = next->first;
    Controller& controller = next->second;
    const auto first = controller.requests.begin();
    const double bytes = first->second.bytes;
    const double lacks = std::min(bytes, bounds_.burst_bytes) - pool_;
    if (lacks > 0) return absl::Seconds(lacks / bounds_.bytes_per_second);
    pool_ -= bytes;
    controller.sent += bytes;
    controller.clock = first->first.first;
    clock_ = controller.sent;
    open_.Take(who);
    waiting_bytes_.Give(who, static_cast<size_t>(bytes));
    const std::function<void()> come = std::move(first->second.come);
    controller.requests.erase(first);
    if (controller.requests.empty()) waiting_.erase(next);
    come();
  }
  return absl::InfiniteDuration();
}

}  // namespace specula::shim
