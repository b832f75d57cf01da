// The wall clock of an agent, or of a controller, set a day ahead or back in
// the middle of what runs.
#include "absl/time/clock.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <google/protobuf/message.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "lib/base/clock.h"
#include "tests/e2e/hand.h"
#include "tests/e2e/harness.h"

namespace specula::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

using Words = std::vector<std::string>;

constexpr int64_t kDay = 24 * 3600;

// Fractions, rates, counts: finite, not negative, and no more than a machine
// does.
void ExpectSensible(const google::protobuf::Message& message) {
  const google::protobuf::Reflection& reflection = *message.GetReflection();
  std::vector<const google::protobuf::FieldDescriptor*> fields;
  reflection.ListFields(message, &fields);
  for (const google::protobuf::FieldDescriptor* field : fields) {
    using Field = google::protobuf::FieldDescriptor;
    if (field->cpp_type() == Field::CPPTYPE_DOUBLE && !field->is_repeated()) {
      const double value = reflection.GetDouble(message, field);
      EXPECT_TRUE(value >= 0 && value < 1e13)
          << field->full_name() << " = " << value;
    } else if (field->cpp_type() == Field::CPPTYPE_MESSAGE) {
      if (!field->is_repeated()) {
        ExpectSensible(reflection.GetMessage(message, field));
        continue;
      }
      for (int i = 0; i < reflection.FieldSize(message, field); ++i)
        ExpectSensible(reflection.GetRepeatedMessage(message, field, i));
    }
  }
}

// A clock that programs are started with.
class Clock {
 public:
  explicit Clock(const std::string& path)
      : path_(path), fd_(open(path.c_str(), O_RDWR | O_CREAT, 0644)) {
    MoveBy(0);
  }
  ~Clock() { close(fd_); }
  Clock(const Clock&) = delete;

  void MoveBy(int64_t seconds) const {
    EXPECT_EQ(pwrite(fd_, &seconds, sizeof seconds, 0),
              static_cast<ssize_t>(sizeof seconds));
  }
  Words Environment() const {
    return {absl::StrCat("LD_PRELOAD=", Program("libmoved_clock.so")),
            absl::StrCat("SPECULA_TEST_CLOCK=", path_)};
  }

 private:
  const std::string path_;
  const int fd_;
};

class ClockTest : public ::testing::TestWithParam<int64_t> {
 protected:
  Words Ask(const Words& command) const {
    return ControllerArguments(pki_, "operator", agent_.host(), command);
  }
  std::unique_ptr<Process> Begin(const Words& command) const {
    return std::make_unique<Process>(Process::Options{
        .arguments = Ask(command), .environment = controllers_.Environment()});
  }
  Result Run(const Words& command) const {
    return RunProgram(Ask(command), controllers_.Environment());
  }
  static bool Says(const Process& process, const std::string& text) {
    return Eventually(
        [&] { return process.Stdout().find(text) != std::string::npos; });
  }

  // Everything that takes a while, with the clock moved in the middle of it.
  void MoveInTheMiddle(const Clock& clock);

  // Issued long enough ago to be valid before and after.
  const Pki pki_{absl::Now() - absl::Hours(72)};
  const TemporaryDirectory directory_;
  const Clock agents_{directory_.File("agents-clock")};
  const Clock controllers_{directory_.File("controllers-clock")};
  AgentProcess agent_{pki_, {.environment = agents_.Environment()}};
};

void ClockTest::MoveInTheMiddle(const Clock& clock) {
  const std::string log = directory_.File("log");
  const std::string go_on = directory_.File("go-on");
  std::ofstream(log) << "begun\n";
  std::ofstream(go_on) << "";
  const auto exec = Begin({"exec", "--timeout", "10m", "-s",
                           absl::StrCat("echo begun; while [ -e ", go_on,
                                        " ]; do sleep 0.05; done; exit 7")});
  const auto limited =
      Begin({"exec", "--timeout", "6s", "-s", "echo begun; exec sleep 1000"});
  const auto tail = Begin({"tail", "-f", log});
  const auto watch = Begin({"status", "--watch", "1", "--json"});
  for (const Process* process : {exec.get(), limited.get(), tail.get()})
    ASSERT_TRUE(Says(*process, "begun")) << process->Stderr();
  ASSERT_TRUE(Says(*watch, "utilization")) << watch->Stderr();

  clock.MoveBy(GetParam());
  const absl::Duration moved = MonotonicNow();
  const auto rows = [&] {
    const std::string out = watch->Stdout();
    return std::count(out.begin(), out.end(), '\n');
  };
  // One may be on its way, and absl::Now() notices after 2 s.
  const auto enough = rows() + 4;

  std::ofstream(log, std::ios::app) << "after\n";
  EXPECT_TRUE(Says(*tail, "after")) << "Tail has ended or stands still";
  EXPECT_TRUE(Eventually([&] { return rows() >= enough; }))
      << "no more rows after the move";
  EXPECT_EQ(limited->Wait(), 124);
  // It was not over at once, and not a day later, which Wait would tell.
  EXPECT_GT(MonotonicNow() - moved, absl::Seconds(1));
  EXPECT_TRUE(exec->Running()) << exec->Stderr();
  unlink(go_on.c_str());
  EXPECT_EQ(exec->Wait(), 7) << exec->Stderr();
  EXPECT_TRUE(tail->Running());
  // Interrupted, as Ctrl-C does: its waits are short ones.
  tail->Signal(SIGINT);
  EXPECT_EQ(tail->Wait(), 0);
  watch->Signal(SIGINT);
  EXPECT_EQ(watch->Wait(), 130);
  // And what begins afterwards.
  EXPECT_EQ(Run({"exec", "--", "true"}).exit_code, 0);
  EXPECT_EQ(Run({"exec", "--timeout", "1s", "--", "sleep", "1000"}).exit_code,
            124);
  const Result started = Run({"start", agent_.host(), "--", "true"});
  EXPECT_EQ(started.exit_code, 0) << started.err;
}

TEST_P(ClockTest, OfTheAgentIsMoved) {
  auto stub = v1::Specula::NewStub(agent_.Connect(pki_.Load("operator")));
  grpc::ClientContext context;
  v1::WatchRequest request;
  request.mutable_interval()->set_nanos(300'000'000);
  request.set_process_limit(3);
  auto reader = stub->Watch(&context, request);
  v1::WatchResponse sample;
  ASSERT_TRUE(reader->Read(&sample));
  const int64_t uptime = sample.status().host().uptime().seconds();
  MoveInTheMiddle(agents_);

  for (int i = 0; i < 5; ++i) {
    ASSERT_TRUE(reader->Read(&sample));
    ExpectSensible(sample);
    const v1::StatusResponse& status = sample.status();
    EXPECT_LE(status.cpu().utilization(), 1);
    EXPECT_GE(status.host().uptime().seconds(), uptime);
    EXPECT_LT(status.host().uptime().seconds(), uptime + 3600);
  }
  context.TryCancel();
  reader->Finish();

  const Result doctor = Run({"doctor"});
  EXPECT_EQ(doctor.exit_code, 1);
  EXPECT_THAT(doctor.out, HasSubstr(GetParam() > 0 ? "clock is off by +"
                                                   : "clock is off by -"));
  const Result audit = RunProgram({Program("specula"), "audit", "verify",
                                   pki_.File("state") + "/audit/audit.jsonl"});
  EXPECT_EQ(audit.exit_code, 0) << audit.out << audit.err;
  // It ends as soon as it is told to.
  agent_.process().Signal(SIGTERM);
  EXPECT_EQ(agent_.process().Wait(), 0);
}

TEST_P(ClockTest, OfTheControllerIsMoved) {
  MoveInTheMiddle(controllers_);
  EXPECT_THAT(Run({"doctor"}).out, HasSubstr("clock is off by"));
}

// Certificates are judged by the wall clock, whatever it says: what a clock
// that is wrong does to them is said in docs/.
TEST_P(ClockTest, CertificatesAreJudgedByIt) {
  ctl::CertificateRequest request = Pki::ViewerRequest();  // two hours
  const Credentials brief = pki_.Issue(request);
  const auto channel = agent_.Connect(brief);
  EXPECT_TRUE(CallCpu(channel).ok());
  agents_.MoveBy(GetParam());
  EXPECT_FALSE(CallCpu(agent_.Connect(brief)).ok());
  agents_.MoveBy(0);
  EXPECT_TRUE(Eventually([&] { return CallCpu(agent_.Connect(brief)).ok(); }));
}

INSTANTIATE_TEST_SUITE_P(Day, ClockTest, ::testing::Values(kDay, -kDay),
                         [](const auto& by) -> std::string {
                           return by.param > 0 ? "Ahead" : "Back";
                         });

}  // namespace
}  // namespace specula::testing
