#include "agent/front/tls_material.h"

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "absl/synchronization/notification.h"
#include "agent/slow_kinds.h"
#include "ctl/pki/store.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/lib/base/testing.h"

namespace specula::agent {
namespace {

using ::specula::testing::IsOk;
using ::specula::testing::TempDirectory;
using ::testing::HasSubstr;
using ::testing::StartsWith;

class TlsMaterialTest : public ::testing::Test {
 protected:
  TlsMaterialTest() {
    EXPECT_THAT(ctl::InitAuthority(directory_.path(), {}), IsOk());
    EXPECT_THAT(ctl::IssueAgent(directory_.path(), "agent", {}, {}), IsOk());
    material_ = *TlsMaterial::Load(
        {directory_.Path("ca.crt"), directory_.Path("agent.crt"),
         directory_.Path("agent.key"), directory_.Path("denylist")});
  }
  ~TlsMaterialTest() override {
    hang_->Release();
    loop_.Stop();
  }

  // As a disk that does not answer, for the files of `key`.
  class Hang {
   public:
    void Begin(SlowCalls& slow, const std::string& key) {
      auto end = end_ = std::make_shared<absl::Notification>();
      slow.Start({kTlsFiles, key,
                  [end]() -> SlowCalls::Apply {
                    end->WaitForNotification();
                    return {};
                  }},
                 {});
    }
    void Release() {
      if (end_ != nullptr) std::exchange(end_, nullptr)->Notify();
    }

   private:
    std::shared_ptr<absl::Notification> end_;
  };

  // Looks at the files until `seen`.
  void PollUntil(const std::function<bool()>& seen) {
    while (!seen()) {
      loop_.Post(
          [this] { material_->Poll(slow_, loop_, [this] { ++news_; }); });
      absl::SleepFor(absl::Milliseconds(5));
    }
  }
  std::string error() const { return material_->state().error; }

  static SlowCalls::Options Options() {
    SlowCalls::Options options = FrontSlowCalls();
    options.limit = absl::Milliseconds(100);
    return options;
  }

  const TempDirectory directory_;
  std::unique_ptr<TlsMaterial> material_;
  EventLoop loop_;
  SlowCalls slow_{Options()};
  std::atomic<int> news_ = 0;
  const std::unique_ptr<Hang> hang_ = std::make_unique<Hang>();
};

TEST_F(TlsMaterialTest, TakesOverWhatHasChanged) {
  ASSERT_THAT(ctl::IssueAgent(directory_.path(), "agent", {}, {.force = true}),
              IsOk());
  PollUntil([&] { return material_->state().generation == 2; });
  directory_.Write("denylist", "0123456789abcdef\n");
  PollUntil([&] { return !material_->trust()->denied.empty(); });
  directory_.Write("denylist", "no serial\n");
  PollUntil([&] { return material_->trust()->denylist_unreadable; });
  EXPECT_THAT(error(), HasSubstr("denylist"));
  EXPECT_FALSE(material_->trust()->denied.empty());
  EXPECT_GE(news_, 3);
}

TEST_F(TlsMaterialTest, FilesThatDoNotAnswerLeaveTheOldInUse) {
  hang_->Begin(slow_, "tls");
  PollUntil([&] { return !error().empty(); });
  EXPECT_EQ(error(), directory_.Path("ca.crt") + ": does not answer");
  EXPECT_EQ(material_->state().generation, 1);
  EXPECT_FALSE(material_->trust()->denylist_unreadable);
  // The denylist is looked at all the same.
  directory_.Write("denylist", "0123456789abcdef\n");
  PollUntil([&] { return !material_->trust()->denied.empty(); });

  ASSERT_THAT(ctl::IssueAgent(directory_.path(), "agent", {}, {.force = true}),
              IsOk());
  hang_->Release();
  // The one is said just before the other.
  PollUntil(
      [&] { return material_->state().generation == 2 && error().empty(); });
}

TEST_F(TlsMaterialTest, ADenylistThatDoesNotAnswerIsAsOneThatCannotBeRead) {
  directory_.Write("denylist", "0123456789abcdef\n");
  PollUntil([&] { return !material_->trust()->denied.empty(); });
  hang_->Begin(slow_, "denylist");
  PollUntil([&] { return material_->trust()->denylist_unreadable; });
  EXPECT_THAT(error(), StartsWith(directory_.Path("denylist")));
  EXPECT_THAT(error(), HasSubstr(": does not answer"));
  EXPECT_FALSE(material_->trust()->denied.empty());
  // New material is taken over meanwhile.
  ASSERT_THAT(ctl::IssueAgent(directory_.path(), "agent", {}, {.force = true}),
              IsOk());
  PollUntil([&] { return material_->state().generation == 2; });

  // The same list as before is good again.
  hang_->Release();
  PollUntil([&] { return !material_->trust()->denylist_unreadable; });
  EXPECT_EQ(error(), "");
}

}  // namespace
}  // namespace specula::agent
