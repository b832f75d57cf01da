#include "shim/frame.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

#include "absl/strings/str_cat.h"

namespace specula::shim {
namespace {

using ::testing::ElementsAre;

constexpr char kBad[] = "<bad_frame>";
constexpr char kLarge[] = "<too_large>";

// The payloads in `stream`, given in pieces of `step` bytes.
std::vector<std::string> ReadAll(absl::string_view stream, size_t step,
                                 size_t limit = kMostPayloadBytes) {
  FrameReader reader;
  std::vector<std::string> payloads;
  while (!stream.empty()) {
    absl::string_view piece = stream.substr(0, step);
    stream.remove_prefix(piece.size());
    while (!piece.empty()) {
      switch (reader.Read(piece, limit)) {
        case FrameReader::Event::kMore:
          break;
        case FrameReader::Event::kHead:
          // As long as it was said, and looked at once.
          EXPECT_EQ(reader.head().size(), kHeadBytes);
          EXPECT_GT(reader.length(), kMostShortBytes);
          break;
        case FrameReader::Event::kFrame:
          payloads.push_back(reader.TakePayload());
          break;
        case FrameReader::Event::kBadFrame:
          payloads.emplace_back(kBad);
          return payloads;
        case FrameReader::Event::kTooLarge:
          payloads.emplace_back(kLarge);
          return payloads;
      }
    }
  }
  if (!reader.between_frames()) payloads.emplace_back("<unfinished>");
  return payloads;
}

struct Case {
  absl::string_view stream;
  std::vector<std::string> payloads;
};

TEST(FrameTest, IsReadHoweverItIsCut) {
  using std::string_literals::operator""s;
  const std::string nul = "3\na\0b4\nPING"s;
  const Case cases[] = {
      {"4\nPING", {"PING"}},
      {"4\nPING3\nCPU", {"PING", "CPU"}},
      // Newlines between frames, as of nc's user.
      {"4\nPING\n3\nCPU\r\n\n\r\n", {"PING", "CPU"}},
      {"\n\r\n4\nPING", {"PING"}},
      {"7\nSTATUS\n", {"STATUS\n"}},
      {"0\n4\nPING", {"", "PING"}},
      {"6\n4\nPING", {"4\nPING"}},
      {nul, {"a\0b"s, "PING"}},
      {"4\nPI", {"<unfinished>"}},
      {"4", {"<unfinished>"}},
      {"4\n", {"<unfinished>"}},
      {"\r", {"<unfinished>"}},
      {"\rx", {kBad}},
      {"\r4\nPING", {kBad}},
      {"04\nPING", {kBad}},
      {"00\n", {kBad}},
      {"+4\nPING", {kBad}},
      {"-4\nPING", {kBad}},
      {" 4\nPING", {kBad}},
      {"4 \nPING", {kBad}},
      {"4\r\nPING", {kBad}},
      {"0x4\nPING", {kBad}},
      {"PING\n", {kBad}},
      {"4\nPING PONG", {"PING", kBad}},
      {absl::string_view("\0", 1), {kBad}},
      {"1048577\n", {kLarge}},
      {"4294967297\nx", {kLarge}},
      {"18446744073709551617\nx", {kLarge}},
      {"99999999999999999999\n", {kLarge}},
      {"999999999999999999999", {kLarge}},
      // Not a LENGTH at all, however large it has become.
      {"99999999x", {kBad}},
  };
  for (const Case& c : cases) {
    for (size_t step : {size_t{1}, size_t{2}, size_t{3}, c.stream.size()}) {
      EXPECT_EQ(ReadAll(c.stream, step), c.payloads) << c.stream << " " << step;
    }
  }
}

TEST(FrameTest, LimitIsThatOfThePayload) {
  EXPECT_THAT(ReadAll("4\nPING", 1, 4), ElementsAre("PING"));
  EXPECT_THAT(ReadAll("5\nPING!", 1, 4), ElementsAre(kLarge));
  std::string longest;
  AppendFrame(std::string(kMostPayloadBytes, 'x'), longest);
  EXPECT_THAT(ReadAll(longest, 4096),
              ElementsAre(std::string(kMostPayloadBytes, 'x')));
}

TEST(FrameTest, LengthReservesNothing) {
  FrameReader reader;
  absl::string_view bytes = "1048576\nx";
  EXPECT_EQ(reader.Read(bytes, kMostPayloadBytes), FrameReader::Event::kMore);
  EXPECT_TRUE(bytes.empty());
  EXPECT_LT(reader.held_bytes(), 100u);
  EXPECT_LT(reader.TakePayload().capacity(), 100u);
}

TEST(FrameTest, HoldsAboutWhatCameAndNothingAfterwards) {
  FrameReader reader;
  const std::string frame = absl::StrCat("300000\n", std::string(300000, 'x'));
  EXPECT_EQ(reader.held_bytes(), 0u);
  for (size_t taken = 0; taken + 1000 < frame.size(); taken += 1000) {
    absl::string_view piece = absl::string_view(frame).substr(taken, 1000);
    while (!piece.empty()) reader.Read(piece, kMostPayloadBytes);
    ASSERT_LE(reader.held_bytes(), 2 * (taken + 1000));
    ASSERT_GE(reader.held_bytes(), taken);
  }
  reader.Forget();
  EXPECT_EQ(reader.held_bytes(), 0u);
  FrameReader whole;
  absl::string_view bytes = frame;
  EXPECT_EQ(whole.Read(bytes, kMostPayloadBytes), FrameReader::Event::kHead);
  EXPECT_EQ(whole.Read(bytes, kMostPayloadBytes), FrameReader::Event::kFrame);
  EXPECT_EQ(whole.TakePayload().size(), 300000u);
  EXPECT_EQ(whole.held_bytes(), 0u);
}

TEST(FrameTest, HeadIsLookedAtOnlyWhereItIsNotShort) {
  FrameReader reader;
  const std::string frames =
      absl::StrCat("512\n", std::string(512, 'x'), "513\nEXEC ls");
  absl::string_view bytes = frames;
  EXPECT_EQ(reader.Read(bytes, kMostPayloadBytes), FrameReader::Event::kFrame);
  EXPECT_EQ(reader.TakePayload().size(), 512u);
  EXPECT_EQ(reader.Read(bytes, kMostPayloadBytes), FrameReader::Event::kHead);
  EXPECT_EQ(reader.head(), "EXEC l");
  EXPECT_EQ(reader.length(), 513u);
  EXPECT_EQ(bytes, "s");
}

TEST(FrameTest, IsWrittenAsItIsRead) {
  std::string frames;
  AppendFrame("PONG", frames);
  AppendFrame("", frames);
  AppendFrame("a\nb", frames);
  EXPECT_EQ(frames, "4\nPONG0\n3\na\nb");
  EXPECT_THAT(ReadAll(frames, 1), ElementsAre("PONG", "", "a\nb"));
}

}  // namespace
}  // namespace specula::shim
