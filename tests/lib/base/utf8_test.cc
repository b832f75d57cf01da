#include "lib/base/utf8.h"

#include <string>

#include "gtest/gtest.h"

namespace specula {
namespace {

TEST(Utf8Test, FirstAndLastOfEachLengthAreDecoded) {
  const struct {
    std::string bytes;
    uint32_t code;
  } kCases[] = {
      {std::string(1, '\0'), 0},   {"\x7f", 0x7f},
      {"\xc2\x80", 0x80},          {"\xdf\xbf", 0x7ff},
      {"\xe0\xa0\x80", 0x800},     {"\xef\xbf\xbf", 0xffff},
      {"\xf0\x90\x80\x80", 65536}, {"\xf4\x8f\xbf\xbf", 0x10ffff},
  };
  for (const auto& test : kCases) {
    uint32_t code = 1;
    EXPECT_EQ(DecodeUtf8(test.bytes + "z", code), test.bytes.size());
    EXPECT_EQ(code, test.code);
  }
}

TEST(Utf8Test, WhatIsNotUtf8HasNoLength) {
  for (const char* bytes :
       {"\x80", "\xc1\xbf", "\xc3", "\xc3z", "\xe0\x9f\xbf", "\xed\xa0\x80",
        "\xe2\x82", "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80", "\xf5", "\xff"}) {
    uint32_t code = 0;
    EXPECT_EQ(DecodeUtf8(bytes, code), 0u);
  }
}

TEST(Utf8Test, WhatMovesTextAboutIsKnown) {
  for (const uint32_t code : {0x61c, 0x200e, 0x2028, 0x202e, 0x2066, 0x2069}) {
    EXPECT_TRUE(IsLayoutControl(code)) << std::hex << code;
  }
  for (const uint32_t code : {0x20, 0x61, 0x200d, 0x2010, 0x206a, 0xfeff}) {
    EXPECT_FALSE(IsLayoutControl(code)) << std::hex << code;
  }
}

}  // namespace
}  // namespace specula
