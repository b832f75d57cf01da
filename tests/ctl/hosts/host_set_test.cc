#include "ctl/hosts/host_set.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "ctl/hosts/pattern.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/lib/base/testing.h"

namespace specula::ctl {
namespace {

using ::specula::testing::IsOk;
using ::specula::testing::StatusIs;
using ::testing::ElementsAre;
using ::testing::Not;

constexpr auto kOdd = absl::StatusCode::kInvalidArgument;

absl::StatusOr<std::vector<std::string>> Read(absl::string_view text,
                                              const HostCatalog& catalog = {},
                                              uint16_t default_port = 60120) {
  return EvaluateHostSet(text, catalog, default_port);
}

// The hosts of a set as one text.
std::string Hosts(absl::string_view text, const HostCatalog& catalog = {}) {
  absl::StatusOr<std::vector<std::string>> hosts = Read(text, catalog);
  if (!hosts.ok()) return hosts.status().ToString();
  return absl::StrJoin(*hosts, " ");
}

TEST(HostSetTest, ReadsWhatPeopleWrite) {
  const struct {
    const char* text;
    const char* hosts;
  } kCases[] = {
      {"vm1", "vm1"},
      {"vm1,vm2:7000", "vm1 vm2:7000"},
      {"vm2,vm1", "vm2 vm1"},
      {" vm1 ,\tvm2\n", "vm1 vm2"},
      {"vm[1-3]", "vm1 vm2 vm3"},
      {"vm[3-3]", "vm3"},
      {"vm[7]", "vm7"},
      {"vm[0-1]", "vm0 vm1"},
      {"[1-2]", "1 2"},
      {"vm[1-2]x:7000", "vm1x:7000 vm2x:7000"},
      {"vm[08-11]", "vm08 vm09 vm10 vm11"},
      {"vm[00-01]", "vm00 vm01"},
      {"vm[098-101]", "vm098 vm099 vm100 vm101"},
      {"vm[9-010]", "vm9 vm10"},
      {"vm[07]", "vm07"},
      {"vm[1-9/2,20]", "vm1 vm3 vm5 vm7 vm9 vm20"},
      {"vm[1-10/3]", "vm1 vm4 vm7 vm10"},
      {"vm[1-3/5]", "vm1"},
      {"vm[5/2]", "vm5"},
      {"vm[01-05/2,1]", "vm01 vm03 vm05 vm1"},
      {"vm[2,1]", "vm2 vm1"},
      {"r[1-3]n[1-2]", "r1n1 r1n2 r2n1 r2n2 r3n1 r3n2"},
      {"r[1-2]n[1-2]c[1-2]",
       "r1n1c1 r1n1c2 r1n2c1 r1n2c2 r2n1c1 r2n1c2 r2n2c1 r2n2c2"},
      {"r[1-2][0-1]", "r10 r11 r20 r21"},
      {"10.0.0.[1-3]:7000", "10.0.0.1:7000 10.0.0.2:7000 10.0.0.3:7000"},
      {"10.0.[0-1].[8-9]", "10.0.0.8 10.0.0.9 10.0.1.8 10.0.1.9"},
      {"vm:[7000-7001]", "vm:7000 vm:7001"},
      {"::1", "::1"},
      {"[::1]", "::1"},
      {"[::1]:7000", "[::1]:7000"},
      {"[::1]:7000,vm[1-2],fe80::1%eth0", "[::1]:7000 vm1 vm2 fe80::1%eth0"},
      {"vm1,vm1", "vm1"},
      {"vm[1-2],vm2,vm1,vm3", "vm1 vm2 vm3"},
      {"vm1,vm1:60120,vm1:7000", "vm1 vm1:7000"},
      {"::1,[::1],[::1]:60120", "::1"},
      {"vm[1-2,2-3]", "vm1 vm2 vm3"},
      {"vm1,vm01", "vm1 vm01"},
  };
  for (const auto& test : kCases) {
    EXPECT_EQ(Hosts(test.text), test.hosts) << test.text;
  }
}

TEST(HostSetTest, PointsAtThePartThatIsOdd) {
  const struct {
    std::string text;
    const char* part;
    const char* why;
  } kCases[] = {
      {"", "''", "a host is missing"},
      {",", "','", "a host is missing"},
      {"vm1,", "'vm1,'", "a host is missing"},
      {",vm1", "',vm1'", "a host is missing"},
      {"vm1,,vm2", "'vm1,,vm2'", "a host is missing"},
      {"vm1, ,vm2", "'vm1, ,vm2'", "a host is missing"},
      {"a,vm[3-1]", "'vm[3-1]'", "3-1 runs backwards"},
      {"a,vm[3-1/2]", "'vm[3-1/2]'", "runs backwards"},
      {"a,vm[1-", "'vm[1-'", "the ] is missing"},
      {"a,vm[1-2][", "'vm[1-2]['", "the ] is missing"},
      {"a,vm[1,2", "'vm[1,2'", "the ] is missing"},
      {"a,vm1]", "'vm1]'", "without its ["},
      {"a,vm[1]]", "'vm[1]]'", "without its ["},
      {"a,]vm[", "']vm['", "without its ["},
      {"a,vm[[1-2]]", "'vm[[1-2]]'", "a [ within [ ]"},
      {"a,vm[1-[2]]", "'vm[1-[2]]'", "a [ within [ ]"},
      {"a,vm[]", "'vm[]'", "'' is not a number"},
      {"a,vm[,]", "'vm[,]'", "'' is not a number"},
      {"a,vm[1,]", "'vm[1,]'", "'' is not a number"},
      {"a,vm[-]", "'vm[-]'", "'' is not a number"},
      {"a,vm[1-]", "'vm[1-]'", "'' is not a number"},
      {"a,vm[-1]", "'vm[-1]'", "'' is not a number"},
      {"a,vm[1-2/]", "'vm[1-2/]'", "'' is not a number"},
      {"a,vm[/2]", "'vm[/2]'", "'' is not a number"},
      {"a,vm[a-b]", "'vm[a-b]'", "'a' is not a number"},
      {"a,vm[1-b]", "'vm[1-b]'", "'b' is not a number"},
      {"a,vm[1-2-3]", "'vm[1-2-3]'", "'2-3' is not a number"},
      {"a,vm[1-9/2/2]", "'vm[1-9/2/2]'", "'2/2' is not a number"},
      {"a,vm[1 -2]", "'vm[1 -2]'", "'1 ' is not a number"},
      {"a,vm[+1-2]", "'vm[+1-2]'", "'+1' is not a number"},
      {"a,vm[0x1-0x2]", "'vm[0x1-0x2]'", "'0x1' is not a number"},
      {"a,vm[1.5]", "'vm[1.5]'", "'1.5' is not a number"},
      {"a,vm[1-9/0]", "'vm[1-9/0]'", "cannot be 0"},
      {"a,vm[5/0]", "'vm[5/0]'", "cannot be 0"},
      {"a,vm[1-9/00]", "'vm[1-9/00]'", "cannot be 0"},
      {"a,vm[1-99999999999999999999]", "'vm[1-99999999999999999999]'",
       "is not a number"},
      {"a,vm[18446744073709551617]", "'vm[18446744073709551617]'",
       "is not a number"},
      {"a,vm[1-2/18446744073709551616]", "", "is not a number"},
      {"a,vm 1", "'vm 1'", "letters, digits"},
      {"a b", "'a b'", "letters, digits"},
      {"a,vm[1-2]:0", "'vm1:0'", "port 0 cannot be dialled"},
      {"a,vm1:x", "'vm1:x'", "the port must be"},
      {"a,vm:[65535-65536]", "'vm:65536'", "the port must be"},
      {"a,-vm[1-2]", "'-vm1'", "does not start with '-'"},
      {"a,vm[1:2]", "'vm[1:2]'", "letters, digits"},
      {"a,vm\x1b[1-2]", "'vm\\x1b1'", "letters, digits"},
      {"a,vm[\x1b]", "'vm[\\x1b]'", "'\\x1b' is not a number"},
  };
  for (const auto& test : kCases) {
    const auto hosts = Read(test.text);
    EXPECT_THAT(hosts, StatusIs(kOdd, test.part)) << test.text;
    EXPECT_THAT(hosts, StatusIs(kOdd, test.why)) << test.text;
  }
}

TEST(HostSetTest, HugeSetsAreRefusedBeforeTheyAreMade) {
  const struct {
    std::string text;
    const char* part;
  } kCases[] = {
      {"vm[1-100001]", "'vm[1-100001]'"},
      {"a,vm[1-1000000000]", "'vm[1-1000000000]'"},
      {"vm[0-999999999999999]", "'vm[0-999999999999999]'"},
      {"r[1-1000]n[1-101]", "'r[1-1000]n[1-101]'"},
      {"a[0-999999999999999][0-999999999999999][0-999999999999999]"
       "[0-999999999999999][0-999999999999999]",
       "'a[0-999"},
      {"vm[1-60000,1-60000]", "'vm[1-60000,1-60000]'"},
      {"vm[1-100000],x", "'x'"},
      {"vm[1-60000],vn[1-40001]", "'vn[1-40001]'"},
      {std::string(1 << 20, 'a') + "[1-100000]", "'aaaa"},
  };
  for (const auto& test : kCases) {
    EXPECT_THAT(Read(test.text), StatusIs(kOdd, test.part))
        << test.text.substr(0, 80);
  }
  EXPECT_THAT(Read("vm[1-100001]"), StatusIs(kOdd, "more than 100000 hosts"));
  EXPECT_THAT(Read(std::string(600, 'a') + "[1-9]"),
              StatusIs(kOdd, "too long"));
}

TEST(HostSetTest, TheGreatestSetIsRead) {
  absl::StatusOr<std::vector<std::string>> hosts =
      Read("vm[1-50000],r[1-500]n[1-100]");
  ASSERT_THAT(hosts, IsOk());
  EXPECT_EQ(hosts->size(), kMostHosts);
  EXPECT_EQ(hosts->front(), "vm1");
  EXPECT_EQ(hosts->back(), "r500n100");
  EXPECT_THAT(Read("vm[0-999999999999999/999999999999999]"), IsOk());
}

TEST(HostSetTest, ADefaultPortOfZeroIsNoPort) {
  EXPECT_THAT(Read("vm1", {}, 0), StatusIs(kOdd, "port 0"));
  EXPECT_THAT(Read("vm1:1", {}, 0), IsOk());
}

// The cases of ClusterShell's documentation of nodeset, and their like.
TEST(HostSetTest, AlgebraGoesFromLeftToRight) {
  const struct {
    const char* text;
    const char* hosts;
  } kCases[] = {
      {"node[1-5]!node3", "node1 node2 node4 node5"},
      {"node[0-10]!node[3-4],node8",
       "node0 node1 node2 node5 node6 node7 "
       "node8 node9 node10"},
      {"node[0-10]!node[3-10],node[8-9]", "node0 node1 node2 node8 node9"},
      {"node[1-5]&node[4-8]", "node4 node5"},
      {"node[1-5]^node[4-8]", "node1 node2 node3 node6 node7 node8"},
      {"node[1-5],node[7-9]&node[4-8]", "node4 node5 node7 node8"},
      {"node[4-8]&node[1-5],node9", "node4 node5 node9"},
      {"a!a", ""},
      {"a&b", ""},
      {"a^a", ""},
      {"a^b^a", "b"},
      {"a ! b , c", "a c"},
      {"vm1!vm1:60120", ""},
      {"vm1!vm1:7000", "vm1"},
      {"vm[1-3,5]!vm[2,5]", "vm1 vm3"},
  };
  for (const auto& test : kCases) {
    EXPECT_EQ(Hosts(test.text), test.hosts) << test.text;
  }
}

TEST(HostSetTest, AMissingOperandIsOdd) {
  for (const char* text :
       {"a!", "a&", "a^", "a!!b", "a,!b", "a&^b", "!a", "&a", "^a"}) {
    EXPECT_THAT(Read(text), StatusIs(kOdd, "a host is missing")) << text;
  }
  EXPECT_THAT(Read("!db"), StatusIs(kOdd, "*!db"));
}

TEST(HostSetTest, GroupsAndWildcardsComeFromTheCatalog) {
  const HostCatalog catalog{
      .hosts = {"web1", "web2", "db1", "db2.example.com", "web3:7000"},
      .groups = {{"web", {"web1", "web2", "web3:7000"}},
                 {"db", {"db1", "db2.example.com"}},
                 {"rack1", {"web1", "db1"}},
                 {"rack2", {"web2"}},
                 {"none", {}}}};
  const struct {
    const char* text;
    const char* hosts;
  } kCases[] = {
      {"@web", "web1 web2 web3:7000"},
      {"@*", "web1 web2 db1 db2.example.com web3:7000"},
      {"*", "web1 web2 db1 db2.example.com web3:7000"},
      {"*!@web", "db1 db2.example.com"},
      {"@web&@rack1", "web1"},
      {"@rack[1-2]", "web1 db1 web2"},
      {"@none", ""},
      {"@none,x", "x"},
      {"web*", "web1 web2 web3:7000"},
      {"web?", "web1 web2"},
      {"*.example.com", "db2.example.com"},
      {"[1-2]*", ""},
      {"*[1-2]", "web1 db1 web2"},
      {"nothing*", ""},
      {"@db,other", "db1 db2.example.com other"},
  };
  for (const auto& test : kCases) {
    EXPECT_EQ(Hosts(test.text, catalog), test.hosts) << test.text;
  }
  EXPECT_THAT(Read("a,@wbe", catalog), StatusIs(kOdd, "'@wbe'"));
  EXPECT_THAT(Read("@wbe", catalog), StatusIs(kOdd, "@db, @none, @rack1"));
  EXPECT_THAT(Read("@web"), StatusIs(kOdd, "no groups"));
  EXPECT_THAT(Read("@", catalog), StatusIs(kOdd, "no such group"));
}

TEST(MatchesWildcardTest, StarsAndQuestionMarks) {
  const struct {
    const char* name;
    const char* wildcard;
    bool matches;
  } kCases[] = {
      {"", "", true},
      {"", "*", true},
      {"", "?", false},
      {"a", "", false},
      {"abc", "abc", true},
      {"abc", "a*c", true},
      {"abc", "*b*", true},
      {"abc", "a?c", true},
      {"abc", "?", false},
      {"abc", "a*b", false},
      {"aab", "a*ab", true},
      {"abab", "*ab", true},
      {"abcab", "*ab", true},
      {"a*c", "a*c", true},
      {"abc", "***", true},
      {"abc", "abc*", true},
      {"abc", "abcd*", false},
      {"mississippi", "m*s*i*p", false},
      {"mississippi", "m*iss*p?", true},
  };
  for (const auto& test : kCases) {
    EXPECT_EQ(MatchesWildcard(test.name, test.wildcard), test.matches)
        << test.name << " " << test.wildcard;
  }
  const std::string many(50'000, 'a');
  EXPECT_FALSE(MatchesWildcard(many, "*a*a*a*a*b"));
}

TEST(HostSetTest, CatalogsDoNotMakeASetTooLarge) {
  HostCatalog catalog;
  for (int i = 0; i < 60'000; ++i)
    catalog.hosts.push_back(absl::StrCat("a", i));
  catalog.groups["b"] = catalog.hosts;
  for (std::string& host : catalog.groups["b"]) host[0] = 'b';
  EXPECT_THAT(Read("*,@b", catalog), StatusIs(kOdd, "more than 100000"));
  EXPECT_THAT(Read("a*[1-9],*,@b", catalog), StatusIs(kOdd, "more than"));
  EXPECT_THAT(Read("*&a1", catalog), IsOk());
}

}  // namespace
}  // namespace specula::ctl
