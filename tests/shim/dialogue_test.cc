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
  EXPECT_THAT(Steps(Frames({"AUTH secret", longer}), 1000),
              ElementsAre("in token 1", "ERR unknown_command"));
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
