#include "ctl/ledger/store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <mutex>
#include <set>
#include <thread>

#include "absl/strings/str_cat.h"
#include "ctl/ledger/run.h"
#include "tests/e2e/harness.h"

namespace specula::ctl {
namespace {

using ::specula::testing::TemporaryDirectory;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

ledger::Run SomeRun(const std::string& word = "prog") {
  ledger::Run run;
  run.mutable_command()->mutable_argv()->add_arguments(word);
  ledger::Host& host = *run.add_hosts();
  host.set_name("vm1");
  host.set_address("vm1");
  host.set_port(1);
  run.add_outputs()->set_sha256(std::string(32, 'x'));
  return run;
}

mode_t ModeOf(const std::string& path) {
  struct stat info = {};
  stat(path.c_str(), &info);
  return info.st_mode & 07777;
}

class LedgerStoreTest : public ::testing::Test {
 protected:
  const TemporaryDirectory directory_;
  const std::string path_ = directory_.File("state/specula/runs");
  const LedgerStore store_{path_, {}};
};

TEST_F(LedgerStoreTest, NothingIsKeptAtFirst) {
  const auto ids = store_.Ids();
  ASSERT_TRUE(ids.ok()) << ids.status();
  EXPECT_TRUE(ids->empty());
  EXPECT_THAT(std::string(store_.Get(1).status().message()),
              HasSubstr("none is kept yet"));
}

TEST_F(LedgerStoreTest, RunsAreCountedAndNobodyElseMayReadThem) {
  umask(0);
  ASSERT_TRUE(store_.Add(SomeRun("one")).ok());
  const auto second = store_.Add(SomeRun("two"));
  ASSERT_TRUE(second.ok()) << second.status();
  EXPECT_EQ(*second, 2);
  EXPECT_THAT(*store_.Ids(), ElementsAre(2, 1));
  EXPECT_EQ(store_.Get(1)->command().argv().arguments(0), "one");
  EXPECT_EQ(ModeOf(path_), 0700U);
  EXPECT_EQ(ModeOf(directory_.File("state")), 0700U);
  EXPECT_EQ(ModeOf(path_ + "/1.run"), 0600U);
  umask(022);
}

TEST_F(LedgerStoreTest, TheOldestGo) {
  const LedgerStore few(path_, {.runs = 3, .bytes = 1 << 20});
  for (int i = 0; i < 6; ++i) ASSERT_TRUE(few.Add(SomeRun()).ok());
  EXPECT_THAT(*few.Ids(), ElementsAre(6, 5, 4));
  const LedgerStore small(path_, {.runs = 3, .bytes = 1});
  ASSERT_TRUE(small.Add(SomeRun()).ok());
  EXPECT_THAT(*small.Ids(), ElementsAre(7));
}

TEST_F(LedgerStoreTest, ManyAtOnceGetAnIdEach) {
  std::mutex mutex;
  std::set<int64_t> ids;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&, own = LedgerStore(path_, {})] {
      for (int n = 0; n < 10; ++n) {
        const auto id = own.Add(SomeRun());
        std::lock_guard<std::mutex> lock(mutex);
        if (id.ok()) ids.insert(*id);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(ids.size(), 40U);
  EXPECT_EQ(store_.Ids()->size(), 40U);
  for (const int64_t id : ids) EXPECT_TRUE(store_.Get(id).ok());
}

TEST_F(LedgerStoreTest, ForeignFilesAreLeftAloneAndSaidToBeSo) {
  ASSERT_TRUE(store_.Add(SomeRun()).ok());
  std::ofstream(path_ + "/2.run") << "junk";
  std::ofstream(path_ + "/notes") << "mine";
  std::ofstream(path_ + "/03.run") << "not so";
  EXPECT_THAT(*store_.Ids(), ElementsAre(2, 1));
  EXPECT_THAT(std::string(store_.Get(2).status().message()),
              HasSubstr("2.run: not a run"));
  EXPECT_EQ(*store_.Add(SomeRun()), 3);
  EXPECT_TRUE(std::filesystem::exists(path_ + "/notes"));
}

TEST_F(LedgerStoreTest, WhatAKilledControllerHasLeftGoesWhenItIsOld) {
  ASSERT_TRUE(store_.Add(SomeRun()).ok());
  const std::string old = path_ + "/2.run.tmp.1";
  const std::string fresh = path_ + "/2.run.tmp.2";
  std::ofstream(old) << "half";
  std::ofstream(fresh) << "half";
  std::filesystem::last_write_time(
      old,
      std::filesystem::file_time_type::clock::now() - std::chrono::hours(2));
  ASSERT_TRUE(store_.Add(SomeRun()).ok());
  EXPECT_FALSE(std::filesystem::exists(old));
  EXPECT_TRUE(std::filesystem::exists(fresh));
}

TEST_F(LedgerStoreTest, AFileInPlaceOfTheDirectoryIsAnError) {
  std::ofstream(directory_.File("file")) << "x";
  const LedgerStore store(directory_.File("file/runs"), {});
  EXPECT_THAT(std::string(store.Add(SomeRun()).status().message()),
              HasSubstr(directory_.File("file")));
}

TEST(RunIdTest, OnlyNumbersFromOneOn) {
  EXPECT_EQ(*ParseRunId("17"), 17);
  for (const char* text : {"", "0", "01", "-1", "+1", "1 ", "x", "1.run",
                           "../1", "99999999999999999999"}) {
    EXPECT_FALSE(ParseRunId(text).ok()) << text;
  }
}

}  // namespace
}  // namespace specula::ctl
