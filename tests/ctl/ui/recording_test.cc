#include "ctl/ui/recording.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <map>

#include "absl/strings/str_cat.h"
#include "ctl/ui/player.h"
#include "ctl/ui/recording_codec.h"
#include "lib/base/file.h"
#include "tests/e2e/harness.h"

namespace specula::ctl {
namespace {

using ::testing::HasSubstr;

const absl::Time kBegin = absl::FromUnixSeconds(1'700'000'000);

FleetEvent Sample(size_t host, int second) {
  auto sample = std::make_shared<v1::WatchResponse>();
  sample->set_sequence(second);
  return {kBegin + absl::Seconds(second), host, std::move(sample), {}};
}

FleetEvent Down(size_t host, int second) {
  return {kBegin + absl::Seconds(second), host, nullptr,
          Ending{Outcome::kUnreachable, absl::StrCat("since ", second)}};
}

// "0:5 1!5": host 0 sent snapshot 5, host 1 ended at 5.
std::string Show(const std::vector<FleetEvent>& events) {
  std::string text;
  for (const FleetEvent& event : events) {
    absl::StrAppend(&text, text.empty() ? "" : " ", event.host,
                    event.sample != nullptr ? ":" : "!",
                    absl::ToInt64Seconds(event.time - kBegin));
  }
  return text;
}

RecordingHead SomeHead() {
  return {absl::Seconds(2),
          {{"vm1", "10.0.0.1:60120", {{"rack", "a"}}},
           {"vm2", "10.0.0.2:60120", {}}}};
}

absl::StatusOr<RecordingReader> Open(const std::string& bytes) {
  return RecordingReader::Open(
      [bytes](uint64_t offset, size_t size) -> absl::StatusOr<std::string> {
        return offset >= bytes.size() ? "" : bytes.substr(offset, size);
      },
      "past.rec");
}

// Two minutes of two hosts; the second one goes at 50 s.
std::string TwoMinutes(const std::string& path) {
  auto writer = RecordingWriter::Create(path, SomeHead(), {});
  EXPECT_TRUE(writer.ok()) << writer.status();
  for (int second = 0; second <= 120; second += 2) {
    (*writer)->Add(
        {Sample(0, second), second < 50 ? Sample(1, second) : Down(1, second)},
        kBegin + absl::Seconds(second));
  }
  writer->reset();
  return *ReadFile(path, 1 << 20);
}

class RecordingTest : public ::testing::Test {
 protected:
  const testing::TemporaryDirectory directory_;
  const std::string path_ = directory_.File("past.rec");
  absl::Time clock_ = absl::FromUnixSeconds(5);

  std::unique_ptr<Player> Play(const std::string& bytes) {
    auto reader = Open(bytes);
    EXPECT_TRUE(reader.ok()) << reader.status();
    auto player = Player::Open(*std::move(reader), [this] { return clock_; });
    EXPECT_TRUE(player.ok());
    return *std::move(player);
  }
};

TEST_F(RecordingTest, WhatWasWrittenIsRead) {
  const std::string bytes = TwoMinutes(path_);
  auto reader = Open(bytes);
  ASSERT_TRUE(reader.ok()) << reader.status();
  EXPECT_EQ(reader->head().interval, absl::Seconds(2));
  ASSERT_EQ(reader->head().hosts.size(), 2);
  EXPECT_EQ(reader->head().hosts[0].name, "vm1");
  EXPECT_EQ(reader->head().hosts[0].address, "10.0.0.1:60120");
  EXPECT_EQ(reader->head().hosts[0].labels.at("rack"), "a");
  std::vector<FleetEvent> all;
  size_t states = 0;
  for (const RecordingReader::Block& block : reader->blocks()) {
    if (block.kind == BlockKind::kState) ++states;
    if (block.kind != BlockKind::kEvents) continue;
    const std::vector<FleetEvent> events = *reader->Read(block);
    all.insert(all.end(), events.begin(), events.end());
  }
  EXPECT_EQ(all.size(), 122);
  EXPECT_EQ(all.back().ending.reason, "since 120");
  EXPECT_EQ(all.back().ending.outcome, Outcome::kUnreachable);
  EXPECT_GE(states, 3);  // one in half a minute
}

TEST_F(RecordingTest, OneThatIsCutAnywhereIsReadUpToThere) {
  const std::string bytes = TwoMinutes(path_);
  size_t before = 0;
  const size_t head = EncodeHead(SomeHead()).size();
  for (size_t cut = 0; cut <= bytes.size(); ++cut) {
    auto reader = Open(bytes.substr(0, cut));
    ASSERT_EQ(reader.ok(), cut >= head) << cut << reader.status();
    if (!reader.ok()) {
      EXPECT_TRUE(absl::IsInvalidArgument(reader.status()));
      continue;
    }
    EXPECT_TRUE(reader->Refresh().ok()) << cut;
    ASSERT_GE(reader->blocks().size(), before);
    before = reader->blocks().size();
    if (before > 0) {
      EXPECT_TRUE(reader->Read(reader->blocks().back()).ok());
    }
  }
  EXPECT_EQ(before, Open(bytes)->blocks().size());
}

TEST_F(RecordingTest, EveryDamagedByteIsToldWithItsPlace) {
  const std::string bytes = TwoMinutes(path_);
  const size_t whole = Open(bytes)->blocks().size();
  for (size_t at = 0; at < bytes.size(); ++at) {
    std::string damaged = bytes;
    damaged[at] = static_cast<char>(damaged[at] ^ 0x55);
    auto reader = Open(damaged);
    bool told = !reader.ok();
    if (reader.ok()) {
      told = !reader->Refresh().ok();
      for (const RecordingReader::Block& block : reader->blocks()) {
        const absl::Status status = reader->Read(block).status();
        if (status.ok()) continue;
        told = true;
        EXPECT_THAT(status.message(), HasSubstr("past.rec: byte "));
      }
    }
    EXPECT_TRUE(told) << at << " of " << bytes.size() << ", " << whole;
  }
}

TEST_F(RecordingTest, ItCanBeReadWhileItIsWritten) {
  auto writer = *RecordingWriter::Create(path_, SomeHead(), {});
  auto reader = *RecordingReader::Open(path_);
  EXPECT_TRUE(reader.blocks().empty());
  writer->Add({Sample(0, 1)}, kBegin);
  writer->Flush(kBegin + absl::Seconds(2));
  EXPECT_TRUE(reader.Refresh().ok());
  ASSERT_FALSE(reader.blocks().empty());
  EXPECT_EQ(Show(*reader.Read(reader.blocks().front())), "0:1");
}

TEST_F(RecordingTest, ItIsItsOwnersAndWritesOverNothing) {
  auto writer = RecordingWriter::Create(path_, SomeHead(), {});
  ASSERT_TRUE(writer.ok());
  struct stat file = {};
  ASSERT_EQ(stat(path_.c_str(), &file), 0);
  EXPECT_EQ(file.st_mode & 0777, 0600);
  const auto second = RecordingWriter::Create(path_, SomeHead(), {});
  EXPECT_TRUE(absl::IsAlreadyExists(second.status())) << second.status();
}

TEST_F(RecordingTest, AtItsLimitItEndsAndSaysSo) {
  RecordingWriter::Options options;
  options.most_bytes = 2000;
  auto writer = *RecordingWriter::Create(path_, SomeHead(), options);
  int second = 0;
  for (; second < 1000 && writer->status().ok(); second += 2) {
    writer->Add({Sample(0, second)}, kBegin + absl::Seconds(second));
  }
  EXPECT_TRUE(absl::IsResourceExhausted(writer->status()));
  EXPECT_THAT(writer->status().message(), HasSubstr("limit"));
  writer.reset();
  const std::string bytes = *ReadFile(path_, 1 << 20);
  EXPECT_LE(bytes.size(), 2000);
  EXPECT_FALSE(Open(bytes)->blocks().empty());
}

TEST_F(RecordingTest, WhatIsNoRecordingIsRefused) {
  EXPECT_THAT(Open("hello, this is a text").status().message(),
              HasSubstr("is no recording"));
  EXPECT_THAT(
      Open(absl::StrCat(kRecordingMagic,
                        EncodeEvents(BlockKind::kEvents, {Sample(0, 1)})))
          .status()
          .message(),
      HasSubstr("is not the head of a recording"));
}

TEST_F(RecordingTest, AnEventOfAHostThatIsNotThereIsRefused) {
  auto reader =
      Open(EncodeHead(SomeHead()) +
           EncodeEvents(BlockKind::kEvents, {Sample(0, 1), Sample(7, 1)}));
  ASSERT_TRUE(reader.ok());
  EXPECT_THAT(reader->Read(reader->blocks()[0]).status().message(),
              HasSubstr("event 2"));
}

TEST_F(RecordingTest, ItIsPlayedAsTimePasses) {
  auto player = Play(TwoMinutes(path_));
  EXPECT_EQ(player->begin(), kBegin);
  EXPECT_EQ(player->end(), kBegin + absl::Seconds(120));
  Feed::News news = player->Take();
  EXPECT_TRUE(news.anew);
  EXPECT_EQ(Show(news.events), "0:0 1:0");
  clock_ += absl::Seconds(1);
  EXPECT_EQ(Show(player->Take().events), "");
  clock_ += absl::Seconds(1);
  news = player->Take();
  EXPECT_FALSE(news.anew);
  EXPECT_EQ(Show(news.events), "0:2 1:2");
  // Whoever looks late gets the newest only.
  clock_ += absl::Seconds(50);
  EXPECT_EQ(Show(player->Take().events), "1:48 0:52 1!52");
  player->SetSpeed(10);
  clock_ += absl::Seconds(1);
  EXPECT_EQ(player->Now(), kBegin + absl::Seconds(62));
  EXPECT_EQ(Show(player->Take().events), "0:62 1!62");
  clock_ += absl::Hours(1);
  EXPECT_EQ(Show(player->Take().events), "0:120 1!120");
  EXPECT_EQ(player->Now(), player->end());
}

TEST_F(RecordingTest, GoingBackBuildsTheFleetAnew) {
  auto player = Play(TwoMinutes(path_));
  player->Pause(true);
  player->SeekTo(kBegin + absl::Seconds(101));
  Feed::News news = player->Take();
  EXPECT_TRUE(news.anew);
  EXPECT_EQ(Show(news.events), "1:48 0:100 1!100");
  player->Step(-1);
  news = player->Take();
  EXPECT_TRUE(news.anew);
  EXPECT_EQ(Show(news.events), "1:48 0:98 1!98");
  player->Step(1);
  news = player->Take();
  EXPECT_FALSE(news.anew);
  EXPECT_EQ(Show(news.events), "0:100 1!100");
  clock_ += absl::Hours(1);
  EXPECT_EQ(Show(player->Take().events), "");
  // Any time gives what playing up to it would have given.
  for (int second = 0; second <= 120; ++second) {
    player->SeekTo(kBegin + absl::Seconds(second));
    const int last = second / 2 * 2;
    EXPECT_EQ(Show(player->Take().events),
              last < 50 ? absl::StrCat("0:", last, " 1:", last)
                        : absl::StrCat("1:48 0:", last, " 1!", last));
  }
  player->SeekTo(absl::InfinitePast());
  EXPECT_EQ(player->Now(), player->begin());
  player->SeekTo(absl::InfiniteFuture());
  EXPECT_EQ(player->Now(), player->end());
}

TEST_F(RecordingTest, OneThatGrowsIsPlayedOn) {
  auto writer = *RecordingWriter::Create(path_, SomeHead(), {});
  writer->Add({Sample(0, 0)}, kBegin);
  writer->Flush(kBegin + absl::Seconds(1));
  auto player =
      *Player::Open(*RecordingReader::Open(path_), [this] { return clock_; });
  EXPECT_EQ(Show(player->Take().events), "0:0");
  clock_ += absl::Seconds(10);
  EXPECT_EQ(Show(player->Take().events), "");
  writer->Add({Sample(0, 2)}, kBegin + absl::Seconds(2));
  writer->Flush(kBegin + absl::Seconds(4));
  player->Take();  // finds it, and goes on from where it stood
  clock_ += absl::Seconds(2);
  EXPECT_EQ(Show(player->Take().events), "0:2");
}

TEST_F(RecordingTest, MomentsAreRead) {
  const absl::TimeZone zone = absl::FixedTimeZone(3600);
  absl::Time end;
  std::string error;
  ASSERT_TRUE(absl::ParseTime(absl::RFC3339_full, "2026-02-03T04:05:06+01:00",
                              &end, &error));
  const std::map<std::string, std::string> table = {
      {"2026-02-03T01:00:00Z", "2026-02-03T02:00:00+01:00"},
      {"-10m", "2026-02-03T03:55:06+01:00"},
      {"-1h30m", "2026-02-03T02:35:06+01:00"},
      {"04:05:06", "2026-02-03T04:05:06+01:00"},
      {"04:05:07", "2026-02-02T04:05:07+01:00"},
      {"14:03", "2026-02-02T14:03:00+01:00"},
  };
  for (const auto& [text, expected] : table) {
    const absl::StatusOr<absl::Time> time = ParseStartTime(text, end, zone);
    ASSERT_TRUE(time.ok()) << text << time.status();
    EXPECT_EQ(absl::FormatTime(absl::RFC3339_sec, *time, zone), expected);
  }
  for (const char* text : {"", "-", "now", "25:00", "10m", "--1h", "-inf",
                           "14:03:61:7", "\033[2J"}) {
    const absl::Status status = ParseStartTime(text, end, zone).status();
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << text;
    EXPECT_EQ(status.message().find('\033'), std::string::npos);
  }
}

}  // namespace
}  // namespace specula::ctl
