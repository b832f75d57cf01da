#ifndef SPECULA_SHIM_LANE_H_
#define SPECULA_SHIM_LANE_H_

#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <utility>

namespace specula::shim {

// Brings answers into the order of their questions. Pure.
class Lane {
 public:
  using Ticket = uint64_t;
  // Gets the answers, in order.
  using Out = std::function<void(std::string)>;

  explicit Lane(Out out) : out_(std::move(out)) {}

  // A place behind all that were taken before.
  Ticket Take() {
    places_.emplace_back();
    return first_ + places_.size() - 1;
  }

  // The answer for a place; absent: there is none, and others need not wait
  // for it. What was filled twice keeps the first.
  void Fill(Ticket ticket, std::optional<std::string> answer) {
    if (ticket < first_ || places_[ticket - first_].filled) return;
    places_[ticket - first_] = {true, std::move(answer)};
    while (!places_.empty() && places_.front().filled) {
      std::optional<std::string> next = std::move(places_.front().answer);
      places_.pop_front();
      ++first_;
      if (next.has_value()) out_(*std::move(next));
    }
  }

  // Places that were taken and are not behind us.
  size_t open_count() const { return places_.size(); }

 private:
  struct Place {
    bool filled = false;
    std::optional<std::string> answer;
  };
  const Out out_;
  Ticket first_ = 0;
  std::deque<Place> places_;
};

}  // namespace specula::shim

#endif  // SPECULA_SHIM_LANE_H_
