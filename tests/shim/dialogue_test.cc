#include "shim/dialogue.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "shim/reply.h"

namespace specula::shim {
namespace {

using ::testing::ElementsAre;

// What a stream leads to, in words; given in pieces of `step` bytes.
std::vector<std::string> Steps(absl::string_view stream, size_t step) {
  static const TokenSet tokens = *TokenSet::Parse("secret\nviewer:look\n", "F");
  Dialogue dialogue(tokens);
  std::vector<std::string> words;
  while (!stream.empty()) {
    absl::string_view piece = stream.substr(0, step);
    stream.remove_prefix(piece.size());
    while (true) {
      const Dialogue::Step next = dialogue.Next(piece);
      if (next.kind == Dialogue::Kind::kMore) break;
      switch (next.kind) {
        case Dialogue::Kind::kDo:
          words.push_back(absl::StrCat("do ", next.command.text));
          break;
        case Dialogue::Kind::kLetIn:
          words.push_back(absl::StrCat("in ", dialogue.holder()->name));
          break;
        default:
          words.push_back(ErrorReply(next.error));
      }
      if (next.kind == Dialogue::Kind::kTurnOut ||
          next.kind == Dialogue::Kind::kBreak) {
        words.emplace_back("end");
        return words;
      }
    }
  }
  if (dialogue.is_cut()) words.emplace_back("cut");
  return words;
}

std::string Frames(const std::vector<std::string>& payloads) {
  std::string frames;
  for (const std::string& payload : payloads) AppendFrame(payload, frames);
  return frames;
}

TEST(DialogueTest, StrangersSayTheTokenFirst) {
  for (const char* first : {"PING", "AUTH wrong", "AUTH ", "", "NOSUCH"}) {
    EXPECT_THAT(Steps(Frames({first, "AUTH secret", "PING"}), 1000),
                ElementsAre("ERR unauthorized", "end"))
        << first;
  }
  EXPECT_THAT(Steps(Frames({"AUTH secret", "EXEC a", "", "NOSUCH"}), 1000),
              ElementsAre("in token 1", "do a", "ERR bad_request",
                          "ERR unknown_command"));
}

TEST(DialogueTest, LimitIsThatOfWhoSendsIt) {
  const std::string longer(600, 'x');
  EXPECT_THAT(Steps(Frames({longer}), 1000),
              ElementsAre("ERR too_large", "end"));
  EXPECT_THAT(Steps(Frames({"AUTH secret", "EXEC " + longer}), 1000),
              ElementsAre("in token 1", "do " + longer));
}

// A request of this size.
std::string OfSize(absl::string_view words, size_t bytes) {
  return absl::StrCat(words, std::string(bytes - words.size(), 'x'));
}

TEST(DialogueTest, LimitIsThatOfRoleAndVerb) {
  constexpr size_t kShort = 512;
  constexpr size_t kPath = 8 << 10;
  constexpr size_t kLine = 1 << 20;
  const struct {
    const char* token;
    const char* words;
    size_t most;
  } rows[] = {
      {"secret", "EXEC ", kLine},    {"secret", "START ", kLine},
      {"secret", "TAIL /", kPath},   {"secret", "PING ", kShort},
      {"secret", "STATUS ", kShort}, {"secret", "CPU", kShort},
      {"secret", "MEM", kShort},     {"secret", "DISK", kShort},
      {"secret", "KILL 1", kShort},  {"secret", "STOP 1", kShort},
      {"secret", "BYE", kShort},     {"secret", "NOSUCH ", kShort},
      {"secret", "EXECx", kShort},   {"secret", "STARTx", kShort},
      {"secret", "exec ", kShort},   {"secret", " EXEC ", kShort},
      {"secret", "EXEC\n", kShort},  {"look", "EXEC ", kShort},
      {"look", "START ", kShort},    {"look", "TAIL /", kShort},
      {"look", "STATUS ", kShort},   {"look", "NOSUCH ", kShort},
  };
  for (const auto& row : rows) {
    const std::string auth = absl::StrCat("AUTH ", row.token);
    // The limit itself is taken, however it comes; one more is not.
    const std::string most = Frames({auth, OfSize(row.words, row.most)});
    const std::string more = Frames({auth, OfSize(row.words, row.most + 1)});
    for (const size_t step :
         {size_t{1}, size_t{7}, size_t{4096}, more.size()}) {
      const std::vector<std::string> taken = Steps(most, step);
      ASSERT_EQ(taken.size(), 2u) << row.words;
      EXPECT_NE(taken[1], "ERR too_large") << row.token << " " << row.words;
      const std::vector<std::string> refused = Steps(more, step);
      ASSERT_EQ(refused.size(), 3u) << row.words;
      EXPECT_EQ(refused[1], "ERR too_large") << row.token << " " << row.words;
    }
  }
  EXPECT_THAT(Steps(Frames({"AUTH secret", OfSize("AUTH x", kShort + 1)}), 1),
              ElementsAre("in token 1", "ERR too_large", "end"));
}

TEST(DialogueTest, TooLargeIsSaidAfterItsHead) {
  static const TokenSet tokens = *TokenSet::Parse("secret\nviewer:look\n", "F");
  for (const char* head : {"NOSUCH", "TAIL /", "STATUS"}) {
    Dialogue dialogue(tokens);
    const std::string start = Frames({"AUTH secret"});
    absl::string_view bytes = start;
    EXPECT_EQ(dialogue.Next(bytes).kind, Dialogue::Kind::kLetIn);
    const std::string begun = absl::StrCat("1048576\n", head);
    bytes = begun;
    EXPECT_EQ(dialogue.Next(bytes).error, Error::kTooLarge) << head;
    EXPECT_LT(dialogue.held_bytes(), 100u);
  }
  // Of a viewer not even that is taken.
  Dialogue dialogue(tokens);
  const std::string start = absl::StrCat(Frames({"AUTH look"}), "513\n");
  absl::string_view bytes = start;
  EXPECT_EQ(dialogue.Next(bytes).kind, Dialogue::Kind::kLetIn);
  EXPECT_EQ(dialogue.Next(bytes).error, Error::kTooLarge);
}

TEST(DialogueTest, RoleIsThatOfTheLastToken) {
  EXPECT_THAT(Steps(Frames({"AUTH look", "EXEC a", "AUTH secret", "EXEC b",
                            "AUTH wrong", "EXEC c"}),
                    1000),
              ElementsAre("in token 2", "ERR denied", "in token 1", "do b",
                          "ERR unauthorized", "end"));
}

TEST(DialogueTest, CutsMakeNoDifference) {
  const std::string streams[] = {
      Frames({"AUTH secret", "PING", "EXEC a\nb", "", "KILL 4", "BYE"}) + "\n",
      Frames({"AUTH secret"}) + "\r\n" + Frames({"PING"}) + "04\nPING",
      Frames({"AUTH look", "EXEC a"}) + "99999999\nPING",
      Frames({"AUTH secret"}) + "12\nPING"};
  for (const std::string& stream : streams) {
    for (size_t step = 1; step < stream.size(); ++step) {
      EXPECT_EQ(Steps(stream, step), Steps(stream, stream.size())) << step;
    }
  }
}

}  // namespace
}  // namespace specula::shim
