#include "agent/border/frame_meter.h"

#include <algorithm>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/agent/border/frames.h"

namespace specula::agent {
namespace {

using ::testing::HasSubstr;

constexpr int kEndStream = 1;
constexpr int kAck = 1;
constexpr int kEndHeaders = 4;

enum Type {
  kData,
  kHeaders,
  kPriority,
  kReset,
  kSettings,
  kPush,
  kPing,
  kAway,
  kWindow,
  kContinuation
};

std::string Call(uint32_t stream) {
  return Frame(kHeaders, kEndHeaders, stream, 60) +
         Frame(kData, kEndStream, stream, 5);
}
std::string Answer(uint32_t stream) {
  return Frame(kHeaders, kEndHeaders, stream, 40) +
         Frame(kData, 0, stream, 800) +
         Frame(kHeaders, kEndHeaders | kEndStream, stream, 20);
}

class FrameMeterTest : public ::testing::Test {
 protected:
  FrameMeterTest() {
    const FrameMeter::Passed passed = meter_.FromCaller(kPreface, now_);
    EXPECT_EQ(passed.bytes, kPreface.size());
  }

  // Shows all, in pieces of `piece` bytes, waiting as often as is said. Returns
  // why it was cut.
  std::string Send(absl::string_view bytes, size_t piece = 1 << 20) {
    waited_ = absl::ZeroDuration();
    while (!bytes.empty()) {
      const absl::string_view part = bytes.substr(0, piece);
      const FrameMeter::Passed passed = meter_.FromCaller(part, now_);
      if (!passed.cut.empty()) return passed.cut;
      EXPECT_LE(passed.bytes, part.size());
      EXPECT_EQ(passed.wait > absl::ZeroDuration(), passed.bytes < part.size());
      bytes.remove_prefix(passed.bytes);
      now_ += passed.wait;
      waited_ += passed.wait;
    }
    return "";
  }
  std::string Many(int count, const std::string& frame) {
    std::string all;
    for (int i = 0; i < count; ++i) all += frame;
    return all;
  }

  FrameAllowance allowance_;
  FrameMeter meter_{allowance_};
  absl::Duration now_ = absl::Hours(1);
  absl::Duration waited_;
};

TEST_F(FrameMeterTest, CallsOneAfterTheOtherPassAtAnyRate) {
  for (uint32_t stream = 1; stream < 200'000; stream += 2) {
    ASSERT_EQ(Send(Call(stream)), "");
    ASSERT_EQ(meter_.open_streams(), 1u);
    meter_.ToCaller(Answer(stream));
    ASSERT_EQ(meter_.open_streams(), 0u);
  }
  EXPECT_EQ(waited_, absl::ZeroDuration());
  EXPECT_EQ(meter_.unfinished_bytes(), 0u);
}

TEST_F(FrameMeterTest, LargeRequestsPassAndAreCountedUntilTheirEnd) {
  ASSERT_EQ(Send(Frame(kHeaders, kEndHeaders, 1, 60) +
                 Many(60, Frame(kData, 0, 1, 16'384))),
            "");
  EXPECT_EQ(waited_, absl::ZeroDuration());
  EXPECT_EQ(meter_.unfinished_bytes(), 60u * 16'384);
  ASSERT_EQ(Send(Frame(kData, kEndStream, 1, 100)), "");
  EXPECT_EQ(meter_.unfinished_bytes(), 0u);
  EXPECT_EQ(meter_.open_streams(), 1u);  // it waits for its answer
}

TEST_F(FrameMeterTest, AResetForgetsWhatTheCallHad) {
  ASSERT_EQ(Send(Frame(kHeaders, kEndHeaders, 1, 60) +
                 Frame(kData, 0, 1, 1000) + Frame(kReset, 0, 1, 4)),
            "");
  EXPECT_EQ(meter_.unfinished_bytes(), 0u);
  EXPECT_EQ(meter_.open_streams(), 0u);
  // Ours does as well; frames of a closed stream count for nothing.
  ASSERT_EQ(Send(Frame(kHeaders, kEndHeaders, 3, 60)), "");
  meter_.ToCaller(Frame(kReset, 0, 3, 4));
  ASSERT_EQ(Send(Frame(kData, 0, 3, 1000)), "");
  EXPECT_EQ(meter_.unfinished_bytes(), 0u);
  EXPECT_EQ(meter_.open_streams(), 0u);
}

TEST_F(FrameMeterTest, FloodsAreSlowedToTheirRate) {
  const struct {
    const char* what;
    std::string frame;
    FrameRate rate;
  } kCases[] = {
      {"RST_STREAM", Frame(kReset, 0, 1, 4), allowance_.limits.resets},
      {"PING", Frame(kPing, 0, 0, 8), allowance_.limits.pings},
      {"PING without a question", Frame(kPing, kAck, 0, 8),
       allowance_.limits.pings},
      {"SETTINGS", Frame(kSettings, 0, 0, 6), allowance_.limits.settings},
      {"SETTINGS without a question", Frame(kSettings, kAck, 0, 0),
       allowance_.limits.settings},
      {"PRIORITY", Frame(kPriority, 0, 1, 5), allowance_.limits.others},
      {"unknown", Frame(77, 0, 1, 0), allowance_.limits.others},
      {"empty DATA", Frame(kData, 0, 1, 0), allowance_.limits.empty_data},
      {"small DATA", Frame(kData, 0, 1, 1), allowance_.limits.small},
      {"WINDOW_UPDATE", Frame(kWindow, 0, 0, 4), allowance_.limits.small},
  };
  for (const auto& test : kCases) {
    SCOPED_TRACE(test.what);
    now_ += absl::Hours(1);
    const int burst = static_cast<int>(test.rate.burst);
    ASSERT_EQ(Send(Many(burst, test.frame)), "");
    EXPECT_EQ(waited_, absl::ZeroDuration());
    const int more = static_cast<int>(test.rate.per_second) * 3;
    ASSERT_EQ(Send(Many(more, test.frame)), "");
    EXPECT_GT(waited_, absl::Seconds(2.9));
    EXPECT_LT(waited_, absl::Seconds(3.1));
  }
}

TEST_F(FrameMeterTest, AnswersToOursAndMeasurementsOfOurDataAreFree) {
  const int many = static_cast<int>(allowance_.limits.pings.burst) * 3;
  for (int i = 0; i < many; ++i) {
    meter_.ToCaller(Frame(kPing, 0, 0, 8));
    meter_.ToCaller(Frame(kSettings, 0, 0, 6));
    ASSERT_EQ(Send(Frame(kPing, kAck, 0, 8) + Frame(kSettings, kAck, 0, 0)),
              "");
  }
  EXPECT_EQ(waited_, absl::ZeroDuration());
  // As Go's client does, for each DATA.
  for (int i = 0; i < many; ++i) {
    meter_.ToCaller(Frame(kData, 0, 1, 1000));
    ASSERT_EQ(Send(Frame(kPing, 0, 0, 8) + Frame(kWindow, 0, 0, 4)), "");
    ASSERT_EQ(waited_, absl::ZeroDuration());
  }
}

TEST_F(FrameMeterTest, ConnectionsOfOneCallerHaveOneAllowance) {
  const int burst = static_cast<int>(allowance_.limits.resets.burst);
  ASSERT_EQ(Send(Many(burst, Frame(kReset, 0, 1, 4))), "");
  FrameMeter second(allowance_);
  const std::string bytes =
      absl::StrCat(kPreface, Many(2, Frame(kReset, 0, 1, 4)));
  EXPECT_GT(second.FromCaller(bytes, now_).wait, absl::ZeroDuration());
}

TEST_F(FrameMeterTest, WhatNoClientDoesIsCut) {
  const std::string begun = Frame(kHeaders, 0, 1, 100);
  std::string streams;
  for (uint32_t stream = 1; stream <= 2 * 257; stream += 2)
    streams += Frame(kHeaders, kEndHeaders, stream, 30);
  const struct {
    const char* why;
    std::string bytes;
  } kCases[] = {
      {"CONTINUATIONs", begun + Many(5, Frame(kContinuation, 0, 1, 0))},
      {"headers of more than", Frame(kHeaders, kEndHeaders, 1, 40'000)},
      {"headers of more than",
       begun + Many(3, Frame(kContinuation, 0, 1, 16'000))},
      {"CONTINUATION of nothing", Frame(kContinuation, kEndHeaders, 1, 10)},
      {"another frame", begun + Frame(kData, 0, 1, 10)},
      {"another frame", begun + Frame(kContinuation, 0, 3, 10)},
      {"256 calls open", streams},
  };
  for (const auto& test : kCases) {
    for (const size_t piece : {size_t{1} << 20, size_t{7}, size_t{1}}) {
      FrameAllowance allowance;
      FrameMeter meter(allowance);
      std::string cut;
      const std::string all = absl::StrCat(kPreface, test.bytes);
      for (size_t at = 0; at < all.size() && cut.empty(); at += piece)
        cut = meter.FromCaller(absl::string_view(all).substr(at, piece), now_)
                  .cut;
      EXPECT_THAT(cut, HasSubstr(test.why)) << test.why << " by " << piece;
    }
  }
}

TEST_F(FrameMeterTest, WhatIsNoHttp2IsCutAtItsFirstByte) {
  for (const char* bytes :
       {"GET / HTTP/1.1\r\n", "PRI * HTTP/1.1", "\x16\x03"}) {
    FrameMeter meter(allowance_);
    EXPECT_EQ(meter.FromCaller(bytes, now_).cut, "no HTTP/2");
  }
}

// However the bytes come, the same of them pass.
TEST_F(FrameMeterTest, PiecesDoNotMatter) {
  std::string bytes(kPreface);
  for (uint32_t stream = 1; stream < 60; stream += 2) {
    bytes += Call(stream) + Frame(kWindow, 0, stream, 4) +
             Frame(kPing, 0, 0, 8) + Frame(kReset, 0, stream, 4);
  }
  for (size_t piece = 1; piece < 40; ++piece) {
    FrameAllowance allowance(
        {.resets = {1, 20}, .pings = {1, 1000}, .small = {1, 1000}});
    FrameMeter meter(allowance);
    std::string held;
    size_t passed = 0;
    for (size_t at = 0; at < bytes.size(); at += piece) {
      held += bytes.substr(at, piece);
      const size_t now = meter.FromCaller(held, now_).bytes;
      held.erase(0, now);
      passed += now;
    }
    // Of the 21st reset all but the last byte of its header may pass.
    const size_t one = Call(1).size() + 13 + 17 + 13;
    EXPECT_GE(passed, kPreface.size() + 21 * one - 13) << piece;
    EXPECT_LT(passed, kPreface.size() + 21 * one - 4) << piece;
  }
}

}  // namespace
}  // namespace specula::agent
