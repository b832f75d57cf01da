#include "ctl/hosts/ansible_words.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/lib/base/testing.h"

namespace specula::ctl {
namespace {

using ::specula::testing::StatusIs;

constexpr auto kRefused = absl::StatusCode::kInvalidArgument;

// "a|b", or the error.
std::string Joined(const absl::StatusOr<std::vector<std::string>>& words) {
  return words.ok() ? absl::StrJoin(*words, "|") : words.status().ToString();
}

// The right side is what shlex.split(line, comments=True) gives.
TEST(AnsibleWordsTest, ALineIsSplitAsShlexDoes) {
  const struct {
    const char* line;
    const char* words;
  } kCases[] = {
      {"", ""},
      {"  a\t b  ", "a|b"},
      {"a # b", "a"},
      {"a#b", "a"},
      {"a x='# b' c", "a|x=# b|c"},
      {"a x=\"b # c\"#d", "a|x=b # c"},
      {"a ; b", "a|;|b"},
      {"'' b", "|b"},
      {"a'b'\"c\"d", "abcd"},
      {"x='it''s'", "x=its"},
      {R"(a\ b)", "a b"},
      {R"(a\#b)", "a#b"},
      {R"("a\"b" "a\b" "a\\b")", R"(a"b|a\b|a\b)"},
      {R"('a\b')", R"(a\b)"},
      {R"("a'b" 'a"b')", R"(a'b|a"b)"},
  };
  for (const auto& test : kCases) {
    EXPECT_EQ(Joined(SplitAnsibleWords(test.line)), test.words) << test.line;
  }
  EXPECT_THAT(SplitAnsibleWords("a 'b"), StatusIs(kRefused, "not closed"));
  EXPECT_THAT(SplitAnsibleWords("a \"b\\"), StatusIs(kRefused, "backslash"));
  EXPECT_THAT(SplitAnsibleWords("a \\"), StatusIs(kRefused, "backslash"));
}

TEST(AnsibleWordsTest, AWordComesToHosts) {
  const struct {
    const char* word;
    const char* hosts;
  } kCases[] = {
      {"web1", "web1"},
      {"web1:2222", "web1"},
      {"10.0.0.1:22", "10.0.0.1"},
      {"[2001:db8::2]:2222", "2001:db8::2"},
      {"2001:db8::2", "2001:db8::2"},
      {"::1", "::1"},
      {"[web1]:22", "web1"},
      {"web[1:3]", "web1|web2|web3"},
      {"web[08:11]:22", "web08|web09|web10|web11"},
      {"web[001:003]", "web001|web002|web003"},
      {"web[1:9:4]", "web1|web5|web9"},
      {"web[1:010:9]", "web1|web10"},
      {"web[:2]", "web0|web1|web2"},
      {"db-[a:e:2].x", "db-a.x|db-c.x|db-e.x"},
      {"n[y:B]", "ny|nz|nA|nB"},
      {"r[1:2]n[a:b]", "r1na|r1nb|r2na|r2nb"},
      {"10.0.[0:1].7", "10.0.0.7|10.0.1.7"},
      {"2001:db8::[1:2]", "2001:db8::1|2001:db8::2"},
      {"[2001:db8::[a:b]]:22", "2001:db8::a|2001:db8::b"},
      {"[0:0]x", "0x"},
  };
  for (const auto& test : kCases) {
    EXPECT_EQ(Joined(ExpandAnsibleHosts(test.word)), test.hosts) << test.word;
  }
}

TEST(AnsibleWordsTest, WhatIsNoHostIsRefused) {
  const struct {
    std::string word;
    const char* why;
  } kCases[] = {
      {"", "letters, digits"},
      {"vm[01-03]", "no range of Ansible"},
      {"vm[1,2]", "no range of Ansible"},
      {"vm[1]", "no range of Ansible"},
      {"vm[1:]", "no range of Ansible"},
      {"vm[1:2:3:4]", "no range of Ansible"},
      {"vm[1:2", "] of a range is missing"},
      {"vm[3:1]", "runs backwards"},
      {"vm[f:a]", "runs backwards"},
      {"vm[1:3:0]", "step 0"},
      {"vm[a:c:0]", "step 0"},
      {"vm[01:100]", "differ in length"},
      {"vm[a:3]", "'a' is no number"},
      {"vm[aa:cc]", "'aa' is no number"},
      {"vm[1:-3]", "'-3' is no number"},
      {"vm[1:1000000000]", "more than 100000"},
      {"vm[1:1000][1:1000]", "more than 100000"},
      {"vm[1:99999999999999999999]", "is no number"},
      {"[::1]", "no range of Ansible"},
      {"a,b", "letters, digits"},
      {"a:b", "letters, digits"},
      {"a]", "letters, digits"},
      {"web*", "letters, digits"},
      {"!web", "letters, digits"},
      {"-web", "letters, digits"},
      {":22", "letters, digits"},
      {"{{ x }}", "letters, digits"},
      {"root@web1", "carries no user"},
      {"all:", "this is YAML"},
      {"---", "this is YAML"},
      {std::string(1000, 'a'), "too long"},
      {std::string(300, 'a'), "letters, digits"},
  };
  for (const auto& test : kCases) {
    EXPECT_THAT(ExpandAnsibleHosts(test.word), StatusIs(kRefused, test.why))
        << test.word;
  }
}

TEST(AnsibleWordsTest, AValueIsReadAsALiteral) {
  const struct {
    const char* value;
    const char* text;
  } kCases[] = {
      {"", ""},
      {"10.0.0.1", "10.0.0.1"},
      {"10.0.0.1 # x", "10.0.0.1 # x"},
      {"'10.0.0.1'", "10.0.0.1"},
      {"\"10.0.0.1\"  # x", "10.0.0.1"},
      {"'a' 'b'", "'a' 'b'"},
      {"'a", "'a"},
      {R"('a\x')", R"('a\x')"},
      {"7000 # x", "7000"},
      {"0", "0"},
      {"0700 # x", "0700 # x"},
      {"7000a", "7000a"},
  };
  for (const auto& test : kCases) {
    EXPECT_EQ(UnquoteAnsibleValue(test.value), test.text) << test.value;
  }
}

}  // namespace
}  // namespace specula::ctl
