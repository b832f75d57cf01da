#ifndef SPECULA_AGENT_BROKER_JOBS_H_
#define SPECULA_AGENT_BROKER_JOBS_H_

#include <sys/resource.h>
#include <sys/types.h>

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "agent/broker/broker.pb.h"
#include "agent/broker/ceiling.h"
#include "agent/broker/cgroup.h"
#include "agent/broker/exec_ids.h"
#include "agent/broker/given_up.h"
#include "agent/broker/loop.h"
#include "agent/broker/off_loop.h"
#include "agent/broker/preparer.h"
#include "agent/broker/process_table.h"
#include "agent/broker/spawn.h"
#include "agent/broker/started_store.h"
#include "lib/base/unique_fd.h"

namespace specula::agent {

struct JobsOptions {
  Ceiling ceiling;
  std::string state_directory;
  int64_t log_bytes = 16 << 20;        // of one file; a job has two at most
  int64_t all_logs_bytes = 1LL << 30;  // of ended jobs together
  bool use_cgroups = true;
  std::string cgroup_base;  // for tests; empty: found
  pid_t stand_in = 0;       // see RunBehindStandIn; 0: there is none
};

// All children that run for somebody: from the request through user, ceiling,
// birth and exec into the ProcessTable, and the records of the started ones.
// Loop thread only.
class Jobs {
 public:
  // A child that runs, as it is told to the front.
  struct Spawned {
    broker::Spawned facts;
    std::vector<UniqueFd> pipes;
  };
  using Done = std::function<void(absl::StatusOr<Spawned>)>;

  // `front_pid` gives the front's pid or 0; `left` of the observer is not
  // called. All pointers must outlive this.
  // Blocks; the rest does not.
  static absl::StatusOr<std::unique_ptr<Jobs>> Create(
      JobsOptions options, Loop* loop, OffLoop* off_loop,
      ProcessTable::Observer observer, std::function<pid_t()> front_pid);
  ~Jobs();
  Jobs(const Jobs&) = delete;

  // Calls `done` once, perhaps at once: when the exec has failed, or succeeded
  // and a Start is recorded. A Start that cannot be recorded fails, and does
  // not run, or no more: the next broker would not know whose it is. The
  // command has passed CheckRequest, `input` is a sealed memfd or none. Not
  // called for an Exec that AbandonExecs met.
  void Spawn(const broker::Spawn& command, UniqueFd input, Done done);

  // Ends all Execs, those on their way too: nobody is there any more to be
  // told.
  void AbandonExecs(absl::Duration grace);

  // Ends the Starts whose programs do not run yet; they are answered.
  void AbandonStarts();

  // A child of this process was waited for.
  void OnChildEnd(pid_t pid, int wait_status, const rusage& usage);

  // For the end of the program: true if no Exec is left, and no record to be
  // written.
  bool idle() const;

  ProcessTable& table() { return table_; }
  const StartedStore& store() const { return *store_; }
  const char* supervision() const { return pool_ ? "cgroup" : "session"; }
  const std::string& boot_id() const { return boot_id_; }

  // The agent's own: broker, front, helpers.
  bool IsOwn(int64_t pid) const;
  // A program of ours or a member of its tree.
  bool IsStartedHere(int64_t pid);
  // See ProcessTable.
  std::optional<int> SignalTree(int64_t pid, int signal);

 private:
  // A child that is not in the table yet.
  struct Pending {
    enum class Phase {
      kPreparing,  // its user is sought, and a Start recorded for the first
                   // time
      kBeforeExec,
      kNoExec,     // it has said so and ends by itself
      kRecording,  // it runs, or did; Start only
    } phase = Phase::kPreparing;
    broker::Spawn command;
    UniqueFd input;
    uint64_t fingerprint = 0;
    std::vector<Done> done;  // more than one with an idempotency key
    std::unique_ptr<Spawning> spawning;
    std::optional<Cgroup> group;
    std::vector<UniqueFd> pipes;
    absl::Duration begin;
    int64_t start_ticks = 0;
    // While it is recorded: it has ended, and its pid may be another's.
    std::optional<ExitFacts> exit;
    absl::Duration exit_time;
    Loop::TimerId timer;
  };

  // A Start that runs and could not be recorded, until nothing is left of it.
  struct Refused {
    std::vector<Done> done;
    absl::Status why;
  };

  Jobs(JobsOptions options, Loop* loop, OffLoop* off_loop,
       ProcessTable::Observer observer, std::function<pid_t()> front_pid,
       std::unique_ptr<StartedStore> store);

  bool AnswerRepeated(const broker::Spawn& command, uint64_t fingerprint,
                      Done& done);
  RunningCounts Count(const broker::Spawn& command) const;
  absl::Status Launch(JobId id, Preparer::Ready ready);
  absl::StatusOr<SpawnPlan> Plan(JobId id, const broker::Spawn& command,
                                 const User& user, bool becomes) const;
  absl::Status MakeStreams(JobId id, Pending& pending, const UniqueFd* log,
                           std::vector<UniqueFd>& child_ends);
  void OnReport(JobId id);
  void Run(JobId id);
  void Announce(JobId id);
  void Enter(JobId id, Pending pending);
  void Fail(JobId id, absl::Status why);
  void Refuse(JobId id, const absl::Status& why);
  bool IsLeft(JobId id) const { return table_.Find(id) != nullptr; }
  void OnExited(const ProcessTable::Job& job, absl::Duration wall);
  void OnGone(const ProcessTable::Job& job, const ProcessTable::Gone& gone);
  void OnLeft(const ProcessTable::Job& job, const Tree::Sign& sign);
  void WatchOnce(JobId id, int fd, uint32_t events,
                 std::function<void()> ready);
  void Unwatch(JobId id);
  std::unique_ptr<Tree> MakeTree(JobId id, Pending& pending);
  broker::Spawned FactsOf(JobId id, const Pending& pending) const;
  void RecordEnd(const ProcessTable::Job& job);
  void TakeOver();
  void TakeOverJob(const broker::StartedJob& record,
                   const std::set<std::string>& living);
  void TakeOverRunning(const broker::StartedJob& record, UniqueFd pidfd);
  void TakeOverUnfinished(const broker::StartedJob& record,
                          const std::set<std::string>& living);
  std::unique_ptr<Tree> LeftOf(const broker::StartedJob& record,
                               const std::set<std::string>& living);
  std::unique_ptr<Tree> GroupOf(const broker::StartedJob& record);
  std::set<std::string> LivingIds();

  JobsOptions options_;
  Loop* loop_;
  OffLoop* off_loop_;
  ProcessTable::Observer observer_;
  std::function<pid_t()> front_pid_;
  std::string boot_id_;
  std::unique_ptr<StartedStore> store_;
  Preparer preparer_;
  GivenUp given_up_;
  ExecIds exec_ids_;
  std::unique_ptr<CgroupPool> pool_;
  std::function<bool(pid_t)> is_known_;
  std::set<pid_t> helpers_;
  std::map<JobId, Pending> pending_;
  std::map<JobId, Refused> refused_;
  // One descriptor of a job's at most: what shows the end of a program of an
  // earlier broker, then of what a Start has left.
  std::map<JobId, int> watched_;
  ProcessTable table_;
};

}  // namespace specula::agent

#endif  // SPECULA_AGENT_BROKER_JOBS_H_
