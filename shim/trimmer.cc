#include "shim/trimmer.h"

#include <malloc.h>

#include <chrono>

namespace specula::shim {
namespace {

constexpr std::chrono::seconds kLookInterval(3);
// Where it never becomes calm: after half a minute all the same.
constexpr int kMostLooks = 10;

}  // namespace

void Trimmer::Stop() {
  state_ = State::kStopped;
  timer_.cancel();
}

void Trimmer::Wait() {
  state_ = State::kWaits;
  touched_ = 0;
  timer_.expires_after(kLookInterval);
  timer_.async_wait([this](const boost::system::error_code& cancelled) {
    if (!cancelled && state_ == State::kWaits) Look();
  });
}

void Trimmer::Look() {
  ++looks_;
  if (touched_ >= kMuch && looks_ < kMostLooks) {
    Wait();
    return;
  }
  looks_ = 0;
  touched_ = 0;
  state_ = State::kRests;
  malloc_trim(0);
}

}  // namespace specula::shim
