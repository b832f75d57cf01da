#include "ctl/interrupt.h"

#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <cstdint>

namespace specula::ctl {

Interrupt::Interrupt()
    : wake_(
          std::make_shared<UniqueFd>(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK))) {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  signals_.Reset(signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK));
}

bool Interrupt::Wait(absl::Duration limit) {
  pollfd fds[2] = {{signals_.get(), POLLIN, 0}, {wake_->get(), POLLIN, 0}};
  const timespec timeout = absl::ToTimespec(limit);
  ppoll(fds, 2, limit == absl::InfiniteDuration() ? nullptr : &timeout,
        nullptr);
  uint64_t count = 0;
  [[maybe_unused]] ssize_t got = read(wake_->get(), &count, sizeof count);
  TakeSignal();
  return interrupted_;
}

bool Interrupt::WaitReadable(int fd) {
  while (true) {
    TakeSignal();
    if (interrupted_) return false;
    pollfd fds[2] = {{fd, POLLIN, 0}, {signals_.get(), POLLIN, 0}};
    if (poll(fds, 2, -1) > 0 && fds[0].revents != 0) return true;
  }
}

void Interrupt::TakeSignal() {
  signalfd_siginfo info;
  if (read(signals_.get(), &info, sizeof info) != sizeof info) return;
  interrupted_ = true;
  if (info.ssi_signo == SIGTERM) terminated_ = true;
}

std::function<void()> Interrupt::waker() const {
  return [wake = wake_] {
    const uint64_t one = 1;
    [[maybe_unused]] ssize_t written = write(wake->get(), &one, sizeof one);
  };
}

}  // namespace specula::ctl
