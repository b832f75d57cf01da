#include "ctl/bootstrap/reply.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace specula::ctl {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

const std::string kSha(64, 'a');

std::vector<std::string> Texts(const std::vector<Reply>& replies) {
  std::vector<std::string> texts;
  texts.reserve(replies.size());
  for (const Reply& reply : replies)
    texts.push_back(absl::StrCat(reply.key, "|", reply.value));
  return texts;
}

std::vector<Reply> GoodFacts() {
  return {{"arch", "x86_64"},   {"systemd", "no"},
          {"packaged", "no"},   {"file", absl::StrCat("agent ", kSha)},
          {"file", "config -"}, {"agent", absl::StrCat("plain 17 ", kSha)},
          {"note", "a\x1b[2J"}};
}

TEST(ReplyTest, OnlyMarkedLinesAreReplies) {
  const struct {
    const char* line;
    const char* want;  // null: none
  } cases[] = {
      {"@specula hello 1", "hello|1"},
      {"@specula log  two  blanks ", "log| two  blanks "},
      {"@specula done begin\r", "done|begin"},
      {"@specula done", "done|"},
      {"@specula ", nullptr},
      {"@specula  x", nullptr},
      {"@specula b\x07l x", nullptr},
      {" @specula hello 1", nullptr},
      {"Last login: yesterday", nullptr},
      {"", nullptr},
  };
  for (const auto& [line, want] : cases) {
    std::optional<Reply> reply = ParseReply(line);
    ASSERT_EQ(reply.has_value(), want != nullptr) << line;
    if (want != nullptr) {
      EXPECT_EQ(absl::StrCat(reply->key, "|", reply->value), want);
    }
  }
}

TEST(ReplyTest, HoweverTheStreamIsCut) {
  const std::string stream =
      "motd\n@specula hello 1\nnoise @specula no\n@specula done facts\n@spec";
  for (size_t cut = 0; cut <= stream.size(); ++cut) {
    ReplyReader reader;
    std::vector<std::string> texts = Texts(reader.Feed(stream.substr(0, cut)));
    for (std::string& text : Texts(reader.Feed(stream.substr(cut))))
      texts.push_back(std::move(text));
    EXPECT_THAT(texts, ElementsAre("hello|1", "done|facts"));
  }
}

TEST(ReplyTest, ALineWithoutAnEndIsNotKept) {
  ReplyReader reader;
  for (int i = 0; i < 100; ++i) {
    EXPECT_THAT(reader.Feed(std::string(1000, 'x')), IsEmpty());
  }
  EXPECT_THAT(Texts(reader.Feed("\n@specula done a\n")), ElementsAre("done|a"));
}

TEST(ReplyTest, FactsArePutTogether) {
  absl::StatusOr<Facts> facts = ParseFacts(GoodFacts());
  ASSERT_TRUE(facts.ok()) << facts.status();
  EXPECT_EQ(facts->architecture, "x86_64");
  EXPECT_FALSE(facts->systemd);
  EXPECT_EQ(facts->files,
            (std::map<std::string, std::string>{{"agent", kSha}}));
  EXPECT_EQ(facts->agent.supervisor, Supervisor::kPlain);
  EXPECT_EQ(facts->agent.pid, 17);
  EXPECT_EQ(facts->agent.sha256, kSha);
  EXPECT_THAT(facts->notes, ElementsAre("a\\x1b[2J"));
}

TEST(ReplyTest, WhatIsMissingOrTwiceIsSaid) {
  for (const char* key : {"arch", "systemd", "packaged", "agent"}) {
    std::vector<Reply> without = GoodFacts();
    std::vector<Reply> twice = GoodFacts();
    for (const Reply& reply : GoodFacts()) {
      if (reply.key == key) twice.push_back(reply);
    }
    std::erase_if(without,
                  [&](const Reply& reply) { return reply.key == key; });
    EXPECT_THAT(std::string(ParseFacts(without).status().message()),
                HasSubstr(key));
    EXPECT_THAT(std::string(ParseFacts(twice).status().message()),
                HasSubstr(key));
  }
}

TEST(ReplyTest, OddAnswersAreRefused) {
  const Reply odd[] = {
      {"arch", ""},
      {"arch", "x86 64"},
      {"arch", "x\x1b"},
      {"systemd", "maybe"},
      {"file", "agent"},
      {"file", "agent zz"},
      {"file", absl::StrCat("../x ", kSha)},
      {"agent", "plain 0 -"},
      {"agent", "none 5 -"},
      {"agent", "plain -5 -"},
      {"agent", "docker 5 -"},
      {"agent", "plain 5"},
      {"agent", "plain 5 abc"},
  };
  for (const Reply& reply : odd) {
    std::vector<Reply> replies = GoodFacts();
    if (reply.key != "file") {
      std::erase_if(replies,
                    [&](const Reply& old) { return old.key == reply.key; });
    }
    replies.push_back(reply);
    EXPECT_FALSE(ParseFacts(replies).ok()) << reply.key << " " << reply.value;
  }
}

}  // namespace
}  // namespace specula::ctl
