#include "lib/base/service_manager.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <string>

#include "absl/strings/str_cat.h"
#include "lib/base/unique_fd.h"

namespace specula {
namespace {

// The manager's end: a datagram socket with an abstract name.
class Manager {
 public:
  Manager() : socket_(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
    name_ = absl::StrCat("specula-notify-", getpid());
    sockaddr_un address = {};
    address.sun_family = AF_UNIX;
    memcpy(address.sun_path + 1, name_.data(), name_.size());
    EXPECT_EQ(bind(socket_.get(), reinterpret_cast<sockaddr*>(&address),
                   static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 +
                                          name_.size())),
              0);
    setenv("NOTIFY_SOCKET", absl::StrCat("@", name_).c_str(), 1);
  }
  ~Manager() { unsetenv("NOTIFY_SOCKET"); }

  std::string Heard() {
    char text[256];
    const ssize_t size = recv(socket_.get(), text, sizeof text, MSG_DONTWAIT);
    return size < 0 ? "" : std::string(text, static_cast<size_t>(size));
  }

 private:
  UniqueFd socket_;
  std::string name_;
};

TEST(ServiceManagerTest, IsToldInOneDatagram) {
  Manager manager;
  ASSERT_TRUE(NotifyServiceManager("READY=1\nSTATUS=serving").ok());
  EXPECT_EQ(manager.Heard(), "READY=1\nSTATUS=serving");
  EXPECT_EQ(manager.Heard(), "");
}

TEST(ServiceManagerTest, WithoutOneNothingHappens) {
  unsetenv("NOTIFY_SOCKET");
  EXPECT_TRUE(NotifyServiceManager("READY=1").ok());
}

TEST(ServiceManagerTest, OneThatIsNotThereIsAnErrorWithItsName) {
  setenv("NOTIFY_SOCKET", "/nowhere/notify", 1);
  EXPECT_EQ(
      NotifyServiceManager("READY=1").message().find("sendto(/nowhere/notify)"),
      0U);
  setenv("NOTIFY_SOCKET", "relative", 1);
  EXPECT_EQ(NotifyServiceManager("READY=1").code(),
            absl::StatusCode::kInvalidArgument);
  setenv("NOTIFY_SOCKET", std::string(200, '/').c_str(), 1);
  EXPECT_EQ(NotifyServiceManager("READY=1").code(),
            absl::StatusCode::kInvalidArgument);
  unsetenv("NOTIFY_SOCKET");
}

TEST(ServiceManagerTest, TheWatchdogIsForTheProcessThatIsNamed) {
  unsetenv("WATCHDOG_USEC");
  EXPECT_FALSE(ServiceWatchdogInterval().has_value());
  setenv("WATCHDOG_USEC", "30000000", 1);
  EXPECT_EQ(ServiceWatchdogInterval(), absl::Seconds(30));
  setenv("WATCHDOG_PID", absl::StrCat(getpid()).c_str(), 1);
  EXPECT_EQ(ServiceWatchdogInterval(), absl::Seconds(30));
  setenv("WATCHDOG_PID", "1", 1);
  EXPECT_FALSE(ServiceWatchdogInterval().has_value());
  unsetenv("WATCHDOG_PID");
  for (const char* nonsense : {"", "x", "-1", "0"}) {
    setenv("WATCHDOG_USEC", nonsense, 1);
    EXPECT_FALSE(ServiceWatchdogInterval().has_value()) << nonsense;
  }
  unsetenv("WATCHDOG_USEC");
}

}  // namespace
}  // namespace specula
