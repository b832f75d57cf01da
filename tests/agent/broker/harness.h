#ifndef SPECULA_TESTS_AGENT_BROKER_HARNESS_H_
#define SPECULA_TESTS_AGENT_BROKER_HARNESS_H_

#include <fcntl.h>
#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "agent/broker/broker.h"
#include "agent/broker/client.h"
#include "lib/base/unique_fd.h"

namespace specula::agent {

// An Exec as a front sees it, from request to end.
struct ExecResult {
  absl::Status status;  // of the request
  BrokerClient::Spawned spawned;
  std::string out;
  std::string error;
  std::optional<broker::Exited> exited;
  std::optional<broker::Gone> gone;
  bool out_open = false;
  bool error_open = false;
  absl::Duration wall;  // until all of it had come
};

// A command for Spawn.
broker::Spawn Shell(absl::string_view line);
broker::Spawn Argv(const std::vector<std::string>& arguments);

// Holds up what the broker does off its loop, as a dead disk would. Made before
// the broker, which waits in another process.
class HoldUp {
 public:
  explicit HoldUp(const std::string& path);  // of a FIFO that it makes

  // In the broker: returns when the test has let it go.
  void Wait() const { UniqueFd(open(path_.c_str(), O_RDONLY | O_CLOEXEC)); }

  void LetGo() { writer_.Reset(open(path_.c_str(), O_RDWR | O_CLOEXEC)); }

 private:
  std::string path_;
  UniqueFd writer_;
};

// A test with a real broker in a child process and this process as its front.
// What the test started is gone after it, however it ends; nothing else is
// touched.
class BrokerTest : public ::testing::Test {
 protected:
  void SetUp() override;
  void TearDown() override;

  // Starts the broker, with `options` as the test has set it.
  void Launch();

  // Ends the broker as a lost front does, and waits for it.
  void CloseFront();

  // The broker's end by KILL.
  void KillBroker();

  // Serves the client until `done`, for at most `limit`. False: it took too
  // long.
  bool Serve(const std::function<bool()>& done,
             absl::Duration limit = absl::Seconds(20));

  // Runs to the end, or fails the test. Says Finish as a front should.
  ExecResult Exec(const broker::Spawn& command, absl::string_view input = "");

  // Asks, without waiting for the end; the result fills itself while Serve
  // runs.
  std::shared_ptr<ExecResult> Begin(const broker::Spawn& command,
                                    absl::string_view input = "");

  // Reads what the pipes of `result` have.
  static void ReadPipes(ExecResult& result);

  absl::StatusOr<BrokerClient::Spawned> Start(const broker::Spawn& command);
  absl::StatusOr<int> Kill(int64_t pid, std::optional<int64_t> start_ticks = {},
                           int signal = 0, bool tree = false);
  broker::StartedJobs ListStarted();
  broker::Description Describe();
  absl::Status EndTree(uint64_t job, absl::Duration grace);

  std::string Path(const std::string& name) const {
    return directory_ + "/" + name;
  }

  BrokerOptions options_;
  std::string directory_;  // a temporary one
  pid_t broker_pid_ = 0;
  std::unique_ptr<BrokerClient> client_;
  bool lost_ = false;
};

// Living processes whose environment has this variable set to this value: how a
// test marks and finds what it started.
std::vector<pid_t> LivingWith(const std::string& name,
                              const std::string& value);

// Zombies that are children of `parent`.
int ZombiesOf(pid_t parent);

// Without those of the pool of control groups, which grows to what is needed at
// once.
int OpenDescriptorsOf(pid_t pid);

// Waits until `done`, for at most `limit`.
bool WaitFor(const std::function<bool()>& done, absl::Duration limit);

void WriteFile(const std::string& path, const std::string& content,
               int mode = 0644);

}  // namespace specula::agent

#endif  // SPECULA_TESTS_AGENT_BROKER_HARNESS_H_
