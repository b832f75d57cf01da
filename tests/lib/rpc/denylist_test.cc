#include "lib/rpc/denylist.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/lib/base/testing.h"

namespace specula {
namespace {

using ::specula::testing::IsOk;
using ::specula::testing::StatusIs;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

constexpr auto kOdd = absl::StatusCode::kInvalidArgument;

TEST(DenylistTest, ReadsSerialsInTheFormOfCertificates) {
  absl::StatusOr<Denylist> list = ParseDenylist(
      "# revoked by the team\n"
      "A1B\n"
      "\n"
      "  0a:1c  # the old laptop\n"
      "0x0A1D\r\n"
      "\t00000a1e\n"
      "#A1F\n"
      "A1B\n"
      "FF");
  ASSERT_THAT(list, IsOk());
  EXPECT_THAT(*list, UnorderedElementsAre("A1B", "A1C", "A1D", "A1E", "FF"));
}

TEST(DenylistTest, NothingIsAList) {
  for (const char* text : {"", "\n", "# only a comment", "\r\n \t\n#\n"}) {
    absl::StatusOr<Denylist> list = ParseDenylist(text);
    ASSERT_THAT(list, IsOk()) << text;
    EXPECT_THAT(*list, IsEmpty()) << text;
  }
}

TEST(DenylistTest, OneLineThatIsNoSerialSpoilsTheList) {
  const struct {
    std::string text;
    const char* where;
  } kCases[] = {
      {"nobody", "line 1 of the denylist: "},
      {"A1B\n\n# x\nA1 B\n", "line 4 of the denylist: "},
      {"A1B A1C", "line 1 of the denylist: "},
      {"A1B,A1C", "line 1 of the denylist: "},
      {"A1B\n-5", "line 2 of the denylist: "},
      {"0", "line 1 of the denylist: "},
      {"A1B\n0x", "line 2 of the denylist: "},
      {"A1B\n/etc/specula/bob.crt", "line 2 of the denylist: "},
      {"A1B\nserial=A1C", "line 2 of the denylist: "},
      {std::string("A1B\nA1\0C", 8), "line 2 of the denylist: "},
      {"A1B\n\xef\xbb\xbf"
       "A1C",
       "line 2 of the denylist: "},
  };
  for (const auto& test : kCases) {
    EXPECT_THAT(ParseDenylist(test.text), StatusIs(kOdd, test.where))
        << test.text;
  }
}

}  // namespace
}  // namespace specula
