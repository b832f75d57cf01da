#include "ctl/bootstrap/ssh_target.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace specula::ctl {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kInventory[] = R"(
[[host]]
name = "db[1-2]"
address = "10.0.0.[1-2]"
port = 7000
[group]
db = "db[1-2]"
)";

std::vector<std::string> Texts(const std::vector<std::string>& words) {
  absl::StatusOr<std::vector<SshTarget>> targets = ParseSshTargets(
      words, ParseInventory(kInventory, "i.toml", 60120).value());
  if (!targets.ok()) return {std::string(targets.status().message())};
  std::vector<std::string> texts;
  for (const SshTarget& target : *targets) {
    texts.push_back(absl::StrCat(
        target.user, "@", target.name, ":", target.port,
        target.known ? " is " + FormatHostPort(target.address) : ""));
  }
  return texts;
}

TEST(SshTargetTest, UsersSetsPortsAndGroups) {
  EXPECT_THAT(Texts({"vm1"}), ElementsAre("@vm1:0"));
  EXPECT_THAT(Texts({"root@vm[1-2]:2222", "vm9"}),
              ElementsAre("root@vm1:2222", "root@vm2:2222", "@vm9:0"));
  EXPECT_THAT(Texts({"admin@[::1]:22"}), ElementsAre("admin@::1:22"));
  EXPECT_THAT(Texts({"@db"}), ElementsAre("@db1:0 is 10.0.0.1:7000",
                                          "@db2:0 is 10.0.0.2:7000"));
  EXPECT_THAT(Texts({"root@@db!db1"}),
              ElementsAre("root@db2:0 is 10.0.0.2:7000"));
  EXPECT_THAT(Texts({"vm1", "vm1"}), ElementsAre("@vm1:0"));
}

TEST(SshTargetTest, OddWordsAreSaid) {
  for (const char* word : {"", "-oProxyCommand=x@vm1", "a b@vm1", "$(id)@vm1",
                           "-vm1", "@nobody", "vm1;reboot"}) {
    EXPECT_THAT(Texts({word}), ElementsAre(HasSubstr("'"))) << word;
  }
  EXPECT_THAT(Texts({"vm1:22", "vm1:23"}),
              ElementsAre(HasSubstr("named twice")));
  EXPECT_THAT(Texts({"root@vm1", "admin@vm1"}),
              ElementsAre(HasSubstr("named twice")));
}

TEST(SshTargetTest, WordsOfSsh) {
  SshTarget target;
  target.name = "vm1";
  target.user = "root";
  target.port = 2222;
  SshOptions options;
  options.program = "ssh  -F file";
  options.options = {"BatchMode=no"};
  const std::vector<std::string> words = SshWords(options, target, "run it");
  EXPECT_THAT(std::vector<std::string>(words.begin(), words.begin() + 6),
              ElementsAre("ssh", "-F", "file", "-o", "BatchMode=no", "-T"));
  const std::string line = absl::StrJoin(words, " ");
  EXPECT_THAT(line, HasSubstr(" BatchMode=yes "));
  EXPECT_TRUE(line.ends_with(" -p 2222 -l root -- vm1 run it")) << line;
  EXPECT_EQ(words.back(), "run it");
}

TEST(SshTargetTest, AKnownHostIsDialledByItsAddressUnderItsName) {
  SshTarget target;
  target.name = "db1";
  target.known = true;
  target.address = {"10.0.0.1", 7000};
  const std::string line = absl::StrJoin(SshWords({}, target, ""), " ");
  EXPECT_THAT(line, HasSubstr(" -o HostName=10.0.0.1 -- db1"));
  EXPECT_THAT(line, HasSubstr("ssh -G "));
  EXPECT_THAT(line, Not(HasSubstr("7000")));
}

TEST(SshTargetTest, HostNameOfConfiguration) {
  EXPECT_EQ(HostNameOf("user root\nhostname 10.0.0.5\nport 22\n"), "10.0.0.5");
  EXPECT_EQ(HostNameOf("user root\n"), "");
  EXPECT_EQ(HostNameOf(""), "");
}

TEST(SshTargetTest, NamesFitForCertificates) {
  EXPECT_EQ(AgentNameOf("VM1.example.net"), "vm1.example.net");
  EXPECT_EQ(AgentNameOf("fe80::1%eth0"), "fe80--1-eth0");
  EXPECT_EQ(AgentNameOf("::1"), "h--1");
  EXPECT_EQ(AgentNameOf("_x"), "h_x");
  EXPECT_EQ(AgentNameOf("fe80::"), "fe80--h");
  EXPECT_EQ(AgentNameOf("fe80::1%eth0.7"), "fe80--1-eth0.7");
  EXPECT_EQ(AgentNameOf("10.0.0.1"), "10.0.0.1");
  const std::string label(63, 'a');
  EXPECT_EQ(AgentNameOf(label + "." + label), label + "." + label);
}

}  // namespace
}  // namespace specula::ctl
