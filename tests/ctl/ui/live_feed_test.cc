#include "ctl/ui/live_feed.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>

#include <atomic>
#include <functional>
#include <map>
#include <mutex>

#include "tests/e2e/fake_agent.h"
#include "tests/e2e/fleet_simulator.h"

namespace specula::ctl {
namespace {

using ::specula::testing::Eventually;
using ::specula::testing::FakeAgent;
using ::specula::testing::FleetSimulator;
using ::specula::testing::Health;
using ::specula::testing::Pki;
using ::testing::HasSubstr;
using Writer = grpc::ServerWriter<v1::WatchResponse>;

// What was heard, by host.
struct Heard {
  size_t samples = 0;
  size_t endings = 0;
  Ending ending;
  FleetEvent last;
};

class LiveFeedTest : public ::testing::Test {
 protected:
  void Open(const std::vector<Endpoint>& hosts) { Open(hosts, Options()); }
  void Open(const std::vector<Endpoint>& hosts,
            const LiveFeed::Options& options) {
    feed_ = std::make_unique<LiveFeed>(hosts, pki_.Load("viewer"), options);
  }

  static LiveFeed::Options Options() {
    LiveFeed::Options options;
    options.interval = absl::Milliseconds(200);
    options.answer_within = absl::Seconds(20);
    options.first_backoff = absl::Milliseconds(100);
    return options;
  }

  // Takes news until `enough`.
  bool Until(const std::function<bool()>& enough) {
    return Eventually([&] {
      for (FleetEvent& event : feed_->Take().events) {
        Heard& heard = heard_[event.host];
        if (event.sample != nullptr) {
          ++heard.samples;
          heard.last = std::move(event);
        } else {
          ++heard.endings;
          heard.ending = event.ending;
        }
      }
      return enough();
    });
  }

  // Snapshots at the interval that was asked for, until the caller goes.
  static grpc::Status Beat(grpc::ServerContext* context,
                           const v1::WatchRequest& request, Writer* writer) {
    v1::WatchResponse response;
    for (int i = 0; i < request.process_limit(); ++i) {
      response.mutable_processes()->add_processes()->set_pid(i + 2);
    }
    while (!context->IsCancelled()) {
      response.set_sequence(response.sequence() + 1);
      if (!writer->Write(response)) break;
      absl::SleepFor(absl::Nanoseconds(request.interval().nanos()) +
                     absl::Seconds(request.interval().seconds()));
    }
    return grpc::Status::OK;
  }

  static std::vector<Endpoint> EndpointsOf(const FleetSimulator& fleet) {
    std::vector<Endpoint> endpoints;
    for (const std::string& host : fleet.hosts()) {
      endpoints.push_back({*ParseHostPort(host, 1), ""});
    }
    return endpoints;
  }

  const Pki pki_;
  std::map<size_t, Heard> heard_;
  std::unique_ptr<LiveFeed> feed_;
};

TEST_F(LiveFeedTest, SnapshotsOfEachHostCome) {
  FakeAgent first(pki_);
  FakeAgent second(pki_);
  first.on_watch = second.on_watch = Beat;
  Open({first.endpoint(), second.endpoint()});
  EXPECT_TRUE(
      Until([&] { return heard_[0].samples >= 3 && heard_[1].samples >= 3; }));
  EXPECT_EQ(heard_[0].endings + heard_[1].endings, 0);
}

TEST_F(LiveFeedTest, WakesAndTellsOnlyTheNewest) {
  FakeAgent agent(pki_);
  agent.on_watch = Beat;
  Open({agent.endpoint()});
  pollfd wake = {feed_->wake_fd(), POLLIN, 0};
  ASSERT_EQ(poll(&wake, 1, 60'000), 1);
  absl::SleepFor(absl::Seconds(1));  // several come
  Feed::News news = feed_->Take();
  ASSERT_EQ(news.events.size(), 1);
  EXPECT_GT(news.events[0].sample->sequence(), 1);
  EXPECT_FALSE(news.anew);
}

TEST_F(LiveFeedTest, AHostThatIsNotThereIsDownForAReasonAndAskedAgain) {
  Endpoint nobody;
  {
    FakeAgent gone(pki_);
    nobody = gone.endpoint();
  }
  FakeAgent agent(pki_);
  agent.on_watch = Beat;
  Open({nobody, agent.endpoint()});
  EXPECT_TRUE(
      Until([&] { return heard_[0].endings >= 2 && heard_[1].samples >= 1; }));
  EXPECT_EQ(heard_[0].ending.outcome, Outcome::kUnreachable);
  EXPECT_FALSE(heard_[0].ending.reason.empty());
}

TEST_F(LiveFeedTest, AStreamThatEndedIsBegunAnewOnTheSameConnection) {
  FakeAgent agent(pki_);
  std::mutex mutex;
  std::vector<std::string> peers;
  agent.on_watch = [&](grpc::ServerContext* context, const v1::WatchRequest&,
                       Writer* writer) {
    {
      std::lock_guard<std::mutex> lock(mutex);
      peers.push_back(context->peer());
    }
    writer->Write({});
    return grpc::Status::OK;
  };
  Open({agent.endpoint()});
  EXPECT_TRUE(Until([&] { return heard_[0].endings >= 2; }));
  EXPECT_EQ(heard_[0].ending.outcome, Outcome::kLost);
  std::lock_guard<std::mutex> lock(mutex);
  ASSERT_GE(peers.size(), 2);
  EXPECT_EQ(peers[0], peers[1]);
}

TEST_F(LiveFeedTest, OneThatFallsSilentIsAskedAgainAndNotCalledDown) {
  FakeAgent agent(pki_);
  std::atomic<int> calls{0};
  agent.on_watch = [&](grpc::ServerContext* context, const v1::WatchRequest&,
                       Writer* writer) {
    ++calls;
    writer->Write({});
    Eventually([context] { return context->IsCancelled(); });
    return grpc::Status::OK;
  };
  LiveFeed::Options options = Options();
  options.silence = absl::Milliseconds(100);
  Open({agent.endpoint()}, options);
  EXPECT_TRUE(Until([&] { return calls >= 3; }));
  EXPECT_EQ(heard_[0].endings, 0);
}

TEST_F(LiveFeedTest, OneThatFloodsIsCutOff) {
  FakeAgent agent(pki_);
  std::atomic<int64_t> sent{0};
  agent.on_watch = [&](grpc::ServerContext*, const v1::WatchRequest&,
                       Writer* writer) {
    while (writer->Write({})) ++sent;
    return grpc::Status::OK;
  };
  LiveFeed::Options options = Options();
  options.first_backoff = options.most_backoff = absl::Hours(1);
  Open({agent.endpoint()}, options);
  EXPECT_TRUE(Until([&] { return heard_[0].endings == 1; }));
  EXPECT_EQ(heard_[0].ending.outcome, Outcome::kFailed);
  EXPECT_THAT(heard_[0].ending.reason, HasSubstr("faster"));
}

TEST_F(LiveFeedTest, ASnapshotBeyondMeasureIsNotKept) {
  FakeAgent agent(pki_);
  agent.on_watch = [&](grpc::ServerContext*, const v1::WatchRequest&,
                       Writer* writer) {
    v1::WatchResponse response;
    response.mutable_status()->mutable_host()->set_hostname(
        std::string(2 << 20, 'x'));
    writer->Write(response);
    return grpc::Status::OK;
  };
  LiveFeed::Options options = Options();
  options.first_backoff = options.most_backoff = absl::Hours(1);
  Open({agent.endpoint()}, options);
  EXPECT_TRUE(Until([&] { return heard_[0].endings == 1; }));
  EXPECT_EQ(heard_[0].samples, 0);
  EXPECT_THAT(heard_[0].ending.reason, HasSubstr("cut off"));
}

TEST_F(LiveFeedTest, OnlyTheHostInFocusSendsItsProcesses) {
  FakeAgent first(pki_);
  FakeAgent second(pki_);
  first.on_watch = second.on_watch = Beat;
  Open({first.endpoint(), second.endpoint()});
  auto processes = [&](size_t host) {
    return heard_[host].last.sample == nullptr
               ? -1
               : heard_[host].last.sample->processes().processes_size();
  };
  ASSERT_TRUE(Until([&] { return processes(0) == 0 && processes(1) == 0; }));
  feed_->FocusOn(1, v1::PROCESS_ORDER_MEMORY);
  EXPECT_TRUE(
      Until([&] { return processes(1) == LiveFeed::kFocusedProcesses; }));
  EXPECT_EQ(processes(0), 0);
  feed_->FocusOn(0, v1::PROCESS_ORDER_CPU);
  EXPECT_TRUE(Until([&] {
    return processes(0) == LiveFeed::kFocusedProcesses && processes(1) == 0;
  }));
  feed_->FocusOn(std::nullopt, v1::PROCESS_ORDER_CPU);
  EXPECT_TRUE(Until([&] { return processes(0) == 0; }));
  EXPECT_EQ(heard_[0].endings + heard_[1].endings, 0);
}

TEST_F(LiveFeedTest, PausedItAsksNobody) {
  FakeAgent agent(pki_);
  std::atomic<int> open{0};
  agent.on_watch = [&](grpc::ServerContext* context,
                       const v1::WatchRequest& request, Writer* writer) {
    ++open;
    const grpc::Status status = Beat(context, request, writer);
    --open;
    return status;
  };
  Open({agent.endpoint()});
  ASSERT_TRUE(Until([&] { return heard_[0].samples > 0; }));
  feed_->Pause(true);
  ASSERT_TRUE(Eventually([&] { return open == 0; }));
  feed_->Take();
  EXPECT_TRUE(feed_->Take().events.empty());
  feed_->Pause(false);
  const size_t before = heard_[0].samples;
  EXPECT_TRUE(Until([&] { return heard_[0].samples > before; }));
  EXPECT_EQ(heard_[0].endings, 0);
}

TEST_F(LiveFeedTest, AnotherIntervalIsAskedFor) {
  FakeAgent agent(pki_);
  std::atomic<int> nanos{0};
  agent.on_watch = [&](grpc::ServerContext* context,
                       const v1::WatchRequest& request, Writer* writer) {
    nanos = request.interval().nanos();
    return Beat(context, request, writer);
  };
  Open({agent.endpoint()});
  ASSERT_TRUE(Until([&] { return heard_[0].samples > 0; }));
  EXPECT_EQ(nanos, 200'000'000);
  feed_->SetInterval(absl::Milliseconds(300));
  EXPECT_TRUE(Until([&] { return nanos == 300'000'000; }));
}

TEST_F(LiveFeedTest, ARefreshAsksEverybodyAtOnce) {
  FakeAgent agent(pki_);
  std::atomic<int> calls{0};
  agent.on_watch = [&](grpc::ServerContext* context, const v1::WatchRequest&,
                       Writer* writer) {
    ++calls;
    writer->Write({});
    Eventually([context] { return context->IsCancelled(); });
    return grpc::Status::OK;
  };
  FakeAgent gone(pki_);  // has no Watch: asked again when its backoff is over
  LiveFeed::Options options = Options();
  options.interval = absl::Hours(1);
  options.first_backoff = options.most_backoff = absl::Hours(1);
  Open({agent.endpoint(), gone.endpoint()}, options);
  ASSERT_TRUE(
      Until([&] { return heard_[0].samples == 1 && heard_[1].endings == 1; }));
  feed_->Refresh();
  EXPECT_TRUE(
      Until([&] { return heard_[0].samples == 2 && heard_[1].endings == 2; }));
  EXPECT_EQ(calls, 2);
  EXPECT_EQ(heard_[0].endings, 0);
}

TEST_F(LiveFeedTest, WhoFlapsFloodsLiesOrBabblesHarmsNobodyElse) {
  const std::vector<Health> ill = {Health::kFlaps,
                                   Health::kFloods,
                                   Health::kLies,
                                   Health::kBabbles,
                                   Health::kDiesInMidStream,
                                   Health::kResets,
                                   Health::kHangsAfterHeaders,
                                   Health::kHangsInTls};
  std::vector<Health> fleet = ill;
  fleet.insert(fleet.end(), 4, Health::kWell);
  const FleetSimulator simulator(pki_, fleet);
  Open(EndpointsOf(simulator));
  EXPECT_TRUE(Until([&] {
    for (size_t host = ill.size(); host < fleet.size(); ++host) {
      if (heard_[host].samples < 10) return false;
    }
    return heard_[0].endings >= 2 && heard_[0].samples >= 2 &&
           heard_[1].endings >= 1 && heard_[2].endings >= 2 &&
           heard_[3].samples >= 3 && heard_[4].endings >= 1 &&
           heard_[5].endings >= 1;
  }));
  for (size_t host = ill.size(); host < fleet.size(); ++host) {
    EXPECT_EQ(heard_[host].endings, 0) << host;
  }
  EXPECT_EQ(heard_[1].ending.outcome, Outcome::kFailed);
  EXPECT_EQ(heard_[2].ending.outcome, Outcome::kLost);
  EXPECT_EQ(heard_[3].endings, 0);
  EXPECT_EQ(heard_[6].samples + heard_[7].samples, 0);
}

TEST_F(LiveFeedTest, HostsThatHangDelayNobody) {
  std::vector<Health> fleet(30, Health::kHangsInTls);
  fleet.insert(fleet.end(), 10, Health::kHangsInConnect);
  FakeAgent agent(pki_);
  agent.on_watch = Beat;
  const FleetSimulator ill(pki_, fleet);
  std::vector<Endpoint> hosts = EndpointsOf(ill);
  hosts.push_back(agent.endpoint());
  LiveFeed::Options options = Options();
  options.connecting = 4;
  Open(hosts, options);
  const size_t last = hosts.size() - 1;
  EXPECT_TRUE(Until([&] { return heard_[last].samples > 0; }));
  // Nobody who hangs has been given up yet.
  EXPECT_EQ(heard_.size(), 1);
}

TEST_F(LiveFeedTest, HostsThatHangAreDownWhenTheirTimeIsOver) {
  const FleetSimulator ill(
      pki_, {Health::kHangsInTls, Health::kHangsInConnect, Health::kResets});
  LiveFeed::Options options = Options();
  options.answer_within = absl::Milliseconds(500);
  Open(EndpointsOf(ill), options);
  EXPECT_TRUE(Until([&] {
    return heard_[0].endings >= 2 && heard_[1].endings >= 2 &&
           heard_[2].endings >= 2;
  }));
  for (size_t host = 0; host < 3; ++host) {
    EXPECT_FALSE(heard_[host].ending.reason.empty()) << host;
    EXPECT_EQ(heard_[host].samples, 0);
  }
}

TEST_F(LiveFeedTest, AskedOnceEachHostIsSettledAndLeftAlone) {
  const std::vector<Health> fleet = {Health::kWell, Health::kResets,
                                     Health::kWell, Health::kHangsInTls};
  const FleetSimulator simulator(pki_, fleet);
  LiveFeed::Options options = Options();
  options.answer_within = absl::Seconds(5);
  options.once = true;
  Open(EndpointsOf(simulator), options);
  ASSERT_TRUE(Until([&] { return feed_->AllSettled(); }));
  Until([] { return true; });  // what was told last
  for (const size_t well : {0, 2}) {
    EXPECT_EQ(heard_[well].endings, 0) << heard_[well].ending.reason;
    ASSERT_GE(heard_[well].samples, 1);
    // The first has no rates yet.
    EXPECT_EQ(heard_[well].last.sample->sequence(), 2);
    EXPECT_TRUE(heard_[well].last.sample->status().cpu().has_utilization());
  }
  for (const size_t ill : {1, 3}) {
    EXPECT_EQ(heard_[ill].samples, 0);
    EXPECT_EQ(heard_[ill].endings, 1);
  }
  // Longer than the interval and the first backoff.
  absl::SleepFor(absl::Seconds(1));
  EXPECT_TRUE(feed_->Take().events.empty());
}

TEST_F(LiveFeedTest, AskedOnceASnapshotWithRatesIsEnough) {
  FakeAgent agent(pki_);
  std::atomic<int> sent{0};
  std::atomic<bool> ended{false};
  agent.on_watch = [&](grpc::ServerContext* context, const v1::WatchRequest&,
                       Writer* writer) {
    v1::WatchResponse response;
    response.mutable_status()->mutable_cpu()->set_utilization(0.5);
    if (writer->Write(response)) ++sent;
    ended = Eventually([context] { return context->IsCancelled(); });
    return grpc::Status::CANCELLED;
  };
  LiveFeed::Options options = Options();
  options.once = true;
  Open({agent.endpoint()}, options);
  EXPECT_TRUE(Until([&] { return feed_->AllSettled(); }));
  EXPECT_TRUE(Eventually([&] { return ended.load(); }));
  EXPECT_EQ(sent, 1);
  EXPECT_EQ(heard_[0].endings, 0);
}

}  // namespace
}  // namespace specula::ctl
