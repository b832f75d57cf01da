#include "lib/rpc/dial_target.h"

#include <gtest/gtest.h>

namespace specula {
namespace {

TEST(DialTargetTest, AddressesTakeNoResolver) {
  EXPECT_EQ(DialTarget({"10.0.0.1", 60120}), "ipv4:10.0.0.1:60120");
  EXPECT_EQ(DialTarget({"::1", 60120}), "ipv6:[::1]:60120");
  EXPECT_EQ(DialTarget({"vm1", 60120}), "dns:///vm1:60120");
}

}  // namespace
}  // namespace specula
