#include "agent/broker/users.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "agent/broker/user_lookup.h"
#include "lib/base/clock.h"
#include "tests/agent/broker/harness.h"

namespace specula::agent {
namespace {

constexpr char kPasswd[] =
    "root:x:0:0:root:/root:/bin/bash\n"
    "+nis::::::\n"
    "broken:x:1\n"
    "minus:x:4294967295:7::/:/bin/sh\n"
    "word:x:abc:7::/:/bin/sh\n"
    "bob:x:1001:100:Bob,,,:/home/bob:/bin/zsh\n";

TEST(UsersTest, NamesAreFoundExactly) {
  const auto bob = FindUser(kPasswd, "bob");
  ASSERT_TRUE(bob.ok());
  EXPECT_EQ(bob->uid, 1001u);
  EXPECT_EQ(bob->gid, 100u);
  EXPECT_EQ(bob->home, "/home/bob");
  EXPECT_EQ(bob->shell, "/bin/zsh");
  for (const char* name :
       {"bo", "bobb", "", "x", "+nis", "broken", "minus", "word"}) {
    EXPECT_TRUE(absl::IsNotFound(FindUser(kPasswd, name).status())) << name;
  }
  EXPECT_EQ(FindUser(kPasswd, uid_t{0})->name, "root");
}

TEST(UsersTest, GroupsAreThoseThatNameHimAndHisOwn) {
  User bob = *FindUser(kPasswd, "bob");
  AddGroups(
      "adm:x:4:syslog,bob\nusers:x:100:\nx:x:7:bobb\nodd:x:9\nsudo:x:27:"
      "bob\nadm2:x:4:bob\n",
      bob);
  EXPECT_EQ(bob.groups, (std::vector<gid_t>{4, 27, 100}));
}

TEST(UsersTest, GetentIsRead) {
  const auto user = ParseGetent(
      "bob:*:1001:100:Bob:/home/bob:/bin/sh\nbob                   100 27 4\n",
      "bob");
  ASSERT_TRUE(user.ok());
  EXPECT_EQ(user->groups, (std::vector<gid_t>{4, 27, 100}));
  EXPECT_TRUE(absl::IsNotFound(ParseGetent("", "bob").status()));
  EXPECT_TRUE(absl::IsNotFound(ParseGetent("eve:*:0:0:::\n", "bob").status()));
}

TEST(UsersTest, OddNamesAreRefused) {
  for (const char* name :
       {"", "-r", "+x", "a b", "a:b", "a/b", "a\nb", "a,b"}) {
    EXPECT_FALSE(CheckUserName(name).ok()) << name;
  }
  for (const char* name :
       {"root", "a.b", "DOMAIN\\bob", "bob@example.com", "_x$", "bjørn"}) {
    EXPECT_TRUE(CheckUserName(name).ok()) << name;
  }
}

class UserLookupTest : public ::testing::Test {
 protected:
  // Looks a name up with a getent that does this.
  absl::StatusOr<User> Lookup(const std::string& script,
                              const std::string& name) {
    char path[] = "/tmp/specula-getent.XXXXXX";
    close(mkstemp(path));
    WriteFile(path, "#!/bin/sh\n" + script, 0755);
    auto loop = Loop::Create();
    UserLookup lookup(loop->get(), path);
    absl::StatusOr<User> found = absl::UnknownError("not answered");
    EXPECT_TRUE(lookup
                    .Start(name,
                           [&](absl::StatusOr<User> user) {
                             found = std::move(user);
                             (*loop)->Stop();
                           })
                    .ok());
    (*loop)->Run();
    unlink(path);
    // Nothing may be left that could still be waited for.
    while (waitpid(-1, nullptr, 0) > 0) {
    }
    return found;
  }
};

TEST_F(UserLookupTest, GetentAnswers) {
  const auto user = Lookup(
      "[ $1 = passwd ] && echo \"$2:x:5001:5000::/home/far:/bin/sh\" || echo "
      "\"$2 5000 6000\"",
      "far");
  ASSERT_TRUE(user.ok()) << user.status();
  EXPECT_EQ(user->uid, 5001u);
  EXPECT_EQ(user->groups, (std::vector<gid_t>{5000, 6000}));
}

TEST_F(UserLookupTest, WhoIsNowhereIsNotFound) {
  EXPECT_TRUE(absl::IsNotFound(Lookup("exit 2", "nobody-at-all").status()));
}

TEST_F(UserLookupTest, NameIsNoPartOfAShellLine) {
  const auto user =
      Lookup("[ $1 = passwd ] && echo \"$2:x:1:1::/:\"", "$(id)`id`");
  ASSERT_TRUE(user.ok()) << user.status();
  EXPECT_EQ(user->name, "$(id)`id`");
}

TEST_F(UserLookupTest, SilenceHasItsLimit) {
  const absl::Duration begin = MonotonicNow();
  EXPECT_TRUE(
      absl::IsDeadlineExceeded(Lookup("exec sleep 1000", "slow").status()));
  EXPECT_LT(MonotonicNow() - begin, absl::Seconds(6));
}

}  // namespace
}  // namespace specula::agent
