#ifndef SPECULA_SHIM_EVENT_H_
#define SPECULA_SHIM_EVENT_H_

#include <boost/asio/awaitable.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <utility>  // before Boost.Asio 1.74, which forgets it

#include "absl/time/time.h"

namespace specula::shim {

// What one coroutine waits for and others tell. Loop thread only.
class Event {
 public:
  explicit Event(boost::asio::io_context& loop) : timer_(loop) {}

  // Until the next Notify, or for `limit`. One at a time.
  boost::asio::awaitable<void> Wait(
      absl::Duration limit = absl::InfiniteDuration()) {
    if (limit == absl::InfiniteDuration()) {
      timer_.expires_at(boost::asio::steady_timer::time_point::max());
    } else {
      timer_.expires_after(absl::ToChronoNanoseconds(limit));
    }
    boost::system::error_code ignored;
    co_await timer_.async_wait(
        boost::asio::redirect_error(boost::asio::use_awaitable, ignored));
  }

  void Notify() { timer_.cancel(); }

 private:
  boost::asio::steady_timer timer_;
};

}  // namespace specula::shim

#endif  // SPECULA_SHIM_EVENT_H_
