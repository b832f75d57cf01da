// Output that is more than fits anywhere, to a reader who is in no hurry.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <random>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "lib/audit/sha256.h"
#include "lib/base/file.h"
#include "lib/rpc/grpc_status.h"
#include "tests/e2e/hand.h"
#include "tests/e2e/harness.h"

namespace specula::testing {
namespace {

constexpr int64_t kMebibyte = 1 << 20;
constexpr int kPieces = 32;
constexpr int64_t kPieceBytes = 32 * kMebibyte;

// One of the two streams: pieces that nothing can compress, each under a number
// of its own, so that none can be missing, doubled or moved unseen.
struct Bulk {
  std::string line;    // writes it to standard output
  std::string sha256;  // of all of it
  int64_t bytes = 0;
};

Bulk MakeBulk(const std::string& name, const std::string& path,
              const std::string& piece) {
  Bulk bulk;
  bulk.line = absl::StrCat("i=0; while [ $i -lt ", kPieces, " ]; do echo ",
                           name, " $i; cat ", path, "; i=$((i+1)); done");
  audit::Sha256 sum;
  for (int i = 0; i < kPieces; ++i) {
    const std::string header = absl::StrCat(name, " ", i, "\n");
    sum.Update(header);
    sum.Update(piece);
    bulk.bytes += static_cast<int64_t>(header.size() + piece.size());
  }
  bulk.sha256 = sum.Finish();
  return bulk;
}

std::string MakePiece() {
  std::mt19937_64 random(1);
  std::string piece(static_cast<size_t>(kPieceBytes), '\0');
  for (size_t i = 0; i < piece.size(); i += sizeof(uint64_t)) {
    const uint64_t word = random();
    memcpy(&piece[i], &word, sizeof word);
  }
  return piece;
}

// Asks again and again, as another caller would, and looks at the agent's
// memory meanwhile.
class Onlooker {
 public:
  Onlooker(const Pki& pki, AgentProcess& agent)
      : broker_(agent.process().pid()),
        front_(agent.front_pid()),
        channel_(agent.Connect(pki.Load("viewer"))) {
    EXPECT_TRUE(CallCpu(channel_).ok());
    base_ = Resident();
    thread_ = std::thread([this] {
      while (!stop_) Look();
    });
  }
  ~Onlooker() {
    stop_ = true;
    thread_.join();
  }

  int answered() const { return answered_; }
  int failed() const { return failed_; }
  int64_t growth() const { return peak_ - base_; }
  absl::Duration slowest() const { return absl::Nanoseconds(slowest_.load()); }

 private:
  int64_t Resident() const {
    return ResidentBytes(broker_) + ResidentBytes(front_);
  }
  void Look() {
    const absl::Time begin = absl::Now();
    ++(CallCpu(channel_).ok() ? answered_ : failed_);
    slowest_ = std::max<int64_t>(slowest_,
                                 absl::ToInt64Nanoseconds(absl::Now() - begin));
    peak_ = std::max<int64_t>(peak_, Resident());
    absl::SleepFor(absl::Milliseconds(2));
  }

  const pid_t broker_;
  const pid_t front_;
  const std::shared_ptr<grpc::Channel> channel_;
  int64_t base_ = 0;
  std::atomic<int64_t> peak_ = 0;
  std::atomic<int64_t> slowest_ = 0;
  std::atomic<int> answered_ = 0;
  std::atomic<int> failed_ = 0;
  std::atomic<bool> stop_ = false;
  std::thread thread_;
};

TEST(SlowReaderTest, TwoGibibytesThroughFiveStallsAreExactAndCostNoMemory) {
  const Pki pki;
  AgentProcess agent(pki);
  const std::string path = pki.File("piece");
  const std::string piece = MakePiece();
  ASSERT_TRUE(WriteFileAtomically(path, piece, 0644, false).ok());
  const Bulk out = MakeBulk("out", path, piece);
  const Bulk error = MakeBulk("error", path, piece);
  ASSERT_GE(std::min(out.bytes, error.bytes), 1024 * kMebibyte);

  auto stub = v1::Specula::NewStub(agent.Connect(pki.Load("operator")));
  ASSERT_TRUE(RunExec(*stub, Shell("true")).status.ok());
  const Onlooker onlooker(pki, agent);

  grpc::ClientContext context;
  auto reader = stub->Exec(
      &context,
      Shell(absl::StrCat("(", out.line, ") & (", error.line, ") >&2; wait")));
  audit::Sha256 out_sum, error_sum;
  int64_t out_bytes = 0, error_bytes = 0;
  int stalls = 0;
  v1::ExecExited exited;
  v1::ExecResponse response;
  while (reader->Read(&response)) {
    out_sum.Update(response.stdout());
    error_sum.Update(response.stderr());
    out_bytes += static_cast<int64_t>(response.stdout().size());
    error_bytes += static_cast<int64_t>(response.stderr().size());
    if (response.has_exited()) exited = response.exited();
    if (stalls < 5 && out_bytes + error_bytes > stalls * 400 * kMebibyte) {
      ++stalls;
      // As long as it takes for all buffers to fill, and for others to be
      // served in the meantime.
      const int served = onlooker.answered();
      absl::SleepFor(absl::Milliseconds(500));
      EXPECT_TRUE(
          Eventually([&] { return onlooker.answered() >= served + 20; }));
    }
  }
  const absl::Status status = FromGrpc(reader->Finish());
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_EQ(stalls, 5);
  EXPECT_EQ(out_bytes, out.bytes);
  EXPECT_EQ(error_bytes, error.bytes);
  EXPECT_EQ(out_sum.Finish(), out.sha256);
  EXPECT_EQ(error_sum.Finish(), error.sha256);
  EXPECT_TRUE(exited.has_code() && exited.code() == 0 && exited.drained());
  EXPECT_EQ(onlooker.failed(), 0);
  EXPECT_LE(onlooker.growth(), 64 * kMebibyte);
  printf("memory grew by %.1f MiB; %d calls of another caller, slowest %s\n",
         static_cast<double>(onlooker.growth()) / kMebibyte,
         onlooker.answered(), absl::FormatDuration(onlooker.slowest()).c_str());
}

}  // namespace
}  // namespace specula::testing
