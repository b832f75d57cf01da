#include "lib/audit/line.h"

#include <cstring>
#include <optional>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "gtest/gtest.h"
#include "lib/audit/record.h"
#include "lib/audit/tail.h"

namespace specula::audit {
namespace {

const std::string kHead = absl::StrCat(
    "{\"seq\":12,\"prev\":\"", kNoPrevious,
    "\",\"time\":\"2026-11-20T12:00:00.000001Z\",\"stage\":\"gap\"");

TEST(AuditLineTest, ReadsTheHead) {
  const std::string line = kHead + ",\"torn_bytes\":0,\"error\":\"x\"}";
  const std::optional<LineHead> head = ScanLine(line);
  ASSERT_TRUE(head);
  EXPECT_EQ(head->seq, 12);
  EXPECT_EQ(head->prev, kNoPrevious);
  EXPECT_EQ(head->stage, "gap");
  EXPECT_EQ(head->torn_bytes, 0);
  EXPECT_FALSE(ScanLine(kHead + "}")->torn_bytes);
}

TEST(AuditLineTest, ReadsWhatAnyRecordMayHold) {
  for (const char* rest :
       {"}", ",\"a_1\":-5}", ",\"a\":true,\"b\":false}", ",\"a\":[\"\"]}",
        ",\"a\":[\"}\",\"\\\"}\"]}", ",\"a\":\"\\\\\"}",
        ",\"a\":\"\\udcff\\n\\t\\u0000\"}", ",\"a\":\"\xff\"}",
        ",\"a\":-9223372036854775808}", ",\"a\":99999999999999999999}"}) {
    EXPECT_TRUE(ScanLine(kHead + rest)) << rest;
  }
}

TEST(AuditLineTest, RefusesWhatNoRecordHolds) {
  for (const char* rest : {"",
                           ",",
                           "}}",
                           "} ",
                           "}\n",
                           ",}",
                           ",\"a\"}",
                           ",\"a\":}",
                           ",a:1}",
                           ",\"A\":1}",
                           ",\"\":1}",
                           ",\"a\":01}",
                           ",\"a\":-}",
                           ",\"a\":1.5}",
                           ",\"a\":null}",
                           ",\"a\":{}}",
                           ",\"a\":[]}",
                           ",\"a\":[1]}",
                           ",\"a\":[\"b\",]}",
                           ",\"a\":[\"b\"}",
                           ",\"a\":\"}",
                           ",\"a\":\"\\\"}",
                           ",\"a\":\"\\x\"}",
                           ",\"a\":\"\\u00g0\"}",
                           ",\"a\":\"\\u00\"}",
                           ",\"a\":\"\\u00",
                           ",\"a\":\"\\",
                           ",\"a\":\"\x01\"}",
                           ",\"a\":\"\x7f\"}",
                           ", \"a\":1}",
                           ",\"torn_bytes\":-1}"}) {
    EXPECT_FALSE(ScanLine(kHead + rest)) << rest;
  }
}

TEST(AuditLineTest, TheHeadIsStrict) {
  ASSERT_TRUE(ScanLine(kHead + "}"));
  const struct {
    const char* from;
    const char* to;
  } kCases[] = {
      {"{\"seq\"", " {\"seq\""},
      {"{\"seq\":", "{\"seq\": "},
      {":12,", ":012,"},
      {":12,", ":0,"},
      {":12,", ":-12,"},
      {":12,", ":\"12\","},
      {":12,", ":,"},
      {":12,", ":1000000000000000000,"},
      {":12,", ":1e1,"},
      {"\"00000", "\"0000"},
      {"\"00000", "\"A0000"},
      {"\"00000", "\"000000"},
      {"prev", "prov"},
      {"T12:", " 12:"},
      {"001Z", "001"},
      {"001Z", "01Z"},
      {"2026", "+026"},
      {"\"gap\"", "\"\""},
      {"\"gap\"", "\"Gap\""},
      {"\"gap\"", "gap"},
  };
  for (const auto& test : kCases) {
    std::string line = kHead + "}";
    line.replace(line.find(test.from), strlen(test.from), test.to);
    EXPECT_FALSE(ScanLine(line)) << line;
  }
  EXPECT_TRUE(ScanLine(
      absl::StrReplaceAll(kHead, {{":12,", ":999999999999999999,"}}) + "}"));
}

TEST(AuditLineTest, NoPartOfALineIsALine) {
  const std::string line =
      FormatLine({.stage = Stage::kEnded,
                  .argv = {"a}", "\"}", "\\", "}}\"", "]}"},
                  .exit_code = 10,
                  .error = "}"},
                 12, kNoPrevious);
  ASSERT_TRUE(ScanLine(line));
  for (size_t length = 0; length < line.size(); ++length) {
    EXPECT_FALSE(ScanLine(line.substr(0, length))) << length;
    EXPECT_FALSE(ScanLine(line.substr(length + 1))) << length;
  }
}

TEST(AuditTailTest, FindsTheLastWholeLineAndWhatIsTorn) {
  const std::string one = kHead + "}";
  const std::string two = kHead + ",\"a\":\"b\"}";
  const struct {
    std::string text;
    std::optional<std::string> last;
    std::optional<std::string> torn;
  } kCases[] = {
      {"", std::nullopt, std::nullopt},
      {one, one, std::nullopt},
      {one + "\n", one, std::nullopt},
      {one + "\n" + two, two, std::nullopt},
      {one + "\n" + two + "\n", two, std::nullopt},
      {one + "\n" + two + "\n\n", two, ""},
      {one + "\n" + two + "\n\n\n", two, "\n"},
      {one + "\n{\"se", one, "{\"se"},
      {one + "\n{\"se\n", one, "{\"se"},
      {one + "\n{\"se\n{\"seq\n", one, "{\"se\n{\"seq"},
      {one + "\n" + two.substr(1), one, two.substr(1)},
      {two.substr(5) + "\n" + one + "\n", one, std::nullopt},
      {"{\"se", std::nullopt, "{\"se"},
      {"\n", std::nullopt, ""},
      {"\n\n", std::nullopt, "\n"},
      {one + "\n" + std::string(5, '\0'), one, std::string(5, '\0')},
  };
  for (const auto& test : kCases) {
    const Tail tail = ScanTail(test.text);
    ASSERT_EQ(tail.last.has_value(), test.last.has_value()) << test.text;
    ASSERT_EQ(tail.torn.has_value(), test.torn.has_value()) << test.text;
    EXPECT_EQ(tail.last.value_or("-"), test.last.value_or("-")) << test.text;
    EXPECT_EQ(tail.torn.value_or("-"), test.torn.value_or("-")) << test.text;
  }
}

}  // namespace
}  // namespace specula::audit
