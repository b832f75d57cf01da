#include "agent/metrics/network.h"

#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "agent/proc/parse.h"
#include "agent/proc/proc_root.h"
#include "gtest/gtest.h"
#include "tests/places.h"

namespace specula::agent {
namespace {

using Counters = std::vector<InterfaceCounters>;

constexpr absl::Duration kWindow = absl::Seconds(2);

bool IsVirtual(const std::string& name) {
  return name == "lo" || name == "docker0" || absl::StartsWith(name, "veth") ||
         absl::StartsWith(name, "br-");
}

v1::Network Fill(
    const Counters* previous, const Counters& current,
    absl::Duration window = kWindow,
    const std::function<bool(const std::string&)>& is_virtual = IsVirtual) {
  std::vector<bool> counted;
  for (const InterfaceCounters& nic : current)
    counted.push_back(!is_virtual(nic.name));
  v1::Network network;
  FillNetwork(previous, current, window, counted, &network);
  return network;
}

std::string Names(const v1::Network& network) {
  std::string names;
  for (const v1::NetworkInterface& row : network.interfaces()) {
    absl::StrAppend(&names, names.empty() ? "" : " ", row.name());
  }
  return names;
}

InterfaceCounters Nic(std::string name, int64_t received, int64_t transmitted) {
  InterfaceCounters nic;
  nic.name = std::move(name);
  nic.received_bytes = received;
  nic.transmitted_bytes = transmitted;
  return nic;
}

TEST(NetworkTest, RatesAreBytesPerSecondAndAddUp) {
  const Counters before = {Nic("eth0", 1000, 500), Nic("wlo1", 0, 0)};
  const Counters after = {Nic("eth0", 5000, 700), Nic("wlo1", 10, 20)};
  const v1::Network network = Fill(&before, after);
  EXPECT_EQ(network.quality(), v1::QUALITY_OK);
  ASSERT_EQ(network.interfaces_size(), 2);
  EXPECT_EQ(network.interfaces(0).quality(), v1::QUALITY_OK);
  EXPECT_DOUBLE_EQ(network.interfaces(0).received_bytes_per_second(), 2000);
  EXPECT_DOUBLE_EQ(network.interfaces(0).transmitted_bytes_per_second(), 100);
  EXPECT_EQ(network.interfaces(1).name(), "wlo1");
  EXPECT_DOUBLE_EQ(network.received_bytes_per_second(), 2005);
  EXPECT_DOUBLE_EQ(network.transmitted_bytes_per_second(), 110);
  EXPECT_EQ(network.window().seconds(), 2);
}

TEST(NetworkTest, VirtualInterfacesAreLeftOutAndCounted) {
  const Counters before = {Nic("lo", 0, 0),      Nic("eth0", 0, 0),
                           Nic("docker0", 0, 0), Nic("veth1a2b", 0, 0),
                           Nic("br-77", 0, 0),   Nic("ethlo", 0, 0)};
  Counters after = before;
  for (InterfaceCounters& nic : after) nic.received_bytes = 100;
  const v1::Network network = Fill(&before, after);
  EXPECT_EQ(Names(network), "eth0 ethlo");
  EXPECT_EQ(network.virtual_excluded_count(), 4);
  EXPECT_DOUBLE_EQ(network.received_bytes_per_second(), 100);
}

TEST(NetworkTest, FirstSampleHasNoSum) {
  const Counters nics = {Nic("eth0", 10, 10)};
  const v1::Network network = Fill(nullptr, nics);
  EXPECT_EQ(network.quality(), v1::QUALITY_FIRST);
  EXPECT_FALSE(network.has_received_bytes_per_second());
  EXPECT_FALSE(network.has_transmitted_bytes_per_second());
  EXPECT_FALSE(network.has_window());
  ASSERT_EQ(network.interfaces_size(), 1);
  EXPECT_EQ(network.interfaces(0).quality(), v1::QUALITY_FIRST);
}

TEST(NetworkTest, NoTimeMeansNoRate) {
  const Counters before = {Nic("eth0", 10, 10)};
  const Counters after = {Nic("eth0", 20, 20)};
  for (absl::Duration window : {absl::ZeroDuration(), -absl::Seconds(1)}) {
    const v1::Network network = Fill(&before, after, window);
    EXPECT_EQ(network.quality(), v1::QUALITY_FIRST);
    EXPECT_FALSE(network.has_received_bytes_per_second());
    EXPECT_EQ(network.interfaces(0).quality(), v1::QUALITY_FIRST);
  }
}

TEST(NetworkTest, CountersThatRunBackwardsStayOutOfTheSum) {
  const struct {
    InterfaceCounters before, after;
  } kCases[] = {
      {Nic("eth1", 100, 100), Nic("eth1", 99, 200)},
      {Nic("eth1", 100, 100), Nic("eth1", 200, 99)},
      {Nic("eth1", 0, 0), Nic("eth1", 200'000'000'002, 0)},
      {Nic("eth1", 0, 0), Nic("eth1", 0, 200'000'000'002)},
      {Nic("eth1", std::numeric_limits<int64_t>::max(), 0), Nic("eth1", 0, 0)},
      {Nic("eth1", 0, 0), Nic("eth1", std::numeric_limits<int64_t>::max(), 0)},
  };
  for (const auto& test : kCases) {
    const Counters before = {Nic("eth0", 0, 0), test.before};
    const Counters after = {Nic("eth0", 40, 20), test.after};
    const v1::Network network = Fill(&before, after);
    EXPECT_EQ(network.quality(), v1::QUALITY_OK);
    EXPECT_DOUBLE_EQ(network.received_bytes_per_second(), 20);
    EXPECT_DOUBLE_EQ(network.transmitted_bytes_per_second(), 10);
    ASSERT_EQ(network.interfaces_size(), 2);
    EXPECT_EQ(network.interfaces(1).quality(), v1::QUALITY_RESET);
    EXPECT_EQ(network.interfaces(1).received_bytes_per_second(), 0);
    EXPECT_EQ(network.interfaces(1).transmitted_bytes_per_second(), 0);
  }
}

TEST(NetworkTest, AFastCardIsNoError) {
  const Counters before = {Nic("eth0", 0, 0)};
  const Counters after = {Nic("eth0", 200'000'000'000, 0)};
  const v1::Network network = Fill(&before, after);
  EXPECT_EQ(network.interfaces(0).quality(), v1::QUALITY_OK);
  EXPECT_DOUBLE_EQ(network.received_bytes_per_second(), 100e9);
}

TEST(NetworkTest, WithoutAnyMeasuredInterfaceThereIsNoSum) {
  const ProcRoot first(
      absl::StrCat(testing::TestDataDirectory(), "/proc/backwards/before"));
  const ProcRoot last(
      absl::StrCat(testing::TestDataDirectory(), "/proc/backwards/after"));
  const Counters before = ParseNetDev(first.Read("/proc/net/dev").value());
  const Counters after = ParseNetDev(last.Read("/proc/net/dev").value());
  const v1::Network network = Fill(&before, after);
  ASSERT_EQ(network.interfaces_size(), 1);
  EXPECT_EQ(network.interfaces(0).quality(), v1::QUALITY_RESET);
  EXPECT_FALSE(network.has_received_bytes_per_second());
  EXPECT_FALSE(network.has_transmitted_bytes_per_second());
  EXPECT_NE(network.quality(), v1::QUALITY_OK);
}

TEST(NetworkTest, NothingCountedIsNotNothingSent) {
  const Counters lo = {Nic("lo", 5, 5)};
  const v1::Network network = Fill(&lo, lo);
  EXPECT_EQ(network.quality(), v1::QUALITY_UNAVAILABLE);
  EXPECT_EQ(network.interfaces_size(), 0);
  EXPECT_FALSE(network.has_received_bytes_per_second());
  EXPECT_FALSE(network.has_transmitted_bytes_per_second());
  EXPECT_EQ(network.virtual_excluded_count(), 1);
  const Counters none;
  EXPECT_EQ(Fill(&none, none).quality(), v1::QUALITY_UNAVAILABLE);
  EXPECT_EQ(Fill(nullptr, none).quality(), v1::QUALITY_UNAVAILABLE);
}

TEST(NetworkTest, ANewInterfaceIsFirstAndAGoneOneIsGone) {
  const Counters before = {Nic("eth0", 0, 0), Nic("eth1", 0, 0)};
  const Counters after = {Nic("eth9", 1'000'000, 1'000'000),
                          Nic("eth0", 40, 20)};
  const v1::Network network = Fill(&before, after);
  EXPECT_EQ(Names(network), "eth9 eth0");
  EXPECT_EQ(network.interfaces(0).quality(), v1::QUALITY_FIRST);
  EXPECT_EQ(network.interfaces(1).quality(), v1::QUALITY_OK);
  EXPECT_DOUBLE_EQ(network.received_bytes_per_second(), 20);
}

TEST(NetworkTest, ErrorsAndDropsAreOfBothDirections) {
  Counters before = {Nic("eth0", 0, 0)};
  Counters after = before;
  after[0].received_errors = 4;
  after[0].transmitted_errors = 2;
  after[0].received_dropped = 8;
  after[0].transmitted_dropped = 6;
  const v1::Network up = Fill(&before, after);
  EXPECT_DOUBLE_EQ(up.interfaces(0).errors_per_second(), 3);
  EXPECT_DOUBLE_EQ(up.interfaces(0).dropped_per_second(), 7);
  const v1::Network down = Fill(&after, before);
  EXPECT_DOUBLE_EQ(down.interfaces(0).errors_per_second(), 0);
  EXPECT_DOUBLE_EQ(down.interfaces(0).dropped_per_second(), 0);
}

}  // namespace
}  // namespace specula::agent
