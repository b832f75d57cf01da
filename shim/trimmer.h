#ifndef SPECULA_SHIM_TRIMMER_H_
#define SPECULA_SHIM_TRIMMER_H_

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstddef>
#include <utility>  // before Boost.Asio 1.74, which forgets it

namespace specula::shim {

// Gives memory that was let go back to the system, which malloc alone does not:
// some seconds after much was in use, once it is calm, and never in between.
// Sets no timer where there was not much. Loop thread only.
class Trimmer {
 public:
  explicit Trimmer(boost::asio::io_context& loop) : timer_(loop) {}

  // Notes how many bytes were taken, or let go.
  void Touch(size_t bytes) {
    touched_ += bytes;
    if (touched_ >= kMuch && state_ == State::kRests) Wait();
  }

  // For good; the loop may end.
  void Stop();

 private:
  enum class State { kRests, kWaits, kStopped };
  static constexpr size_t kMuch = 1 << 20;

  void Wait();
  void Look();

  boost::asio::steady_timer timer_;
  State state_ = State::kRests;
  size_t touched_ = 0;  // since the last look
  int looks_ = 0;       // since there was much
};

}  // namespace specula::shim

#endif  // SPECULA_SHIM_TRIMMER_H_
