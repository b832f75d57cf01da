#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "agent/proc/parse.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace specula::agent {
namespace {

using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr absl::string_view kHeadings =
    "Inter-|   Receive                            |  Transmit\n"
    " face |bytes    packets errs drop fifo frame compressed multicast|bytes "
    "packets errs drop fifo colls carrier compressed\n";

TEST(ParseNetDevTest, EachColumnHasItsField) {
  const std::vector<InterfaceCounters> interfaces = ParseNetDev(absl::StrCat(
      kHeadings, "  eth0: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n"));
  ASSERT_THAT(interfaces, SizeIs(1));
  EXPECT_EQ(interfaces[0].name, "eth0");
  EXPECT_EQ(interfaces[0].received_bytes, 1);
  EXPECT_EQ(interfaces[0].received_errors, 3);
  EXPECT_EQ(interfaces[0].received_dropped, 4);
  EXPECT_EQ(interfaces[0].transmitted_bytes, 9);
  EXPECT_EQ(interfaces[0].transmitted_errors, 11);
  EXPECT_EQ(interfaces[0].transmitted_dropped, 12);
}

TEST(ParseNetDevTest, NameIsAllBeforeTheLastColon) {
  struct Case {
    absl::string_view start;
    absl::string_view name;
  };
  for (const Case& c : {
           Case{"    lo:123", "lo"},
           Case{"  eth0:123", "eth0"},
           Case{"  eth0: 123", "eth0"},
           Case{"eth0:1:123", "eth0:1"},
           Case{"enp0s31f6.100@x:   123", "enp0s31f6.100@x"},
           Case{"1234:123", "1234"},
       }) {
    const std::vector<InterfaceCounters> interfaces =
        ParseNetDev(absl::StrCat(c.start, " 2 3 4 5 6 7 8 9 10 11 12 13\n"));
    ASSERT_THAT(interfaces, SizeIs(1)) << c.start;
    EXPECT_EQ(interfaces[0].name, c.name);
    EXPECT_EQ(interfaces[0].received_bytes, 123) << c.start;
    EXPECT_EQ(interfaces[0].transmitted_bytes, 9) << c.start;
  }
}

TEST(ParseNetDevTest, NumbersThatDoNotFitAreCut) {
  const std::vector<InterfaceCounters> interfaces = ParseNetDev(
      "eth0:99999999999999999999 2 -3 4 5 6 7 8 9 10 11 12 13 14 15 16\n");
  ASSERT_THAT(interfaces, SizeIs(1));
  EXPECT_EQ(interfaces[0].received_bytes, std::numeric_limits<int64_t>::max());
  EXPECT_EQ(interfaces[0].received_errors, 0);
}

TEST(ParseNetDevTest, LinesThatAreNotUnderstoodArePassedOver) {
  for (absl::string_view odd :
       {"", ":", ": 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16",
        "eth1 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16",
        "eth1: 1 2 3 4 5 6 7 8 9 10 11", "eth1: no statistics available"}) {
    EXPECT_THAT(ParseNetDev(absl::StrCat(
                    odd, "\neth0: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n")),
                ElementsAre(Field(&InterfaceCounters::name, "eth0")))
        << odd;
  }
  EXPECT_THAT(ParseNetDev(kHeadings), IsEmpty());
}

}  // namespace
}  // namespace specula::agent
