#include "lib/rpc/health.h"

#include <gtest/gtest.h>

#include <string>

namespace specula {
namespace {

grpc::ByteBuffer Bytes(const std::string& text) {
  const grpc::Slice slice(text);
  return grpc::ByteBuffer(&slice, 1);
}

TEST(HealthTest, OnlyServingIsServing) {
  EXPECT_TRUE(SaysServing(Bytes("\x08\x01")));
  for (const char* other : {"", "\x08", "\x08\x02", "\x08\x03", "\x08\x01\x08"})
    EXPECT_FALSE(SaysServing(Bytes(other))) << other;
}

TEST(HealthTest, TheRequestIsForTheWholeServer) {
  EXPECT_EQ(HealthCheckRequest().Length(), 0U);
}

}  // namespace
}  // namespace specula
