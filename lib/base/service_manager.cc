#include "lib/base/service_manager.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <cstring>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "lib/base/unique_fd.h"

namespace specula {

absl::Status NotifyServiceManager(absl::string_view state) {
  const char* path = getenv("NOTIFY_SOCKET");
  if (path == nullptr || *path == '\0') return absl::OkStatus();
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  const size_t length = strlen(path);
  if ((*path != '/' && *path != '@') || length >= sizeof address.sun_path) {
    return absl::InvalidArgumentError(
        absl::StrCat("NOTIFY_SOCKET=", path, ": no path of a socket"));
  }
  memcpy(address.sun_path, path, length);
  // "@" stands for the NUL of an abstract name, which has no NUL at its end.
  if (*path == '@') address.sun_path[0] = '\0';
  UniqueFd socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!socket.valid()) return absl::ErrnoToStatus(errno, "socket(AF_UNIX)");
  const ssize_t sent = sendto(
      socket.get(), state.data(), state.size(), MSG_NOSIGNAL | MSG_DONTWAIT,
      reinterpret_cast<const sockaddr*>(&address),
      static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + length));
  if (sent < 0) {
    return absl::ErrnoToStatus(errno, absl::StrCat("sendto(", path, ")"));
  }
  return absl::OkStatus();
}

std::optional<absl::Duration> ServiceWatchdogInterval() {
  const char* text = getenv("WATCHDOG_USEC");
  int64_t microseconds = 0;
  if (text == nullptr || !absl::SimpleAtoi(text, &microseconds) ||
      microseconds <= 0) {
    return std::nullopt;
  }
  // It may be meant for another process, whose environment was inherited.
  const char* whom = getenv("WATCHDOG_PID");
  int64_t pid = 0;
  if (whom != nullptr && (!absl::SimpleAtoi(whom, &pid) || pid != getpid())) {
    return std::nullopt;
  }
  return absl::Microseconds(microseconds);
}

}  // namespace specula
