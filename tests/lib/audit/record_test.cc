#include "lib/audit/record.h"

#include <cstdint>
#include <limits>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lib/audit/line.h"
#include "lib/audit/sha256.h"

namespace specula::audit {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

const absl::Time kTime = absl::FromUnixMicros(1795176000000001);
const std::string kHead =
    absl::StrCat("{\"seq\":7,\"prev\":\"", kNoPrevious,
                 "\",\"time\":\"2026-11-20T12:00:00.000001Z\",\"stage\":");

// Of a shell line, what comes after its key.
std::string Escaped(std::string shell) {
  const std::string line =
      FormatLine({.time = kTime, .shell = std::move(shell)}, 7, kNoPrevious);
  const std::string before = kHead + "\"received\",\"shell\":\"";
  EXPECT_THAT(line, StartsWith(before));
  EXPECT_THAT(line, EndsWith("\"}"));
  EXPECT_TRUE(ScanLine(line)) << line;
  return line.substr(before.size(), line.size() - before.size() - 2);
}

TEST(AuditRecordTest, LineHasAllKeysInTheirOrder) {
  const Record record = {.time = kTime,
                         .stage = Stage::kEnded,
                         .torn_bytes = 3,
                         .lost = 2,
                         .id = "c0ffee",
                         .rpc = "Exec",
                         .caller = "spiffe://d/specula/shim/s",
                         .on_behalf = "token 5",
                         .role = Role::kShim,
                         .serial = "A1B",
                         .peer = "[::1]:5",
                         .shell = "true",
                         .argv = {"a", "", "b c"},
                         .env_names = {"LC_ALL"},
                         .cwd = "/",
                         .user = "www",
                         .path = "/bin/a",
                         .pid = 12,
                         .start_ticks = 34,
                         .sent_signal = 15,
                         .tree = true,
                         .exit_code = 0,
                         .signal = 9,
                         .drained = false,
                         .timed_out = true,
                         .truncated = false,
                         .killed_count = 4,
                         .bytes_out = 5,
                         .duration = absl::Milliseconds(6),
                         .status_code = absl::StatusCode::kPermissionDenied,
                         .error = "no",
                         .suppressed = 8,
                         .version = "0.1.0"};
  EXPECT_EQ(
      FormatLine(record, 7, kNoPrevious),
      kHead +
          "\"ended\",\"torn_bytes\":3,\"lost\":2,\"id\":\"c0ffee\",\"rpc\":"
          "\"Exec\",\"caller\":\"spiffe://d/specula/shim/s\",\"on_behalf\":"
          "\"token 5\",\"role\":\"shim\",\"serial\":\"A1B\",\"peer\":\"[::1]:5"
          "\",\"shell\":\"true\",\"argv\":[\"a\",\"\",\"b c\"],\"env_names\":["
          "\"LC_ALL\"],\"cwd\":\"/\",\"user\":\"www\",\"path\":\"/bin/a\","
          "\"pid\":12,\"start_ticks\":34,\"sent_signal\":15,\"tree\":true,"
          "\"exit_code\":0,\"signal\":9,\"drained\":false,\"timed_out\":true,"
          "\"truncated\":false,\"killed_count\":4,\"bytes_out\":5,"
          "\"duration_us\":6000,\"status_code\":\"PERMISSION_DENIED\","
          "\"error\":\"no\",\"suppressed\":8,\"version\":\"0.1.0\"}");
}

TEST(AuditRecordTest, WhatIsAbsentIsNotWritten) {
  EXPECT_EQ(FormatLine({.time = kTime}, 7, kNoPrevious),
            kHead + "\"received\"}");
}

TEST(AuditRecordTest, NoTextCanEndTheLineOrForgeAField) {
  const struct {
    std::string text;
    std::string escaped;
  } kCases[] = {
      {"plain ~ text", "plain ~ text"},
      {"\n{\"user\":\"root\"", R"(\n{\"user\":\"root\")"},
      {"\",\"user\":\"root", R"(\",\"user\":\"root)"},
      {"\\", R"(\\)"},
      {"\\\"", R"(\\\")"},
      {"\\u0022", R"(\\u0022)"},
      {"}\r\n{", R"(}\u000d\n{)"},
      {std::string("a\0b", 3), R"(a\u0000b)"},
      {"\t\x1b[2J\x7f", R"(\t\u001b[2J\u007f)"},
      {"\xc2\x85", R"(\u0085)"},         // C1: next line
      {"\xe2\x80\xa8", R"(\u2028)"},     // line separator
      {"\xe2\x80\xae", R"(\u202e)"},     // right-to-left override
      {"\xef\xbb\xbf", R"(\ufeff)"},     // byte order mark
      {"\u00fc\u20ac", "\u00fc\u20ac"},  // ü€ stay
      {"\xf0\x9f\x98\x80", "\xf0\x9f\x98\x80"},
      {"\x85", R"(\udc85)"},  // not the C1 control
      {"a\xff\xfe", R"(a\udcff\udcfe)"},
      {"\xc0\x8a", R"(\udcc0\udc8a)"},            // overlong newline
      {"\xed\xb2\x85", R"(\udced\udcb2\udc85)"},  // what \udc85 would be
      {"\xe2\x82", R"(\udce2\udc82)"},            // cut off
      {"\xf4\x90\x80\x80", R"(\udcf4\udc90\udc80\udc80)"},
  };
  for (const auto& test : kCases) {
    EXPECT_EQ(Escaped(test.text), test.escaped) << absl::CEscape(test.text);
  }
}

TEST(AuditRecordTest, EveryPairOfBytesHasItsOwnEscape) {
  // Reversible: what differs is written differently, and nothing is a newline.
  std::set<std::string> seen;
  for (int pair = 0; pair < 65536; ++pair) {
    const char bytes[] = {static_cast<char>(pair >> 8),
                          static_cast<char>(pair & 0xff)};
    const std::string escaped = Escaped(std::string(bytes, 2));
    EXPECT_TRUE(seen.insert(escaped).second) << pair;
    EXPECT_FALSE(absl::StrContains(escaped, '\n')) << pair;
  }
}

TEST(AuditRecordTest, LongCommandsAreCutAndHashed) {
  const std::string shell(kMaxCommandBytes, 'x');
  EXPECT_THAT(FormatLine({.shell = shell}, 7, kNoPrevious), EndsWith("xxx\"}"));
  EXPECT_THAT(FormatLine({.shell = shell + "yz"}, 7, kNoPrevious),
              EndsWith(absl::StrCat("xxx\",\"shell_bytes\":4098,"
                                    "\"shell_sha256\":\"",
                                    Sha256().Of(shell + "yz"),
                                    "\",\"cut\":[\"shell\"]}")));

  const std::string whole("a\0b\0", 4);
  const std::string big(5000, 'c');
  EXPECT_THAT(
      FormatLine({.argv = {"a", "b", big, "d"}}, 7, kNoPrevious),
      EndsWith(absl::StrCat(
          "[\"a\",\"b\",\"", big.substr(0, kMaxCommandBytes - 4),
          "\"],\"argv_bytes\":5007,\"argv_sha256\":\"",
          Sha256().Of(absl::StrCat(whole, big, absl::string_view("\0d\0", 3))),
          "\",\"cut\":[\"argv\"]}")));
  // The last of those that fit is whole.
  EXPECT_THAT(
      FormatLine({.argv = {"a", std::string(kMaxCommandBytes - 2, 'b')}}, 7,
                 kNoPrevious),
      Not(HasSubstr("cut")));
}

TEST(AuditRecordTest, WhateverItHoldsALineIsBoundedAndWhole) {
  const std::string worst(10000, '\0');
  for (const std::string& argument :
       {worst, std::string(), std::string(1, '\0')}) {
    const int64_t least = std::numeric_limits<int64_t>::min();
    const Record record = {
        .time = absl::InfiniteFuture(),
        .torn_bytes = std::numeric_limits<int64_t>::max(),
        .id = worst,
        .rpc = worst,
        .caller = worst,
        .on_behalf = worst,
        .role = Role::kOperator,
        .serial = worst,
        .peer = worst,
        .shell = worst,
        .argv = std::vector<std::string>(5000, argument),
        .env_names = std::vector<std::string>(5000, argument),
        .cwd = worst,
        .user = worst,
        .path = worst,
        .pid = least,
        .start_ticks = least,
        .duration = -absl::InfiniteDuration(),
        .status_code = absl::StatusCode::kFailedPrecondition,
        .error = worst,
        .version = worst};
    const std::string line = FormatLine(record, kMaxSeq, kNoPrevious);
    EXPECT_LE(line.size(), kMaxLineBytes);
    EXPECT_TRUE(ScanLine(line));
    EXPECT_THAT(line, HasSubstr("\"time\":\"9999-12-31T23:59:59.000000Z\""));
    EXPECT_THAT(line,
                EndsWith("\"cut\":[\"id\",\"rpc\",\"caller\",\"on_behalf\""
                         ",\"serial\",\"peer\",\"shell\",\"argv\","
                         "\"env_names\",\"cwd\",\"user\",\"path\","
                         "\"error\",\"version\"]}"));
  }
}

TEST(AuditRecordTest, TimesHaveOneWidth) {
  const struct {
    absl::Time time;
    const char* text;
  } kCases[] = {
      {absl::InfinitePast(), "1970-01-01T00:00:00.000000Z"},
      {absl::FromUnixSeconds(-1), "1970-01-01T00:00:00.000000Z"},
      {absl::FromUnixNanos(1999), "1970-01-01T00:00:00.000001Z"},
      {absl::FromUnixMicros(951782399999999), "2000-02-28T23:59:59.999999Z"},
      {absl::FromUnixSeconds(253402300800), "9999-12-31T23:59:59.000000Z"},
  };
  for (const auto& test : kCases) {
    EXPECT_THAT(FormatLine({.time = test.time}, 7, kNoPrevious),
                HasSubstr(absl::StrCat("\"time\":\"", test.text, "\"")));
  }
}

TEST(AuditSha256Test, KnownDigests) {
  Sha256 hash;
  EXPECT_EQ(hash.Of(""),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  hash.Update("a");
  hash.Update("bc");
  EXPECT_EQ(hash.Finish(),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

}  // namespace
}  // namespace specula::audit
