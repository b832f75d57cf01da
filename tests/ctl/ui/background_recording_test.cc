#include "ctl/ui/background_recording.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/e2e/harness.h"

namespace specula::ctl {
namespace {

using ::specula::testing::Eventually;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

FleetEvent Sample(size_t host, int64_t sequence) {
  auto sample = std::make_shared<v1::WatchResponse>();
  sample->set_sequence(sequence);
  return {absl::FromUnixSeconds(1'700'000'000 + sequence),
          host,
          std::move(sample),
          {}};
}

FleetEvent Down(size_t host, int64_t second) {
  return {absl::FromUnixSeconds(1'700'000'000 + second), host, nullptr,
          Ending{Outcome::kUnreachable, "gone"}};
}

class BackgroundRecordingTest : public ::testing::Test {
 protected:
  std::unique_ptr<BackgroundRecording> Make(
      const RecordingWriter::Options& writer,
      const BackgroundRecording::Options& options) const {
    auto made = RecordingWriter::Create(
        path_, {absl::Seconds(2), {{"vm1", "10.0.0.1:1"}, {"vm2", "vm2:1"}}},
        writer);
    EXPECT_TRUE(made.ok()) << made.status();
    return std::make_unique<BackgroundRecording>(*std::move(made), options);
  }

  // The numbers of host 0's snapshots in the file, endings as -1.
  std::vector<int64_t> Recorded() const {
    std::vector<int64_t> numbers;
    const auto reader = RecordingReader::Open(path_);
    EXPECT_TRUE(reader.ok()) << reader.status();
    if (!reader.ok()) return numbers;
    for (const RecordingReader::Block& block : reader->blocks()) {
      if (block.kind != BlockKind::kEvents) continue;
      const std::vector<FleetEvent> events = *reader->Read(block);
      for (const FleetEvent& event : events) {
        if (event.host != 0) continue;
        numbers.push_back(event.sample != nullptr ? event.sample->sequence()
                                                  : -1);
      }
    }
    return numbers;
  }

  testing::TemporaryDirectory directory_;
  const std::string path_ = directory_.File("past.rec");
};

TEST_F(BackgroundRecordingTest, WhatIsAddedCanBeReadWhileItGoesOn) {
  const auto recording = Make({}, {});
  recording->Add({Sample(0, 1), Sample(1, 1)});
  recording->Add({Sample(0, 2)});
  EXPECT_TRUE(Eventually([&] { return Recorded().size() == 2; }));
  EXPECT_THAT(Recorded(), ElementsAre(1, 2));
  EXPECT_TRUE(recording->report().status.ok());
  EXPECT_THAT(RecordingWord(recording->report()), HasSubstr("REC "));
}

TEST_F(BackgroundRecordingTest, ItsEndWritesWhatWaits) {
  Make({}, {})->Add({Sample(0, 1)});
  EXPECT_THAT(Recorded(), ElementsAre(1));
}

TEST_F(BackgroundRecordingTest, WhenTheDiskIsSlowTheNewestIsKept) {
  auto recording = Make({}, {.most_waiting_bytes = 1});
  // All in one, so that the thread cannot come in between.
  recording->Add({Sample(0, 1), Sample(0, 2), Down(0, 3), Sample(0, 4),
                  Sample(1, 4), Down(0, 5), Sample(0, 6)});
  recording.reset();
  EXPECT_THAT(Recorded(), ElementsAre(1, -1, 6));
}

TEST_F(BackgroundRecordingTest, BehindIsSaidUntilItHasCaughtUp) {
  const auto recording = Make({}, {.most_waiting_bytes = 1});
  recording->Add({Sample(0, 1), Sample(0, 2)});
  // The thread may have caught up already; then it is no longer behind.
  EXPECT_TRUE(Eventually([&] { return !recording->report().behind; }));
  EXPECT_EQ(RecordingWord({.bytes = 12 << 20, .behind = true, .status = {}}),
            "REC 12M BEHIND");
}

TEST_F(BackgroundRecordingTest, ItsLimitIsToldWhileItRuns) {
  const auto recording = Make({.most_bytes = 300}, {});
  for (int i = 0; i < 100; ++i) recording->Add({Sample(0, i), Sample(1, i)});
  EXPECT_TRUE(Eventually([&] {
    recording->Add({Down(0, 100)});
    return !recording->report().status.ok();
  }));
  EXPECT_THAT(recording->report().status.message(), HasSubstr("limit"));
  EXPECT_EQ(RecordingWord(recording->report()), "REC ENDED");
  EXPECT_TRUE(RecordingReader::Open(path_).ok());
}

}  // namespace
}  // namespace specula::ctl
