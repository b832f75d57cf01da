#include "lib/base/standard_fds.h"

#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace specula {
namespace {

bool safe = false;

// By bare system calls: nothing is initialised yet, a sanitizer's interceptors
// neither.
void Occupy(int, char**, char**) {
  for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; ++fd) {
    if (syscall(SYS_fcntl, fd, F_GETFD) >= 0) continue;
    // The lowest free number is this one, as those below are taken. Opened the
    // wrong way round, so that using it fails as it does with a closed one.
    const int mode = fd == STDIN_FILENO ? O_WRONLY : O_RDONLY;
    if (syscall(SYS_openat, AT_FDCWD, "/dev/null", mode) != fd) return;
  }
  safe = true;
}

[[gnu::used,
  gnu::section(".preinit_array")]] void (*const occupy)(int, char**,
                                                        char**) = Occupy;

}  // namespace

bool StandardFdsAreSafe() { return safe; }

}  // namespace specula
