// Preloaded into programs under test: their wall clock, moved by as many
// seconds as the file SPECULA_TEST_CLOCK holds (eight bytes, read anew each
// time). The kernel's own clock stays where it is, so a limit that is handed to
// it as a point of the wall clock is off by as much: as after a real clock was
// set in the middle of a wait.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <cstdlib>

namespace {

using Offset = std::atomic<int64_t>;

const Offset* Map() {
  const char* path = getenv("SPECULA_TEST_CLOCK");
  const int fd = path == nullptr ? -1 : open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return nullptr;
  void* place = mmap(nullptr, sizeof(Offset), PROT_READ, MAP_SHARED, fd, 0);
  close(fd);
  return place == MAP_FAILED ? nullptr : static_cast<const Offset*>(place);
}

int64_t MovedBy() {
  static const Offset* const kOffset = Map();
  return kOffset == nullptr ? 0 : kOffset->load();
}

}  // namespace

extern "C" {

int clock_gettime(clockid_t clock, timespec* now) noexcept {
  const int result = static_cast<int>(syscall(SYS_clock_gettime, clock, now));
  if (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)
    now->tv_sec += MovedBy();
  return result;
}

int gettimeofday(timeval* now, void*) noexcept {
  timespec precise;
  const int result = clock_gettime(CLOCK_REALTIME, &precise);
  *now = {precise.tv_sec, precise.tv_nsec / 1000};
  return result;
}

time_t time(time_t* place) noexcept {
  timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  if (place != nullptr) *place = now.tv_sec;
  return now.tv_sec;
}

}  // extern "C"
