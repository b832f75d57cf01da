#include "ctl/hosts/inventory_files.h"

#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/lib/base/testing.h"
#include "tests/places.h"

namespace specula::ctl {
namespace {

using ::specula::testing::IsOk;
using ::specula::testing::StatusIs;
using ::specula::testing::TempDirectory;

constexpr auto kRefused = absl::StatusCode::kInvalidArgument;
constexpr uint16_t kPort = 60120;

// "name=address …" of each host, or the error.
std::string Hosts(const absl::StatusOr<Inventory>& inventory) {
  if (!inventory.ok()) return inventory.status().ToString();
  return absl::StrJoin(
      inventory->hosts, " ", [](std::string* out, const InventoryHost& host) {
        absl::StrAppend(out, host.name, "=", FormatHostPort(host.address));
      });
}

// What tests/testdata/ansible/record.py got from Ansible itself.
TEST(AnsibleCorpusTest, ReadsWhatAnsibleReads) {
  const std::string root =
      absl::StrCat(testing::TestDataDirectory(), "/ansible/");
  const YAML::Node recording = YAML::LoadFile(root + "expected.json");
  EXPECT_GE(recording.size(), 60U);
  for (const auto& recorded : recording) {
    SCOPED_TRACE(recorded.first.as<std::string>());
    const absl::StatusOr<Inventory> inventory =
        ReadInventory(root + recorded.first.as<std::string>(), kPort);
    if (recorded.second.IsNull()) {
      EXPECT_THAT(inventory, StatusIs(kRefused, root));
      continue;
    }
    ASSERT_THAT(inventory, IsOk());
    using Addresses = std::map<std::string, std::string>;
    Addresses addresses;
    for (const InventoryHost& host : inventory->hosts) {
      addresses[host.name] = host.address.host;
      EXPECT_EQ(host.address.port, kPort);
    }
    EXPECT_EQ(addresses, recorded.second["hosts"].as<Addresses>());
    using Groups = std::map<std::string, std::vector<std::string>>;
    Groups groups;
    for (const auto& [name, hosts] : inventory->catalog.groups) {
      std::vector<std::string>& sorted = groups[name] = hosts;
      std::sort(sorted.begin(), sorted.end());
    }
    EXPECT_EQ(groups, recorded.second["groups"].as<Groups>());
  }
}

TEST(InventoryFilesTest, WhatIsOursIsReadAsOurs) {
  const TempDirectory dir;
  EXPECT_EQ(
      Hosts(ReadInventory(
          dir.Write("fleet.toml", "[[host]]\nname = 'a'\nport = 7"), kPort)),
      "a=a:7");
  EXPECT_EQ(Hosts(ReadInventory(dir.Write("hosts", "a:7\nvm[1-2],b\n"), kPort)),
            "a:7=a:7 vm1=vm1:60120 vm2=vm2:60120 b=b:60120");
  EXPECT_THAT(ReadInventory(dir.Path("none"), kPort),
              StatusIs(absl::StatusCode::kNotFound, "none"));
}

TEST(InventoryFilesTest, VariablesBesidePlainNamesMakeThemAnsibles) {
  const TempDirectory dir;
  dir.Write("group_vars/all.yml", "ansible_user: root\n");
  EXPECT_EQ(Hosts(ReadInventory(dir.Write("hosts", "a:22\n"), kPort)),
            "a=a:60120");
  // But not what only we write.
  EXPECT_EQ(Hosts(ReadInventory(dir.Write("ours", "vm[1-2]\na:22\n"), kPort)),
            "vm1=vm1:60120 vm2=vm2:60120 a:22=a:22");
}

// Nothing is run, and nothing is left out unsaid.
TEST(InventoryFilesTest, WhatOnlyAnsibleCanReadIsRefused) {
  const struct {
    const char* file;
    const char* text;
    const char* where;
    const char* why;
  } kCases[] = {
      {"d/script.py", "#!/usr/bin/python3\nprint('{}')\n", "script.py:1",
       "this is a program"},
      {"d/script", "#!/bin/sh\n", "script:1", "this is a program"},
      {"d/aws_ec2.yml", "---\nplugin: aws_ec2\nregions: [x]\n", "aws_ec2.yml:2",
       "a plugin"},
      {"d/x.yml", "plugin: constructed\ngroups: {a: b}\n", "x.yml:1",
       "a plugin"},
      {"d/secret.yml", "$ANSIBLE_VAULT;1.1;AES256\n616263\n", "secret.yml:1",
       "encrypted"},
      {"d/hosts", "$ANSIBLE_VAULT;1.1;AES256\n616263\n", "hosts:1",
       "encrypted"},
      {"d/inventory.toml", "[web.hosts]\na = {}\n", "inventory.toml:1", "TOML"},
      {"d/Makefile", "all:\n\techo\n", "Makefile:2", ""},
      {"d/list.yml", "- hosts: all\n", "list.yml:1", "mapping"},
  };
  for (const auto& test : kCases) {
    SCOPED_TRACE(test.file);
    const TempDirectory dir;
    dir.Write("d/web", "[web]\nweb1\n");
    const std::string file = dir.Write(test.file, test.text);
    if (absl::StartsWith(test.text, "#!")) {
      std::filesystem::permissions(file, std::filesystem::perms::owner_all);
    }
    EXPECT_THAT(ReadInventory(dir.Path("d"), kPort),
                StatusIs(kRefused, test.where));
    EXPECT_THAT(ReadInventory(dir.Path("d"), kPort),
                StatusIs(kRefused, test.why));
    EXPECT_FALSE(ReadInventory(file, kPort).ok());
  }
}

TEST(InventoryFilesTest, AnExecutableListIsNoProgram) {
  const TempDirectory dir;
  const std::string file = dir.Write("hosts", "[web]\nweb1\n");
  std::filesystem::permissions(file, std::filesystem::perms::owner_all);
  EXPECT_EQ(Hosts(ReadInventory(file, kPort)), "web1=web1:60120");
}

TEST(InventoryFilesTest, ADirectoryWithoutHostsSaysWhatItLeftOut) {
  const TempDirectory dir;
  dir.Write("d/hosts.ini", "[web]\nweb1\n");
  EXPECT_THAT(ReadInventory(dir.Path("d"), kPort),
              StatusIs(kRefused, "d/hosts.ini; name that file itself"));
  EXPECT_EQ(Hosts(ReadInventory(dir.Path("d/hosts.ini"), kPort)),
            "web1=web1:60120");
  dir.Write("e/.hidden", "web1\n");
  EXPECT_THAT(ReadInventory(dir.Path("e"), kPort),
              StatusIs(kRefused, "names a host"));
}

TEST(InventoryFilesTest, AnEncryptedFileMustNotHideAnAddress) {
  const TempDirectory dir;
  constexpr char kVault[] = "$ANSIBLE_VAULT;1.1;AES256\n6162\n";
  const std::string file = dir.Write("hosts.ini", "[web]\nweb1\nweb2\n");
  dir.Write("group_vars/all/vault.yml", kVault);
  EXPECT_EQ(Hosts(ReadInventory(file, kPort)),
            "web1=web1:60120 web2=web2:60120");
  dir.Write("host_vars/web2/vault.yml", kVault);
  EXPECT_THAT(
      ReadInventory(file, kPort),
      StatusIs(kRefused, "host_vars/web2/vault.yml:1: variables not read"));
  dir.Write("host_vars/web2/vars.yml", "ansible_host: 10.0.0.2\n");
  EXPECT_EQ(Hosts(ReadInventory(file, kPort)),
            "web1=web1:60120 web2=10.0.0.2:60120");
}

TEST(InventoryFilesTest, WhatVariablesSayMustBeReadable) {
  const struct {
    const char* text;
    const char* where;
    const char* why;
  } kCases[] = {
      {"x: 1\nansible_host: '{{ ip }}'\n", "web1.yml:2", "templates"},
      {"ansible_host: !vault |\n  $ANSIBLE_VAULT;1.1;AES256\n  61\n",
       "web1.yml:1", "ansible-vault"},
      {"ansible_host: [a, b]\n", "web1.yml:1", "must be one text"},
      {"ansible_host: a:22\n", "web1.yml:1", "no name or IP address"},
      {"ansible_host: root@a\n", "web1.yml:1", "no name or IP address"},
      {"ansible_host: ''\n", "web1.yml:1", "no name or IP address"},
      {"specula_port: many\n", "web1.yml:1", "1 to 65535"},
      {"specula_host: a:b\n", "web1.yml:1", "HOST"},
      {"ansible_host: a\nb: {\n", "web1.yml:", "YAML not read"},
      {"- ansible_host: a\n", "web1.yml:1", "mapping"},
      {"ansible_host: a\n---\nb: 1\n", "web1.yml:2", "second document"},
  };
  for (const auto& test : kCases) {
    SCOPED_TRACE(test.text);
    const TempDirectory dir;
    const std::string file = dir.Write("hosts.ini", "web1\n");
    dir.Write("host_vars/web1.yml", test.text);
    EXPECT_THAT(ReadInventory(file, kPort), StatusIs(kRefused, test.where));
    EXPECT_THAT(ReadInventory(file, kPort), StatusIs(kRefused, test.why));
  }
  // What says nothing of an address may be as it likes.
  const TempDirectory dir;
  const std::string file = dir.Write("hosts.ini", "web1\n");
  dir.Write("host_vars/web1.yml", "b: {\n");
  EXPECT_EQ(Hosts(ReadInventory(file, kPort)), "web1=web1:60120");
}

TEST(InventoryFilesTest, DirectoriesMayBeARing) {
  const TempDirectory dir;
  dir.Write("d/web", "web1\n");
  std::filesystem::create_directory_symlink(dir.Path("d"), dir.Path("d/again"));
  EXPECT_THAT(ReadInventory(dir.Path("d"), kPort),
              StatusIs(kRefused, "nested too deep"));
}

}  // namespace
}  // namespace specula::ctl
