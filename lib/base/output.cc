#include "lib/base/output.h"

#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"

namespace specula {

int WriteAll(int fd, absl::string_view bytes) {
  // What is before `bytes` has been written.
  while (!bytes.empty()) {
    const ssize_t written = write(fd, bytes.data(), bytes.size());
    if (written >= 0) {
      bytes.remove_prefix(static_cast<size_t>(written));
      continue;
    }
    if (errno == EINTR) continue;
    if (errno != EAGAIN && errno != EWOULDBLOCK) return errno;
    pollfd room = {fd, POLLOUT, 0};
    poll(&room, 1, -1);
  }
  return 0;
}

Written PrintText(absl::string_view text) {
  const int error_number = WriteAll(STDOUT_FILENO, text);
  if (error_number == 0) return Written::kAll;
  if (error_number == EPIPE) return Written::kNoReader;
  PrintErrorText(absl::StrCat(
      program_invocation_short_name,
      ": cannot write to standard output: ", strerror(error_number), "\n"));
  return Written::kFailed;
}

void PrintErrorText(absl::string_view text) { WriteAll(STDERR_FILENO, text); }

}  // namespace specula
