#include "ctl/hosts/inventory.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/lib/base/testing.h"

namespace specula::ctl {
namespace {

using ::specula::testing::IsOk;
using ::specula::testing::StatusIs;

constexpr auto kOdd = absl::StatusCode::kInvalidArgument;

absl::StatusOr<Inventory> Read(const std::string& text,
                               const std::string& name) {
  return ParseInventory(text, name, 60120);
}

// "name=address[/certificate name] …", or the error.
std::string Hosts(const absl::StatusOr<Inventory>& inventory) {
  if (!inventory.ok()) return inventory.status().ToString();
  return absl::StrJoin(
      inventory->hosts, " ", [](std::string* out, const InventoryHost& host) {
        absl::StrAppend(out, host.name);
        if (host.address.host != host.name || host.address.port != 60120) {
          absl::StrAppend(out, "=", FormatHostPort(host.address));
        }
        if (!host.certificate_name.empty()) {
          absl::StrAppend(out, "/", host.certificate_name);
        }
      });
}

// "group: names; …"
std::string Groups(const absl::StatusOr<Inventory>& inventory) {
  if (!inventory.ok()) return inventory.status().ToString();
  return absl::StrJoin(inventory->catalog.groups, "; ",
                       [](std::string* out, const auto& group) {
                         absl::StrAppend(out, group.first, ": ",
                                         absl::StrJoin(group.second, " "));
                       });
}

TEST(TomlInventoryTest, HostsWithAllThatCanBeSaid) {
  const auto inventory = Read(R"(
[[host]]
name = "vm[01-03]"
address = "10.0.0.[1-3]"
labels = { rack = "a", role = "web" }

[[host]]
name = "db1"
port = 7000
certificate_name = "db.example.com"
labels = { rack = "b" }

[[host]]
name = "plain"

[group]
front = "vm[01-02]"
all_but_db = "*!@rack=b"
mixed = ["@front", "db1", "elsewhere:7001"]
later = "@mixed!@front"
"rack[1,2]" = "plain"
)",
                              "fleet.toml");
  EXPECT_EQ(Hosts(inventory),
            "vm01=10.0.0.1:60120 vm02=10.0.0.2:60120 vm03=10.0.0.3:60120 "
            "db1=db1:7000/db.example.com plain");
  EXPECT_EQ(Groups(inventory),
            "all_but_db: vm01 vm02 vm03 plain; front: vm01 vm02; "
            "later: db1 elsewhere:7001; mixed: vm01 vm02 db1 elsewhere:7001; "
            "rack=a: vm01 vm02 vm03; rack=b: db1; rack[1,2]: plain; "
            "role=web: vm01 vm02 vm03");
  ASSERT_THAT(inventory, IsOk());
  EXPECT_EQ(inventory->catalog.hosts.size(), 5U);
  EXPECT_EQ(inventory->hosts[0].labels.at("rack"), "a");
}

TEST(TomlInventoryTest, WhatIsOddIsPointedAt) {
  const struct {
    const char* text;
    const char* where;
    const char* why;
  } kCases[] = {
      {"[[host]]\nname = 'a'\nadress = 'b'", "f.toml:3",
       "unknown key 'adress'"},
      {"[[host]]\naddress = 'b'", "f.toml:1", "without a name"},
      {"\n[[host]]\nname = 7", "f.toml:3", "must be a text"},
      {"[[host]]\nname = ''", "f.toml:2", "must be a text"},
      {"[[host]]\nname = 'a'\nport = 0", "f.toml:3", "1 to 65535"},
      {"[[host]]\nname = 'a'\nport = 65536", "f.toml:3", "1 to 65535"},
      {"[[host]]\nname = 'vm[3-1]'", "f.toml:1", "runs backwards"},
      {"[[host]]\nname = 'vm[1-3]'\naddress = '10.0.0.[1-2]'", "f.toml:1",
       "3 names, but 2 addresses"},
      {"[[host]]\nname = 'vm[1-3]'\naddress = '10.0.0.1'", "f.toml:1",
       "3 names, but 1 addresses"},
      {"[[host]]\nname = 'a'\naddress = 'x'\n[[host]]\nname = 'a'\naddress = "
       "'y'",
       "f.toml:4", "two addresses, x:60120 and y:60120"},
      {"[host]\nname = 'a'", "f.toml:1", "[[host]]"},
      {"hosts = 'a'", "f.toml:1", "unknown key 'hosts'"},
      {"[group]\na = '@b'", "f.toml:2", "there are no groups"},
      {"[group]\na = '@b'\nb = '@c'\nc = '@a'", "f.toml:", "contains itself"},
      {"[group]\na = ['@a']", "f.toml:2", "contains itself"},
      {"[group]\na = 7", "f.toml:2", "a host set"},
      {"[group]\na = 'vm[1-'", "f.toml:2", "the ] is missing"},
      {"[group", "f.toml:1", ""},
      {"[[host]]\nname = 'a'\nlabels = 'x'", "f.toml:3", "labels are written"},
  };
  for (const auto& test : kCases) {
    const auto inventory = Read(test.text, "f.toml");
    EXPECT_THAT(inventory, StatusIs(kOdd, test.where)) << test.text;
    EXPECT_THAT(inventory, StatusIs(kOdd, test.why)) << test.text;
  }
}

TEST(PlainInventoryTest, ALineIsAHostSet) {
  EXPECT_EQ(Hosts(Read("# fleet\nvm[01-03]\n\nweb1,web[2-3]:7000\r\n"
                       "10.0.0.[1-2]\n[::1]:7000\n; end\n",
                       "hosts")),
            "vm01 vm02 vm03 web1 web2:7000=web2:7000 web3:7000=web3:7000 "
            "10.0.0.1 10.0.0.2 [::1]:7000=[::1]:7000");
  EXPECT_EQ(Hosts(Read("", "hosts")), "");
}

// The example of Ansible's documentation, and what it says of ranges.
TEST(AnsibleIniTest, ReadAsItIs) {
  const auto inventory = Read(R"(mail.example.com ansible_user=root

[webservers]
www[01:03].example.com
jumper ansible_port=5555 ansible_host=192.0.2.50 # behind the wall
odd[1:5:2]

[dbservers]
db-[a:c].example.com
one specula_host=10.0.0.9 ansible_host=1.2.3.4 specula_port=7000 x="a b"

[south:children]
webservers
dbservers

[south:vars]
ntp_server=ntp.example.com
some words of any kind
)",
                              "hosts.ini");
  EXPECT_EQ(Hosts(inventory),
            "mail.example.com www01.example.com www02.example.com "
            "www03.example.com jumper=192.0.2.50:60120 odd1 odd3 odd5 "
            "db-a.example.com db-b.example.com db-c.example.com "
            "one=10.0.0.9:7000");
  EXPECT_EQ(Groups(inventory),
            "dbservers: db-a.example.com db-b.example.com db-c.example.com "
            "one; south: www01.example.com www02.example.com "
            "www03.example.com jumper odd1 odd3 odd5 db-a.example.com "
            "db-b.example.com db-c.example.com one; webservers: "
            "www01.example.com www02.example.com www03.example.com jumper "
            "odd1 odd3 odd5");
}

TEST(AnsibleIniTest, AHostMayComeInManyGroups) {
  const auto inventory = Read("a ansible_host=10.0.0.1\n[x]\na\n[y]\na\n", "f");
  EXPECT_EQ(Hosts(inventory), "a=10.0.0.1:60120");
  EXPECT_EQ(Groups(inventory), "x: a; y: a");
  EXPECT_EQ(Hosts(Read("[x]\na\n[y]\na ansible_host=10.0.0.1\n", "f")),
            "a=10.0.0.1:60120");
}

TEST(AnsibleIniTest, WhatIsOddIsPointedAt) {
  const struct {
    const char* text;
    const char* where;
    const char* why;
  } kCases[] = {
      {"a\n[x:childs]\nb", "f:2", "unknown section"},
      {"[x:children]\ny", "f:2", "no group 'y'"},
      {"[x:children]\nx", "f:2", "contains itself"},
      {"a b", "f:1", "'b' is no variable"},
      {"vm[1:", "f:1", "] is missing"},
      {"vm[f:a]", "f:1", "odd"},
      {"a specula_port=0", "f:1", "specula_port must be"},
      {"a specula_port=x", "f:1", "specula_port must be"},
      {"a specula_port=65536", "f:1", "1 to 65535"},
      {"a,,b", "f:1", "a host is missing"},
      {"@web", "f:1", "groups and wildcards"},
      {"web*", "f:1", "groups and wildcards"},
      {"vm[1:1000000000]", "f:1", "more than 100000"},
      {"a ansible_host=x\na ansible_host=y", "f:2", "two addresses"},
  };
  for (const auto& test : kCases) {
    const auto inventory = Read(test.text, "f");
    EXPECT_THAT(inventory, StatusIs(kOdd, test.where)) << test.text;
    EXPECT_THAT(inventory, StatusIs(kOdd, test.why)) << test.text;
  }
}

TEST(AnsibleYamlTest, ReadAsItIs) {
  const auto inventory = Read(R"(
ungrouped:
  hosts:
    mail.example.com:
webservers:
  hosts:
    www[01:02].example.com:
    jumper:
      ansible_port: 5555
      ansible_host: 192.0.2.50
      tags: [a, b]
dbservers:
  hosts:
    one.example.com:
      specula_port: 7000
  vars: { x: 1 }
all:
  children:
    webservers:
    prod:
      children:
        dbservers:
        webservers:
)",
                              "hosts.yml");
  EXPECT_EQ(Hosts(inventory),
            "mail.example.com www01.example.com www02.example.com "
            "jumper=192.0.2.50:60120 one.example.com=one.example.com:7000");
  EXPECT_EQ(Groups(inventory),
            "all: www01.example.com www02.example.com jumper one.example.com; "
            "dbservers: one.example.com; prod: one.example.com "
            "www01.example.com www02.example.com jumper; ungrouped: "
            "mail.example.com; webservers: www01.example.com "
            "www02.example.com jumper");
  EXPECT_EQ(Hosts(Read("", "hosts.yml")), "");
}

TEST(AnsibleYamlTest, WhatIsOddIsPointedAt) {
  const struct {
    std::string text;
    const char* where;
    const char* why;
  } kCases[] = {
      {"web:\n  host:\n    a:\n", "f.yml:2", "unknown key 'host'"},
      {"web: [a, b]", "f.yml:1", "a group must be a mapping"},
      {"web:\n  hosts: [a]", "f.yml:2", "hosts must be a mapping"},
      {"- a\n- b", "f.yml:1", "groups must be a mapping"},
      {"a:\n  hosts:\n    'vm[3:1]':\n", "f.yml:3", "backwards"},
      {"a: {b", "f.yml:1", ""},
      {"a:\n  children:\n    a:\n", "f.yml:", "contains itself"},
      {"? [a, b]\n: c", "f.yml:1", ""},
      {std::string(100'000, '['), "f.yml:1", ""},
  };
  for (const auto& test : kCases) {
    const auto inventory = Read(test.text, "f.yml");
    EXPECT_THAT(inventory, StatusIs(kOdd, test.where)) << test.text;
    EXPECT_THAT(inventory, StatusIs(kOdd, test.why)) << test.text;
  }
}

}  // namespace
}  // namespace specula::ctl
