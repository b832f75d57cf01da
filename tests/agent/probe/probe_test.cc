#include "agent/probe/probe.h"

#include <gtest/gtest.h>

#include <string>

#include "absl/status/status.h"

namespace specula::agent {
namespace {

TEST(ProbeTest, EveryAddressIsReachedOverLoopback) {
  for (const char* any : {"0.0.0.0", "", "*"}) {
    EXPECT_EQ(ProbeAddress({any, 60120}).value(),
              (HostPort{"127.0.0.1", 60120}));
  }
  EXPECT_EQ(ProbeAddress({"::", 60120}).value(), (HostPort{"::1", 60120}));
}

TEST(ProbeTest, OneAddressIsItself) {
  EXPECT_EQ(ProbeAddress({"10.0.0.1", 7}).value(), (HostPort{"10.0.0.1", 7}));
}

TEST(ProbeTest, APortOfTheKernelsChoiceIsAskedFor) {
  EXPECT_TRUE(absl::IsInvalidArgument(ProbeAddress({"0.0.0.0", 0}).status()));
}

TEST(ProbeTest, FilesThatCannotBeReadAreNamed) {
  ProbeOptions options;
  options.address = {"127.0.0.1", 1};
  options.ca = "/not/there/ca.crt";
  const absl::Status status = Probe(options);
  EXPECT_NE(std::string(status.message()).find("/not/there/ca.crt"),
            std::string::npos);
}

}  // namespace
}  // namespace specula::agent
