#include "agent/metrics/interfaces.h"

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/lib/base/testing.h"
#include "tests/places.h"

namespace specula::agent {
namespace {

using ::specula::testing::TempDirectory;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr int64_t kUp = 0x1;
constexpr int64_t kNoArp = 0x80;

std::vector<std::string> Counted(const std::vector<InterfaceFacts>& all) {
  const std::vector<bool> counted = CountedInterfaces(all);
  EXPECT_EQ(counted.size(), all.size());
  std::vector<std::string> names;
  for (size_t i = 0; i < all.size(); ++i) {
    if (counted[i]) names.push_back(all[i].name);
  }
  return names;
}

InterfaceFacts Hardware(std::string name, std::vector<std::string> uppers = {},
                        std::vector<std::string> lowers = {}) {
  InterfaceFacts facts;
  facts.name = std::move(name);
  facts.known = true;
  facts.uppers = std::move(uppers);
  facts.lowers = std::move(lowers);
  return facts;
}

// A virtual interface; one whose `link` is not its index leads to elsewhere.
InterfaceFacts Virtual(std::string name, int64_t index = 2, int64_t link = 2) {
  InterfaceFacts facts = Hardware(std::move(name));
  facts.is_virtual = true;
  facts.index = index;
  facts.link = link;
  return facts;
}

InterfaceFacts Named(std::string name) {
  InterfaceFacts facts;
  facts.name = std::move(name);
  facts.is_virtual = true;
  return facts;
}

InterfaceFacts With(InterfaceFacts facts, int64_t type, int64_t flags) {
  facts.type = type;
  facts.flags = flags;
  return facts;
}

InterfaceFacts Kind(InterfaceFacts facts, std::string kind,
                    std::vector<std::string> lowers = {}) {
  facts.kind = std::move(kind);
  facts.lowers = std::move(lowers);
  return facts;
}

InterfaceFacts Below(InterfaceFacts facts, std::string upper) {
  facts.uppers = {std::move(upper)};
  return facts;
}

InterfaceFacts Tap(InterfaceFacts facts) {
  facts.is_tap = true;
  return facts;
}

TEST(CountedInterfacesTest, HardwareIsAndWhatIsBuiltUponItIsNot) {
  EXPECT_THAT(Counted({Virtual("lo"), Below(Hardware("eth0"), "bond0"),
                       Below(Hardware("eth1"), "bond0"),
                       Kind(Virtual("bond0"), "bond", {"eth0", "eth1"}),
                       Kind(Virtual("bond0.7"), "vlan", {"bond0"}),
                       Kind(Virtual("docker0"), "bridge"),
                       Virtual("veth1", 9, 3), Tap(Virtual("vnet0"))}),
              ElementsAre("eth0", "eth1"));
  EXPECT_THAT(Counted({Hardware("lan0"), Hardware("wlan0"), Named("eth5")}),
              ElementsAre("lan0", "wlan0"));
}

TEST(CountedInterfacesTest, OfHardwareBelowHardwareTheUpperIs) {
  // Azure: the virtual function works for eth0 of netvsc.
  EXPECT_THAT(Counted({Hardware("eth0"), Hardware("enP5s1", {"eth0"})}),
              ElementsAre("eth0"));
  // The upper one may be in a bond in turn.
  EXPECT_THAT(Counted({Hardware("eth0", {"bond0"}, {"enP5s1"}),
                       Hardware("enP5s1", {"eth0"}),
                       Kind(Virtual("bond0"), "bond", {"eth0"})}),
              ElementsAre("eth0"));
  // net_failover of virtio.
  EXPECT_THAT(
      Counted({Hardware("ens3", {}, {"ens3nsby", "ens4"}),
               Hardware("ens3nsby", {"ens3"}), Hardware("ens4", {"ens3"})}),
      ElementsAre("ens3"));
  // An upper one that is not here has no counters here.
  EXPECT_THAT(Counted({Hardware("enP5s1", {"eth0"})}), ElementsAre("enP5s1"));
}

TEST(CountedInterfacesTest, ThePortsOfASwitchAreAndItsConduitIsNot) {
  EXPECT_THAT(Counted({Hardware("eth0", {"lan1", "lan2"}),
                       Hardware("lan1", {}, {"eth0"}),
                       Hardware("lan2", {"br0"}, {"eth0"}),
                       Kind(Virtual("br0"), "bridge", {"lan2"})}),
              ElementsAre("lan1", "lan2"));
  // Of old kernels the number alone says it.
  std::vector<InterfaceFacts> old = {Hardware("eth0"), Hardware("lan1"),
                                     Hardware("lan2"), Hardware("wlan0")};
  for (size_t i = 0; i < old.size(); ++i)
    old[i].index = old[i].link = static_cast<int64_t>(i + 2);
  old[1].link = old[2].link = 2;
  EXPECT_THAT(Counted(old), ElementsAre("lan1", "lan2", "wlan0"));
}

TEST(CountedInterfacesTest, InAContainerThoseThatLeadOutAre) {
  for (const char* name : {"eth0", "host0", "net1", "ens18", "lan", "ve-x"}) {
    EXPECT_THAT(
        Counted({With(Virtual("lo", 1, 1), 772, kUp), Virtual(name, 2, 57)}),
        ElementsAre(name));
    // The ends of a veth may have equal numbers.
    EXPECT_THAT(Counted({Virtual("lo", 1, 1), Virtual(name, 2, 2)}),
                ElementsAre(name));
    EXPECT_THAT(Counted({Named("lo"), Named(name)}), ElementsAre(name));
  }
  EXPECT_THAT(Counted({Virtual("lo", 1, 1), Virtual("eth0", 2, 57),
                       Virtual("net1", 3, 12)}),
              ElementsAre("eth0", "net1"));
}

TEST(CountedInterfacesTest, WhatAContainerHasInsideIsNot) {
  EXPECT_THAT(Counted({Virtual("lo", 1, 1), Virtual("eth0", 2, 57),
                       Kind(Virtual("docker0", 3, 3), "bridge"),
                       Below(Virtual("veth12", 4, 9), "docker0"),
                       With(Virtual("dummy0", 5, 5), 1, kUp | kNoArp),
                       With(Virtual("tunl0", 6, 0), 768, kNoArp),
                       With(Tap(Virtual("tun0", 7, 7)), 65534, kUp | kNoArp),
                       With(Virtual("wg0", 8, 8), 65534, kUp | kNoArp),
                       Tap(Virtual("tap0", 9, 9)),
                       Kind(Virtual("eth0.5", 10, 2), "vlan", {"eth0"}),
                       Kind(Virtual("vxlan1", 11, 11), "vxlan"),
                       Virtual("a", 20, 21), Virtual("b", 21, 20),
                       Virtual("dummy1", 22, 22), Virtual("ifb0", 23, 23)}),
              ElementsAre("eth0"));
}

TEST(CountedInterfacesTest, TheOnlyWayOutIsWhateverItIs) {
  const InterfaceFacts lo = Virtual("lo", 1, 1);
  const InterfaceFacts dummy = With(Virtual("dummy0", 5, 5), 1, kUp | kNoArp);
  // Rootless podman; the bytes of the tunnel go through it.
  EXPECT_THAT(Counted({lo, dummy, Tap(Virtual("tap0", 2, 2)),
                       With(Virtual("wg0", 3, 3), 65534, kUp)}),
              ElementsAre("tap0"));
  EXPECT_THAT(Counted({lo, dummy, With(Virtual("wg0", 3, 3), 65534, kUp),
                       With(Virtual("sit0", 4, 0), 776, kNoArp)}),
              ElementsAre("wg0"));
  // A container whose end is in a bridge of its own.
  EXPECT_THAT(Counted({lo, Kind(Virtual("br0", 3, 3), "bridge", {"eth0"}),
                       Below(Virtual("eth0", 2, 57), "br0")}),
              ElementsAre("eth0"));
  EXPECT_THAT(Counted({lo, dummy, With(Virtual("sit0", 4, 0), 776, kNoArp)}),
              IsEmpty());
  EXPECT_THAT(Counted({lo}), IsEmpty());
  EXPECT_THAT(Counted({}), IsEmpty());
}

TEST(CountedInterfacesTest, WithoutSysfsTheNameSaysWhatItIs) {
  EXPECT_THAT(Counted({Named("lo"), Named("docker0"), Named("docker_gwbridge"),
                       Named("br-0a1b"), Named("vetha1b2"), Named("cali12"),
                       Named("tunl0"), Named("wg-home"), Named("site"),
                       Named("local0"), Named("eth0")}),
              ElementsAre("site", "local0", "eth0"));
  EXPECT_THAT(Counted({Named("lo"), Named("veth0"), Named("wg0")}),
              ElementsAre("wg0"));
  EXPECT_THAT(Counted({Named("lo"), Named("docker0")}), IsEmpty());
}

TEST(InterfacesTest, TheRecordedLxcContainerHasItsEth) {
  const ProcRoot root(absl::StrCat(testing::TestDataDirectory(), "/proc/lxc"));
  std::vector<InterfaceCounters> all(2);
  all[0].name = "lo";
  all[1].name = "eth0";
  EXPECT_THAT(Interfaces(root).Counted(all, absl::ZeroDuration()),
              ElementsAre(false, true));
}

// All that sysfs has of one interface.
void AddInterface(const TempDirectory& tree, const std::string& name,
                  bool is_virtual, const std::string& index,
                  const std::string& link) {
  const std::string place =
      absl::StrCat(is_virtual ? "virtual" : "pci0", "/net/", name);
  const std::string directory = absl::StrCat("sys/devices/", place, "/");
  tree.Write(directory + "ifindex", index + "\n");
  tree.Write(directory + "iflink", link + "\n");
  tree.Write(directory + "type", "1\n");
  tree.Write(directory + "flags", "0x1003\n");
  tree.Write(directory + "uevent", absl::StrCat("INTERFACE=", name, "\n"));
  std::filesystem::create_directories(tree.Path("sys/class/net"));
  std::filesystem::create_directory_symlink(
      absl::StrCat("../../devices/", place),
      tree.Path(absl::StrCat("sys/class/net/", name)));
}

TEST(InterfacesTest, FactsAreThoseOfSysfs) {
  TempDirectory tree;
  AddInterface(tree, "eth0", true, "2", "57");
  tree.Write("sys/devices/virtual/net/eth0/upper_br0", "");
  tree.Write("sys/devices/virtual/net/eth0/lower_x.7", "");
  tree.Write("sys/devices/virtual/net/eth0/tun_flags", "0x5002\n");
  tree.Write("sys/devices/virtual/net/eth0/uevent", "DEVTYPE=vlan\nIFINDEX=2");
  std::filesystem::create_directory_symlink(
      "../br1", tree.Path("sys/devices/virtual/net/eth0/master"));
  const ProcRoot root(tree.path());
  const InterfaceFacts facts = ReadInterface(root, "eth0", true);
  EXPECT_TRUE(facts.is_virtual);
  EXPECT_TRUE(facts.known);
  EXPECT_THAT(facts.uppers, ElementsAre("br0", "br1"));
  EXPECT_THAT(facts.lowers, ElementsAre("x.7"));
  EXPECT_EQ(facts.index, 2);
  EXPECT_EQ(facts.link, 57);
  EXPECT_EQ(facts.type, 1);
  EXPECT_EQ(facts.flags, 0x1003);
  EXPECT_EQ(facts.kind, "vlan");
  EXPECT_TRUE(facts.is_tap);
  EXPECT_FALSE(ReadInterface(root, "eth1", true).known);
  EXPECT_FALSE(ReadInterface(root, "eth1", true).is_virtual);
  EXPECT_TRUE(ReadInterface(root, "lo", false).is_virtual);
}

TEST(InterfacesTest, AnUpperOneThatComesLaterIsNoticed) {
  TempDirectory tree;
  AddInterface(tree, "eth0", false, "2", "2");
  AddInterface(tree, "enP5s1", false, "3", "3");
  const ProcRoot root(tree.path());
  Interfaces interfaces(root);
  std::vector<InterfaceCounters> all(2);
  all[0].name = "eth0";
  all[1].name = "enP5s1";
  EXPECT_THAT(interfaces.Counted(all, absl::Seconds(100)),
              ElementsAre(true, true));
  std::filesystem::create_directory_symlink(
      "../eth0", tree.Path("sys/devices/pci0/net/enP5s1/master"));
  EXPECT_THAT(interfaces.Counted(all, absl::Seconds(101)),
              ElementsAre(true, true))
      << "found out too often";
  EXPECT_THAT(interfaces.Counted(all, absl::Seconds(105)),
              ElementsAre(true, false));
  all.pop_back();
  EXPECT_THAT(interfaces.Counted(all, absl::Seconds(105)), ElementsAre(true));
}

TEST(InterfacesTest, WithoutSysfsNoLoopbackIsCounted) {
  TempDirectory tree;
  const ProcRoot root(tree.path());
  std::vector<InterfaceCounters> all(3);
  all[0].name = "lo";
  all[1].name = "enp1s0";
  all[2].name = "docker0";
  EXPECT_THAT(Interfaces(root).Counted(all, absl::ZeroDuration()),
              ElementsAre(false, true, false));
}

}  // namespace
}  // namespace specula::agent
