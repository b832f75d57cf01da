#include "lib/base/host_port.h"

#include <cstdint>
#include <string>

#include "gtest/gtest.h"
#include "tests/lib/base/testing.h"

namespace specula {
namespace {

using ::specula::testing::IsOk;
using ::specula::testing::StatusIs;

constexpr auto kOdd = absl::StatusCode::kInvalidArgument;

TEST(HostPortTest, ReadsWhatPeopleWrite) {
  const struct {
    const char* text;
    const char* host;
    uint16_t port;
  } kCases[] = {
      {"vm1", "vm1", 60120},
      {"vm1:7000", "vm1", 7000},
      {"vm1:0", "vm1", 0},
      {"vm1:1", "vm1", 1},
      {"vm1:65535", "vm1", 65535},
      {"vm1:00080", "vm1", 80},
      {"VM_1.example-x.org", "VM_1.example-x.org", 60120},
      {"10.0.0.1", "10.0.0.1", 60120},
      {"10.0.0.1:0", "10.0.0.1", 0},
      {"::1", "::1", 60120},
      {"::", "::", 60120},
      {"[::]:0", "::", 0},
      {"[::1]", "::1", 60120},
      {"[::1]:7000", "::1", 7000},
      // Without brackets the last group is no port.
      {"2001:db8::1:7000", "2001:db8::1:7000", 60120},
      {"fe80::1%eth0", "fe80::1%eth0", 60120},
      {"[fe80::1%eth0.7]:7000", "fe80::1%eth0.7", 7000},
      {"::ffff:10.0.0.1", "::ffff:10.0.0.1", 60120},
  };
  for (const auto& test : kCases) {
    absl::StatusOr<HostPort> address = ParseHostPort(test.text, 60120);
    ASSERT_THAT(address, IsOk()) << test.text;
    EXPECT_EQ(address->host, test.host) << test.text;
    EXPECT_EQ(address->port, test.port) << test.text;
  }
}

TEST(HostPortTest, SaysWhatIsOdd) {
  const struct {
    std::string text;
    const char* why;
  } kCases[] = {
      {"", "the host is empty"},
      {":7000", "the host is empty"},
      {"[]", "the host is empty"},
      {"[]:7000", "the host is empty"},
      {"vm1:", "the port must be a number from 0 to 65535"},
      {"[::1]:", "the port must be a number"},
      {"vm1:65536", "the port must be a number"},
      {"vm1:99999", "the port must be a number"},
      {"vm1:065535", "the port must be a number"},
      {"vm1:4294967297", "the port must be a number"},
      {"vm1:-1", "the port must be a number"},
      {"vm1:+1", "the port must be a number"},
      {"vm1: 1", "the port must be a number"},
      {"vm1:1 ", "the port must be a number"},
      {"vm1:http", "the port must be a number"},
      {"vm1:0x50", "the port must be a number"},
      {"[::1", "the ] is missing"},
      {"[", "the ] is missing"},
      {"[::1]7000", "only :PORT may follow the ]"},
      {"[::1]]", "only :PORT may follow the ]"},
      {"[vm1]:7000", "only an IPv6 address stands in [ ]"},
      {"[10.0.0.1]", "only an IPv6 address stands in [ ]"},
      {"[a:1]", "only an IPv6 address stands in [ ]"},
      {"[fe80%1]", "only an IPv6 address stands in [ ]"},
      {"vm 1", "letters, digits"},
      {" vm1", "letters, digits"},
      {"vm1 ", "letters, digits"},
      {"vm1\n", "letters, digits"},
      {"vm/1", "letters, digits"},
      {"user@vm1", "letters, digits"},
      {"vm%1", "letters, digits"},
      {"vmé", "letters, digits"},
      {"vm[1]", "letters, digits"},
      {"::1]", "letters, digits"},
      {"[::1/64]", "letters, digits"},
      {std::string("vm\0", 3), "letters, digits"},
      {"-vm1", "does not start with '-'"},
      {"--help:1", "does not start with '-'"},
      {"a..b", "parts of 1 to 63"},
      {"10.0.0.300", "is no IP address"},
      {std::string(64, 'a'), "parts of 1 to 63"},
      {std::string(254, 'a'), "longer than 253"},
  };
  for (const auto& test : kCases) {
    EXPECT_THAT(ParseHostPort(test.text, 60120), StatusIs(kOdd, test.why))
        << test.text;
  }
  const std::string label(63, 'a');
  EXPECT_THAT(ParseHostPort(label + "." + label + "." + label + "." +
                                std::string(61, 'b') + ":1",
                            60120),
              IsOk());
}

TEST(HostPortTest, ErrorsAreSafeForATerminal) {
  EXPECT_THAT(ParseHostPort("\x1b[2J", 1), StatusIs(kOdd, "'\\x1b[2J'"));
}

TEST(HostPortTest, FormatsSoThatItReadsBack) {
  const struct {
    HostPort address;
    const char* text;
  } kCases[] = {
      {{"vm1", 60120}, "vm1:60120"},
      {{"10.0.0.1", 0}, "10.0.0.1:0"},
      {{"::1", 60120}, "[::1]:60120"},
      {{"fe80::1%eth0", 1}, "[fe80::1%eth0]:1"},
  };
  for (const auto& test : kCases) {
    EXPECT_EQ(FormatHostPort(test.address), test.text);
    absl::StatusOr<HostPort> again = ParseHostPort(test.text, 9);
    ASSERT_THAT(again, IsOk());
    EXPECT_EQ(*again, test.address);
  }
}

TEST(HostPortTest, OnlyLoopbackIsLoopback) {
  for (const char* host : {"127.0.0.1", "127.1.2.3", "::1", "localhost"}) {
    EXPECT_TRUE(IsLoopback({host, 1})) << host;
  }
  for (const char* host : {"", "*", "0.0.0.0", "::", "10.0.0.1", "vm1"}) {
    EXPECT_FALSE(IsLoopback({host, 1})) << host;
  }
}

}  // namespace
}  // namespace specula
