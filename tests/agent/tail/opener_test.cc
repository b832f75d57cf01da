#include "agent/tail/opener.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <cstring>
#include <string>

#include "agent/tail/file_kind.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/agent/tail/bench.h"

namespace specula::agent {
namespace {

using ::testing::HasSubstr;

class OpenerTest : public ::testing::Test {
 protected:
  absl::Status Try(const std::string& path) {
    return opener_.Open(path).status();
  }

  Sandbox box_;
  PlainOpener opener_;
};

TEST_F(OpenerTest, ARegularFileIsOpenedForReadingOnly) {
  box_.Append("log", "abc");
  box_.Link("log", "link");
  for (const char* name : {"log", "link"}) {
    auto file = opener_.Open(box_.Path(name));
    ASSERT_TRUE(file.ok()) << file.status();
    EXPECT_EQ(file->info.st_size, 3);
    const int flags = fcntl(file->fd.get(), F_GETFL);
    EXPECT_EQ(flags & O_ACCMODE, O_RDONLY);
    EXPECT_EQ(flags & O_PATH, 0);
    EXPECT_EQ(fcntl(file->fd.get(), F_GETFD), FD_CLOEXEC);
    char text[4] = {};
    EXPECT_EQ(pread(file->fd.get(), text, 3, 0), 3);
    EXPECT_STREQ(text, "abc");
  }
}

TEST_F(OpenerTest, WhatIsNotThereIsNotFound) {
  box_.Append("file", "");
  box_.Link("none", "dangling");
  for (const char* name : {"none", "none/log", "file/log", "dangling"}) {
    const absl::Status status = Try(box_.Path(name));
    EXPECT_EQ(status.code(), absl::StatusCode::kNotFound) << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr(box_.Path(name)));
  }
}

TEST_F(OpenerTest, KindsThatAreNoFilesAreRefusedAndSaidSo) {
  box_.Directory("directory");
  ASSERT_EQ(mkfifo(box_.Path("fifo").c_str(), 0600), 0);
  UniqueFd socket_fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  strncpy(address.sun_path, box_.Path("s").c_str(),
          sizeof(address.sun_path) - 1);
  ASSERT_EQ(bind(socket_fd.get(), reinterpret_cast<sockaddr*>(&address),
                 sizeof(address)),
            0);
  for (const auto& [path, kind] : {std::pair<std::string, const char*>{
                                       box_.Path("directory"), "a directory"},
                                   {box_.Path("fifo"), "a FIFO"},
                                   {box_.Path("s"), "a socket"},
                                   {"/dev/zero", "a device"},
                                   {"/proc/self/status", "procfs"},
                                   {"/proc/version", "procfs"},
                                   {"/sys/kernel/uevent_seqnum", "sysfs"}}) {
    const absl::Status status = Try(path);
    EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition) << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr(kind));
    EXPECT_THAT(std::string(status.message()), HasSubstr(path));
  }
}

TEST_F(OpenerTest, AFifoIsNotTouched) {
  ASSERT_EQ(mkfifo(box_.Path("fifo").c_str(), 0600), 0);
  EXPECT_FALSE(Try(box_.Path("fifo")).ok());
  // ENXIO: nobody has it open for reading.
  EXPECT_EQ(open(box_.Path("fifo").c_str(), O_WRONLY | O_NONBLOCK), -1);
  EXPECT_EQ(errno, ENXIO);
}

TEST_F(OpenerTest, ALoopOfLinksIsAnErrorOfItsOwn) {
  box_.Link("b", "a");
  box_.Link("a", "b");
  EXPECT_EQ(Try(box_.Path("a")).code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(OpenerTest, FileSystemsThatTellAreKnown) {
  box_.Append("log", "");
  EXPECT_TRUE(CheckAnnounced("/dev/shm").ok()) << CheckAnnounced("/dev/shm");
  const absl::Status proc = CheckAnnounced("/proc");
  EXPECT_EQ(proc.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(proc.message()), HasSubstr("0x9fa0"));
  EXPECT_EQ(CheckAnnounced(box_.Path("none")).code(),
            absl::StatusCode::kUnavailable);
}

}  // namespace
}  // namespace specula::agent
