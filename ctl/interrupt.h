#ifndef SPECULA_CTL_INTERRUPT_H_
#define SPECULA_CTL_INTERRUPT_H_

#include <functional>
#include <memory>

#include "absl/time/time.h"
#include "lib/base/unique_fd.h"

namespace specula::ctl {

// Turns SIGINT and SIGTERM into something that main can wait for beside its
// work. Make it before the first thread, as it blocks both signals. One thread.
class Interrupt {
 public:
  Interrupt();

  // Waits until a signal came, somebody called a waker, or `limit` is over.
  // Whether a signal has come, now or before.
  bool Wait(absl::Duration limit);

  // Waits until `fd` can be read without waiting: true; or until a signal has
  // come, now or before: false.
  bool WaitReadable(int fd);

  // Whether a signal has come.
  bool interrupted() const { return interrupted_; }
  // Whether that was SIGTERM, which is meant for the program and not for what
  // it is doing just now.
  bool terminated() const { return terminated_; }

  // For poll(2) beside other descriptors: readable when a signal has come.
  int fd() const { return signals_.get(); }

  // Something to call from any thread, at any time, that ends a Wait.
  std::function<void()> waker() const;

 private:
  void TakeSignal();

  UniqueFd signals_;
  std::shared_ptr<UniqueFd> wake_;  // wakers may outlive the object
  bool interrupted_ = false;
  bool terminated_ = false;
};

}  // namespace specula::ctl

#endif  // SPECULA_CTL_INTERRUPT_H_
