// The agent under a service manager, which is played by a socket.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "lib/base/unique_fd.h"
#include "tests/e2e/harness.h"

namespace specula::testing {
namespace {

// systemd's end of NOTIFY_SOCKET: all that was said, in order, with who said
// it.
class Manager {
 public:
  Manager() : socket_(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
    sockaddr_un address = {};
    address.sun_family = AF_UNIX;
    strncpy(address.sun_path, path().c_str(), sizeof address.sun_path - 1);
    EXPECT_EQ(bind(socket_.get(), reinterpret_cast<sockaddr*>(&address),
                   sizeof address),
              0);
    const int on = 1;
    setsockopt(socket_.get(), SOL_SOCKET, SO_PASSCRED, &on, sizeof on);
  }
  std::string path() const { return directory_.File("notify"); }

  // Whether `text` was said, by now, by a process of this pid.
  bool Heard(const std::string& text, pid_t pid) {
    Listen();
    return absl::StrContains(said_, absl::StrCat(pid, ": ", text));
  }
  const std::string& said() const { return said_; }
  void Forget() { said_.clear(); }

 private:
  void Listen() {
    char text[256];
    char control[CMSG_SPACE(sizeof(ucred))];
    iovec part = {text, sizeof text};
    msghdr message = {};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control;
    while (true) {
      message.msg_controllen = sizeof control;
      const ssize_t size = recvmsg(socket_.get(), &message, MSG_DONTWAIT);
      if (size < 0) return;
      ucred who = {};
      if (const cmsghdr* header = CMSG_FIRSTHDR(&message)) {
        memcpy(&who, CMSG_DATA(header), sizeof who);
      }
      absl::StrAppend(&said_, who.pid, ": ",
                      absl::string_view(text, static_cast<size_t>(size)), "\n");
    }
  }

  TemporaryDirectory directory_;
  UniqueFd socket_;
  std::string said_;
};

std::vector<std::string> AgentCommand(const Pki& pki,
                                      const TemporaryDirectory& state) {
  return {Program("specula-agent"),
          "--listen=127.0.0.1:0",
          absl::StrCat("--ca=", pki.File("ca.crt")),
          absl::StrCat("--cert=", pki.File("localhost.crt")),
          absl::StrCat("--key=", pki.File("localhost.key")),
          absl::StrCat("--state-dir=", state.path()),
          "--config=/dev/null"};
}

TEST(ServiceTest, TheManagerIsToldWhatTheMainProcessIsAt) {
  const Pki pki;
  const TemporaryDirectory state;
  Manager manager;
  Process agent({.arguments = AgentCommand(pki, state),
                 .environment = {absl::StrCat("NOTIFY_SOCKET=", manager.path()),
                                 "WATCHDOG_USEC=1500000"}});
  ASSERT_TRUE(Eventually([&] { return manager.Heard("READY=1", agent.pid()); }))
      << manager.said() << agent.Stderr();
  EXPECT_TRUE(absl::StrContains(agent.Stderr(), "msg=listening"));
  // Again and again, as long as it lives.
  for (int i = 0; i < 2; ++i) {
    manager.Forget();
    EXPECT_TRUE(Eventually([&] {
      return absl::StrContains(manager.said(), "WATCHDOG=1") ||
             manager.Heard("READY=1", agent.pid());
    }));
  }
  manager.Forget();
  agent.Signal(SIGTERM);
  EXPECT_TRUE(
      Eventually([&] { return manager.Heard("STOPPING=1", agent.pid()); }));
  EXPECT_EQ(agent.Wait(), 0);
}

TEST(ServiceTest, WhoIsNotWatchedOverSaysItOnce) {
  const Pki pki;
  const TemporaryDirectory state;
  Manager manager;
  Process agent(
      {.arguments = AgentCommand(pki, state),
       .environment = {absl::StrCat("NOTIFY_SOCKET=", manager.path())}});
  ASSERT_TRUE(
      Eventually([&] { return manager.Heard("READY=1", agent.pid()); }));
  manager.Forget();
  agent.Signal(SIGTERM);
  EXPECT_EQ(agent.Wait(), 0);
  EXPECT_TRUE(manager.Heard("STOPPING=1", agent.pid()));
  EXPECT_FALSE(absl::StrContains(manager.said(), "READY"));
}

}  // namespace
}  // namespace specula::testing
