#include "ctl/hosts/inventory_edit.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace specula::ctl {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

InventoryHost Host(const std::string& name, const std::string& address,
                   uint16_t port = 60120, const std::string& certificate = "") {
  InventoryHost host;
  host.name = name;
  host.address = {address, port};
  host.certificate_name = certificate;
  return host;
}

std::string Add(const std::string& text,
                const std::vector<InventoryHost>& hosts) {
  absl::StatusOr<std::string> added =
      AddToInventory(text, "i.toml", hosts, 60120);
  return added.ok() ? *added : std::string(added.status().message());
}

TEST(InventoryEditTest, AnEmptyFileGetsItsFirstHosts) {
  EXPECT_EQ(Add("", {Host("vm1", "vm1"), Host("vm2", "10.0.0.2", 7000, "x")}),
            "[[host]]\nname = \"vm1\"\n\n"
            "[[host]]\nname = \"vm2\"\naddress = \"10.0.0.2\"\nport = 7000\n"
            "certificate_name = \"x\"\n");
}

TEST(InventoryEditTest, WhatIsThereStaysAsItIs) {
  const std::string text =
      "# ours\n[[host]]\nname = \"vm[1-2]\"  # two\n[group]\nall = \"vm*\"";
  EXPECT_EQ(Add(text, {Host("vm2", "elsewhere")}), text);
  const std::string more = Add(text, {Host("vm3", "vm3")});
  EXPECT_THAT(more, StartsWith(text + "\n\n[[host]]\n"));
  const Inventory inventory = ParseInventory(more, "i.toml", 60120).value();
  EXPECT_EQ(inventory.hosts.size(), 3u);
  EXPECT_EQ(inventory.catalog.groups.at("all").size(), 3u);
  EXPECT_EQ(Add(more, {Host("vm3", "vm3")}), more);
}

TEST(InventoryEditTest, WhatCannotTakeAHostIsNotTouched) {
  EXPECT_THAT(Add("host = [{name = \"vm1\"}]\n", {Host("vm2", "vm2")}),
              HasSubstr("i.toml:"));
  EXPECT_THAT(Add("not toml", {Host("vm2", "vm2")}), HasSubstr("i.toml:1"));
}

}  // namespace
}  // namespace specula::ctl
