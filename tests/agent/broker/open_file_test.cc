#include "agent/broker/open_file.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <filesystem>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "agent/broker/tail_opener.h"
#include "lib/base/file.h"
#include "tests/agent/broker/harness.h"

namespace specula::agent {
namespace {

using absl::StatusCode;

// With openat2, and as on a kernel without it.
class OpenFileTest : public ::testing::TestWithParam<bool> {
 protected:
  void SetUp() override {
    char name[] = "/tmp/specula-open-test.XXXXXX";
    ASSERT_NE(mkdtemp(name), nullptr);
    top_ = name;
    std::filesystem::create_directories(At("root/sub"));
    WriteFile(At("root/a"), "inside");
    WriteFile(At("root/sub/b"), "deep");
    WriteFile(At("outside"), "secret");
  }
  void TearDown() override { std::filesystem::remove_all(top_); }

  std::string At(const std::string& name) const {
    return absl::StrCat(top_, "/", name);
  }

  void Link(const std::string& target, const std::string& name) const {
    ASSERT_EQ(symlink(target.c_str(), At(name).c_str()), 0);
  }

  // What is in it, or why not.
  absl::StatusOr<std::string> Read(const std::string& path,
                                   bool rooted = true) const {
    const std::vector<std::string> roots =
        rooted ? std::vector<std::string>{At("root")}
               : std::vector<std::string>();
    auto fd = OpenRegularFile(path, roots, GetParam());
    if (!fd.ok()) return fd.status();
    EXPECT_EQ(fcntl(fd->get(), F_GETFL) & (O_ACCMODE | O_NONBLOCK),
              O_RDONLY | O_NONBLOCK);
    EXPECT_EQ(fcntl(fd->get(), F_GETFD), FD_CLOEXEC);
    return ReadAll(fd->get(), path, 100);
  }

  StatusCode Code(const std::string& path, bool rooted = true) const {
    return Read(path, rooted).status().code();
  }

  std::string top_;
};

INSTANTIATE_TEST_SUITE_P(Way, OpenFileTest, ::testing::Values(true, false),
                         [](const auto& info) {
                           return info.param ? "Openat2" : "Walk";
                         });

TEST_P(OpenFileTest, FilesUnderTheRootsOpen) {
  EXPECT_EQ(*Read(At("root/a")), "inside");
  EXPECT_EQ(*Read(At("root/sub/../sub//./b")), "deep");
  EXPECT_EQ(*Read(At("outside"), false), "secret");
}

TEST_P(OpenFileTest, NothingElseOpens) {
  EXPECT_EQ(Code(At("outside")), StatusCode::kPermissionDenied);
  EXPECT_EQ(Code(At("root/../outside")), StatusCode::kPermissionDenied);
  EXPECT_EQ(Code(At("root/sub/../../outside")), StatusCode::kPermissionDenied);
  EXPECT_EQ(Code(At("root/none")), StatusCode::kNotFound);
  EXPECT_EQ(Code(At("root2")), StatusCode::kNotFound);
  EXPECT_EQ(Code("root/a"), StatusCode::kInvalidArgument);
  EXPECT_EQ(Code(""), StatusCode::kInvalidArgument);
  EXPECT_EQ(Code(At(std::string("root/a\0b", 8))),
            StatusCode::kInvalidArgument);
  EXPECT_EQ(Code(At(std::string(5000, 'x'))), StatusCode::kInvalidArgument);
}

TEST_P(OpenFileTest, LinksAreFollowedWhileTheyStayInside) {
  Link("a", "root/inner");
  Link("../a", "root/sub/up");
  Link(At("root/sub"), "root/absolute");
  Link(At("root"), "alias");
  EXPECT_EQ(*Read(At("root/inner")), "inside");
  EXPECT_EQ(*Read(At("root/sub/up")), "inside");
  EXPECT_EQ(*Read(At("root/absolute/b")), "deep")
      << "as Kubernetes' /var/log/containers";
  EXPECT_EQ(*Read(At("alias/a")), "inside");
}

TEST_P(OpenFileTest, LinksOutAreRefused) {
  Link(At("outside"), "root/absolute");
  Link("../outside", "root/relative");
  Link("..", "root/up");
  Link("/", "root/slash");
  Link("loop", "root/loop");
  for (const char* name : {"root/absolute", "root/relative", "root/up/outside",
                           "root/slash/etc/passwd", "root/loop"}) {
    EXPECT_EQ(Code(At(name)), StatusCode::kPermissionDenied) << name;
  }
}

TEST_P(OpenFileTest, MagicLinksAreRefused) {
  const UniqueFd held(open(At("outside").c_str(), O_RDONLY));
  const std::string magic =
      absl::StrCat("/proc/", getpid(), "/fd/", held.get());
  Link(magic, "root/magic");
  Link(absl::StrCat("/proc/", getpid(), "/root"), "root/proc");
  for (bool rooted : {true, false}) {
    EXPECT_EQ(Code(magic, rooted), StatusCode::kPermissionDenied);
    EXPECT_EQ(Code(At("root/magic"), rooted), StatusCode::kPermissionDenied);
    EXPECT_EQ(Code(At("root/proc/etc/passwd"), rooted),
              StatusCode::kPermissionDenied);
  }
}

TEST_P(OpenFileTest, OnlyRegularFilesOpen) {
  ASSERT_EQ(mkfifo(At("root/fifo").c_str(), 0644), 0);
  const UniqueFd listener(socket(AF_UNIX, SOCK_STREAM, 0));
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  strcpy(address.sun_path, At("root/socket").c_str());
  ASSERT_EQ(bind(listener.get(), reinterpret_cast<sockaddr*>(&address),
                 sizeof address),
            0);
  const std::vector<std::pair<std::string, std::string>> kinds = {
      {At("root/fifo"), "FIFO"},
      {At("root/socket"), "socket"},
      {At("root/sub"), "directory"},
      {At("root"), "directory"},
      {"/", "directory"},
      {"/dev/null", "device"}};
  for (const auto& [path, kind] : kinds) {
    const absl::Status status = Read(path, false).status();
    EXPECT_EQ(status.code(), StatusCode::kFailedPrecondition) << path;
    EXPECT_TRUE(absl::StrContains(status.message(), kind)) << status;
    EXPECT_TRUE(absl::StrContains(status.message(), path)) << status;
  }
}

TEST_P(OpenFileTest, KernelsFilesAreRefused) {
  EXPECT_EQ(Code("/proc/self/stat", false), StatusCode::kPermissionDenied);
  EXPECT_EQ(Code(absl::StrCat("/proc/", getpid(), "/environ"), false),
            StatusCode::kPermissionDenied);
  EXPECT_EQ(Code("/proc/kmsg", false), StatusCode::kPermissionDenied);
  EXPECT_EQ(Code("/sys/kernel/mm/transparent_hugepage/enabled", false),
            StatusCode::kPermissionDenied);
}

TEST_P(OpenFileTest, RootThatIsALinkCountsWhereItLeads) {
  Link(At("root"), "alias");
  auto fd = OpenRegularFile(At("alias/a"), {At("alias")}, GetParam());
  EXPECT_TRUE(fd.ok()) << fd.status();
  fd = OpenRegularFile(At("root/a"), {At("alias")}, GetParam());
  EXPECT_TRUE(fd.ok()) << fd.status();
}

TEST(PathBelowTest, GoesByTheWords) {
  EXPECT_EQ(*PathBelow("/var/log", "/var/log/a/b"), "a/b");
  EXPECT_EQ(*PathBelow("/var/log/", "/var//log/./a"), "a");
  EXPECT_EQ(*PathBelow("/var/log", "/var/log"), ".");
  EXPECT_EQ(*PathBelow("/", "/etc"), "etc");
  EXPECT_FALSE(PathBelow("/var/log", "/var/logs").ok());
  EXPECT_FALSE(PathBelow("/var/log", "/var").ok());
  EXPECT_FALSE(PathBelow("/var/log", "/var/log/../x").ok());
}

TEST(MountPointOfTest, LongestThatIsAbove) {
  constexpr char kMounts[] =
      "27 1 8:1 / / rw,relatime - ext4 /dev/sda1 rw\n"
      "30 27 0:20 / /mnt rw shared:1 - tmpfs tmpfs rw\n"
      "31 30 0:30 / /mnt/share\\040one rw - nfs4 server:/x rw\n"
      "32 27 0:31 / /mnt/share rw\n"
      "cut off\n"
      "33 27 0:32 / /bad\\04 rw - x x rw";
  for (const auto& [path, mount] :
       std::vector<std::pair<std::string, std::string>>{
           {"/etc/passwd", "/"},
           {"/mnt/file", "/mnt"},
           {"/mnt", "/mnt"},
           {"/mntx", "/"},
           {"/mnt/share one/a", "/mnt/share one"},
           {"//mnt/./share/a/b", "/mnt/share"},
           {"/mnt/share/../x", "/"},
           {"/bad\\04/x", "/bad\\04"}}) {
    EXPECT_EQ(MountPointOf(kMounts, path), mount) << path;
  }
  EXPECT_EQ(MountPointOf("", "/a"), "/");
}

using OpenThroughBrokerTest = BrokerTest;

TEST_F(OpenThroughBrokerTest, DescriptorComesBack) {
  WriteFile(Path("file"), "hello");
  chmod(Path("file").c_str(), 0600);
  options_.jobs.ceiling.tail_roots = {directory_};
  Launch();
  std::optional<absl::StatusOr<std::pair<UniqueFd, broker::Opened>>> opened;
  client_->Open(Path("file"), [&](auto answer) { opened = std::move(answer); });
  ASSERT_TRUE(Serve([&] { return opened.has_value(); }));
  ASSERT_TRUE(opened->ok()) << opened->status();
  EXPECT_EQ((*opened)->second.size_bytes(), 5);
  EXPECT_EQ(*ReadAll((*opened)->first.get(), "file", 100), "hello");

  opened.reset();
  client_->Open("/etc/passwd",
                [&](auto answer) { opened = std::move(answer); });
  ASSERT_TRUE(Serve([&] { return opened.has_value(); }));
  EXPECT_EQ(opened->status().code(), StatusCode::kPermissionDenied);
}

TEST_F(OpenThroughBrokerTest, FileThatDoesNotAnswerHoldsUpNothingElse) {
  WriteFile(Path("alive"), "hello");
  WriteFile(Path("dead"), "later");
  HoldUp hold_up(Path("hold-up"));
  options_.before_off_loop = [&](MayHang kind, const std::string& key) {
    if (kind == MayHang::kFiles && key == Path("dead")) hold_up.Wait();
  };
  Launch();
  std::optional<absl::Status> dead, again, alive;
  client_->Open(Path("dead"), [&](auto answer) { dead = answer.status(); });
  client_->Open(Path("alive"), [&](auto answer) { alive = answer.status(); });
  ASSERT_TRUE(Serve([&] { return alive.has_value(); }));
  EXPECT_TRUE(alive->ok()) << *alive;
  EXPECT_FALSE(dead.has_value());
  EXPECT_EQ(Exec(Argv({"echo", "ok"})).out, "ok\n");
  EXPECT_EQ(Describe().pid(), broker_pid_);

  ASSERT_TRUE(Serve([&] { return dead.has_value(); }));
  EXPECT_EQ(dead->code(), StatusCode::kDeadlineExceeded);
  EXPECT_EQ(dead->message(),
            absl::StrCat("open(", Path("dead"),
                         "): the file system does not answer"));
  client_->Open(Path("dead"), [&](auto answer) { again = answer.status(); });
  ASSERT_TRUE(Serve([&] { return again.has_value(); }));
  EXPECT_EQ(again->code(), StatusCode::kDeadlineExceeded);

  const int before = OpenDescriptorsOf(broker_pid_);
  hold_up.LetGo();
  // Late ones are closed, and the file opens again.
  EXPECT_TRUE(WaitFor(
      [&] {
        dead.reset();
        client_->Open(Path("dead"),
                      [&](auto answer) { dead = answer.status(); });
        return Serve([&] { return dead.has_value(); }) && dead->ok();
      },
      absl::Seconds(20)));
  EXPECT_TRUE(WaitFor([&] { return OpenDescriptorsOf(broker_pid_) <= before; },
                      absl::Seconds(20)));
}

TEST_F(OpenThroughBrokerTest, ManyDeadFilesLeaveRoomForOthers) {
  HoldUp hold_up(Path("hold-up"));
  options_.before_off_loop = [&](MayHang kind, const std::string& key) {
    const bool opens = kind == MayHang::kFiles || kind == MayHang::kMoreFiles;
    if (opens && absl::StartsWith(key, directory_)) hold_up.Wait();
  };
  Launch();
  int answered = 0;
  constexpr int kMany = 200;
  for (int i = 0; i < kMany; ++i) {
    client_->Open(Path(absl::StrCat("file", i)), [&](auto answer) {
      EXPECT_EQ(answer.status().code(), StatusCode::kDeadlineExceeded);
      ++answered;
    });
  }
  EXPECT_EQ(Exec(Argv({"echo", "ok"})).out, "ok\n");
  const auto started = Start(Shell("echo started"));
  EXPECT_TRUE(started.ok()) << started.status();
  EXPECT_TRUE(Serve([&] { return answered == kMany; }));
  // One of another mount.
  std::optional<absl::Status> other;
  client_->Open("/proc/version", [&](auto answer) { other = answer.status(); });
  EXPECT_TRUE(Serve([&] { return other.has_value(); }));
  EXPECT_EQ(other->code(), StatusCode::kPermissionDenied) << *other;
  hold_up.LetGo();
}

TEST_F(OpenThroughBrokerTest, EndsWhileAFileHangs) {
  HoldUp hold_up(Path("hold-up"));
  options_.before_off_loop = [&](MayHang, const std::string& key) {
    if (key == "/dead") hold_up.Wait();
  };
  Launch();
  client_->Open("/dead", [](auto) {});
  Describe();
  CloseFront();
}

TEST_F(OpenThroughBrokerTest, NoFilesMeansNone) {
  options_.jobs.ceiling.tail = false;
  Launch();
  std::optional<absl::Status> status;
  client_->Open("/etc/passwd", [&](auto answer) { status = answer.status(); });
  ASSERT_TRUE(Serve([&] { return status.has_value(); }));
  EXPECT_EQ(status->code(), StatusCode::kPermissionDenied);
}

}  // namespace
}  // namespace specula::agent
