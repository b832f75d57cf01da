#ifndef SPECULA_LIB_BASE_UNIQUE_FD_H_
#define SPECULA_LIB_BASE_UNIQUE_FD_H_

#include <unistd.h>

#include <utility>

// Tells clang-tidy that a moved-from object is whole again; GCC does not know
// it.
#ifdef __clang__
#define SPECULA_REINITIALIZES [[clang::reinitializes]]
#else
#define SPECULA_REINITIALIZES
#endif

namespace specula {

// Owns one file descriptor and closes it. A bare `int fd` elsewhere means
// borrowed. Move-only; not thread-safe.
class UniqueFd {
 public:
  UniqueFd() = default;
  explicit UniqueFd(int fd) : fd_(fd) {}
  UniqueFd(UniqueFd&& other) noexcept : fd_(other.Release()) {}
  UniqueFd& operator=(UniqueFd&& other) noexcept {
    Reset(other.Release());
    return *this;
  }
  ~UniqueFd() { Reset(); }

  int get() const { return fd_; }
  bool valid() const { return fd_ >= 0; }

  // Gives up ownership without closing.
  [[nodiscard]] int Release() { return std::exchange(fd_, -1); }

  // Closes what is owned and takes over `fd`.
  SPECULA_REINITIALIZES void Reset(int fd = -1) {
    if (fd_ >= 0) close(fd_);
    fd_ = fd;
  }

 private:
  int fd_ = -1;
};

}  // namespace specula

#endif  // SPECULA_LIB_BASE_UNIQUE_FD_H_
