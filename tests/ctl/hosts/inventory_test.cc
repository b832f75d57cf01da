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
  const auto inventory = Read(
      "# fleet\nvm[01-03]\n\nweb1,web[2-3]:7000 # more\r\n"
      "10.0.0.[1-2]\n[::1]:7000\n; end\n",
      "hosts");
  constexpr char kHosts[] =
      "vm01 vm02 vm03 web1 web2:7000 web3:7000 10.0.0.1 10.0.0.2 [::1]:7000";
  EXPECT_EQ(Hosts(inventory),
            "vm01 vm02 vm03 web1 web2:7000=web2:7000 web3:7000=web3:7000 "
            "10.0.0.1 10.0.0.2 [::1]:7000=[::1]:7000");
  EXPECT_EQ(Groups(inventory),
            absl::StrCat("all: ", kHosts, "; ungrouped: ", kHosts));
  EXPECT_EQ(Hosts(Read("", "hosts")), "");
}

TEST(PlainInventoryTest, WhatIsOddIsPointedAt) {
  const struct {
    const char* text;
    const char* where;
    const char* why;
  } kCases[] = {
      {"a b", "f:1", "put commas between hosts"},
      {"a\nvm[1-", "f:2", "] is missing"},
      {"a,,b", "f:1", "a host is missing"},
      {"@web", "f:1", "groups and wildcards"},
      {"web*", "f:1", "groups and wildcards"},
      {"vm[1-1000000000]", "f:1", "more than 100000"},
  };
  for (const auto& test : kCases) {
    const auto inventory = Read(test.text, "f");
    EXPECT_THAT(inventory, StatusIs(kOdd, test.where)) << test.text;
    EXPECT_THAT(inventory, StatusIs(kOdd, test.why)) << test.text;
  }
}

// What makes a file without a telling name Ansible's: there a port is ssh's.
TEST(PlainInventoryTest, WhatOnlyAnsibleWritesMakesItAnsibles) {
  const struct {
    const char* text;
    const char* name;
    const char* hosts;
  } kCases[] = {
      {"a:22", "f", "a:22=a:22"},
      {"a:22\n# [x:1]\n[::1]:7", "f", "a:22=a:22 [::1]:7=[::1]:7"},
      {"a:22", "f.ini", "a"},
      {"a:22\n[web]", "f", "a"},
      {"a:22\n[web:children] # x", "f.prod", "a"},
      {"a:22\nb x=1", "f", "a b"},
      {"a:22\nb[1:2]", "f", "a b1 b2"},
      {"a:22\nb[x:y]", "f", "a bx by"},
      {"---\nweb:\n  hosts: a:22", "f", "a"},
      {"\n# x\nweb:\n  hosts: a:22", "f", "a"},
      {"{\"web\": {\"hosts\": {\"a:22\": null}}}", "f.json", "a"},
      {"[web]\na:22", "f.yml", "a"},
  };
  for (const auto& test : kCases) {
    EXPECT_EQ(Hosts(Read(test.text, test.name)), test.hosts) << test.text;
  }
}

// The example of Ansible's documentation, and ours in it.
TEST(AnsibleIniTest, ReadAsItIs) {
  const auto inventory = Read(R"(mail.example.com ansible_user=root

[webservers]
www[01:03].example.com
jumper ansible_port=5555 ansible_host=192.0.2.50 # behind the wall

[dbservers]
one specula_host=10.0.0.9 ansible_host=1.2.3.4 specula_port=7000 x="a b"
two[1:2] specula_host=10.1.0.[1-2]:7001 specula_certificate_name=db

[south:children]
webservers
dbservers

[south:vars]
ntp_server=ntp.example.com
)",
                              "hosts.ini");
  EXPECT_EQ(Hosts(inventory),
            "mail.example.com www01.example.com www02.example.com "
            "www03.example.com jumper=192.0.2.50:60120 one=10.0.0.9:7000 "
            "two1=10.1.0.1:7001/db two2=10.1.0.2:7001/db");
  EXPECT_EQ(Groups(inventory),
            "all: mail.example.com www01.example.com www02.example.com "
            "www03.example.com jumper one two1 two2; dbservers: one two1 two2; "
            "south: www01.example.com www02.example.com www03.example.com "
            "jumper one two1 two2; ungrouped: mail.example.com; webservers: "
            "www01.example.com www02.example.com www03.example.com jumper");
}

// Ansible itself drops the lone host from every group by this.
TEST(AnsibleIniTest, UngroupedAsAChildKeepsItsHosts) {
  EXPECT_EQ(Groups(Read("lone\n[x:children]\nungrouped\n", "f.ini")),
            "all: lone; ungrouped: lone; x: lone");
}

TEST(AnsibleIniTest, WhatIsOddIsPointedAt) {
  const struct {
    const char* text;
    const char* where;
    const char* why;
  } kCases[] = {
      {"a\n[x:childs]\nb", "f.ini:2", "unknown section: '[x:childs]'"},
      {"[x y]", "f.ini:1", "without spaces"},
      {"[x:children]\ny", "f.ini:2", "no group 'y'"},
      {"[x:children]\nx", "f.ini:2", "contains itself"},
      {"[x:children]\nall", "f.ini:2", "contains every group"},
      {"[x:children]\na b", "f.ini:2", "one group on a line"},
      {"[x:vars]\na=b", "f.ini:1", "no such group"},
      {"[all:vars]\na", "f.ini:2", "NAME=VALUE"},
      {"a b", "f.ini:1", "'b' is no variable"},
      {"a 'b", "f.ini:1", "not closed"},
      {"vm[1:", "f.ini:1", "] of a range is missing"},
      {"a\nvm[f:a]", "f.ini:2", "host not read: 'vm[f:a]'"},
      {"vm[1-3]", "f.ini:1", "write [1:20]"},
      {"a specula_port=0", "f.ini:1", "specula_port must be"},
      {"a specula_port=x", "f.ini:1", "specula_port must be"},
      {"a specula_port=65536", "f.ini:1", "1 to 65535"},
      {"a[1:3] specula_host=b[1-2]", "f.ini:1", "2 values for 3 hosts"},
      {"a specula_host=b[1-", "f.ini:1", "] is missing"},
      {"a ansible_host={{ip}}", "f.ini:1", "templates"},
      {"[x]\na\n[x:vars]\nansible_host={{ip}}", "f.ini:4", "templates"},
      {"a ansible_host=", "f.ini:1", "no name or IP address"},
      {"a ansible_host=b:22", "f.ini:1", "no name or IP address"},
      {"a[1:60000]\nb[1:60000]", "f.ini:2", "more than 100000"},
      {"a,b", "f.ini:1", "letters, digits"},
      {"root@a", "f.ini:1", "ansible_user=USER"},
  };
  for (const auto& test : kCases) {
    const auto inventory = Read(test.text, "f.ini");
    EXPECT_THAT(inventory, StatusIs(kOdd, test.where)) << test.text;
    EXPECT_THAT(inventory, StatusIs(kOdd, test.why)) << test.text;
  }
}

TEST(AnsibleYamlTest, WhatIsOddIsPointedAt) {
  const struct {
    std::string text;
    const char* where;
    const char* why;
  } kCases[] = {
      {"web:\n  host:\n    a:\n", "f.yml:2", "unknown key"},
      {"web: [a, b]", "f.yml:1", "must be a mapping"},
      {"web: a", "f.yml:1", "must be a mapping"},
      {"web:\n  hosts: [a]", "f.yml:2", "must be a mapping"},
      {"web:\n  hosts:\n    a: [b]", "f.yml:3", "must be a mapping"},
      {"web:\n  vars: [b]", "f.yml:2", "must be a mapping"},
      {"- a\n- b", "f.yml:1", "must be a mapping"},
      {"a:\n  hosts:\n    'vm[3:1]':\n", "f.yml:3", "backwards"},
      {"a: {b", "f.yml:1", ""},
      {"a:\n  children:\n    a:\n", "f.yml:3", "contains itself"},
      {"? [a, b]\n: c", "f.yml:1", ""},
      {"a:\n---\nb:\n", "f.yml:2", "second document"},
      {"a:\n...\nb:\n", "f.yml:3", "second document"},
      {",*a,*", "f.yml:1", ""},
      {"web:\n  hosts: {a: }\nweb:\n  hosts: {b: }", "f.yml:3", "twice"},
      {"web:\n  hosts: {a: }\n  hosts: {b: }", "f.yml:3", "twice"},
      {"plugin: x", "f.yml:1", "plugin of Ansible"},
      {"a: &a {<<: *a}", "f.yml:1", ""},
      {std::string(100'000, '['), "f.yml:1", ""},
  };
  for (const auto& test : kCases) {
    const auto inventory = Read(test.text, "f.yml");
    EXPECT_THAT(inventory, StatusIs(kOdd, test.where)) << test.text;
    EXPECT_THAT(inventory, StatusIs(kOdd, test.why)) << test.text;
  }
}

TEST(AnsibleYamlTest, HostsWrittenTwiceAreOne) {
  EXPECT_EQ(Hosts(Read("web:\n  hosts:\n    a: {ansible_host: x}\n    a: "
                       "{ansible_host: y}\n",
                       "f.yml")),
            "a=y:60120");
  EXPECT_EQ(Hosts(Read("", "f.yml")), "");
}

// Names that YAML 1.1 reads as something else than a text.
TEST(AnsibleYamlTest, NamesAreTexts) {
  for (const char* name : {"10", "-1", "0x1f", "0b1", "017", "1_000", "1:20",
                           "1.5", "1e3.", ".5", "yes", "No", "TRUE", "off", "~",
                           "null", ".inf", ".NaN", "2001-01-01"}) {
    const bool is_text = absl::string_view(name) == "1e3.";
    EXPECT_EQ(Read(absl::StrCat(name, ":\n  hosts: {a: }"), "f.yml").ok(),
              is_text)
        << name;
    EXPECT_TRUE(
        Read(absl::StrCat("'", name, "':\n  hosts: {a: }"), "f.yml").ok())
        << name;
  }
  for (const char* name : {"1.2.3.4", "0800", "1a", "n10", "yes1", "a-b"}) {
    EXPECT_EQ(
        Hosts(Read(absl::StrCat("x:\n  hosts:\n    ", name, ":\n"), "f.yml")),
        name);
  }
}

// References to references make much of a short text.
TEST(AnsibleYamlTest, ReferencesHaveAnEnd) {
  std::string text = "a0: &a0 {children: {x: }}\n";
  for (int i = 1; i < 40; ++i) {
    absl::StrAppend(&text, "a", i, ": &a", i, " {children: {b", i, ": *a",
                    i - 1, ", c", i, ": *a", i - 1, "}}\n");
  }
  EXPECT_THAT(Read(text, "f.yml"), StatusIs(kOdd, "repeat too much"));
}

}  // namespace
}  // namespace specula::ctl
