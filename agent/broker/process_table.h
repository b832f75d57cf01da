#ifndef SPECULA_AGENT_BROKER_PROCESS_TABLE_H_
#define SPECULA_AGENT_BROKER_PROCESS_TABLE_H_

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "agent/broker/tree.h"
#include "lib/base/unique_fd.h"

namespace specula::agent {

using JobId = uint64_t;

// How long after a program's end its output may still be held open by what it
// left behind, before that is killed.
inline constexpr absl::Duration kDrain = absl::Seconds(2);

// Between TERM and KILL, where a job does not say otherwise.
inline constexpr absl::Duration kDefaultGrace = absl::Seconds(5);

// How long after KILL processes are waited for; one in state D may never go.
inline constexpr absl::Duration kKillPatience = absl::Seconds(2);

// How a program ended and what it took, with the children it waited for.
struct ExitFacts {
  std::optional<int> code;  // neither for a child of an earlier broker
  std::optional<int> signal;
  absl::Duration user_time;
  absl::Duration system_time;
  int64_t peak_memory_bytes = 0;
};

// What a new child is.
struct JobFacts {
  JobId id = 0;
  bool started = false;  // a Start: nothing but EndTree ends its tree
  std::string caller;
  pid_t pid = 0;
  int64_t start_ticks = 0;
  absl::Duration grace = kDefaultGrace;
  absl::Duration timeout;  // 0: none
};

// The children's last chapter, as a state machine: which child is where between
// its exec and the moment when nothing of its tree is left, and what is to be
// done next. What a Start leaves behind stays in "left" until it has ended by
// itself, which its Tree shows.
//
//   running ── program ends ──> left ── Finish, or 2 s ──> killing ──> gone
//      │                                                      ^
//      └── EndTree, timeout ──> terminating ── grace over ────┘
//
// "gone" is said as soon as the tree is empty and the program waited for, in
// whatever state. It has no clock and makes no system call but through a job's
// Tree: times are given, all of one clock, and what happens is told to the
// observer, which may call nothing of the table but Find. Not thread-safe.
class ProcessTable {
 public:
  struct Gone {
    int killed_count = 0;    // others than the program that were sent KILL
    int survivor_count = 0;  // those that did not die of it in time
    bool drain_over = false;
    bool timed_out = false;
  };

  // A child that is not gone.
  struct Job {
    JobFacts facts;
    std::unique_ptr<Tree> tree;
    UniqueFd pidfd;
    absl::Duration begin;
    std::optional<ExitFacts> exit;

    enum class Phase {
      kRunning,
      kLeft,
      kTerminating,
      kKilling
    } phase = Phase::kRunning;
    absl::Duration timeout_at = absl::InfiniteDuration();
    absl::Duration step_at =
        absl::InfiniteDuration();  // the next step of the phase
    absl::Duration poll_every;     // while an end is awaited
    absl::Duration phase_end;      // of terminating and killing
    absl::Duration look_at;        // what a Start left: not before this again
    std::set<pid_t> told;          // who was sent TERM
    // The last signal of SignalTree, for who was being born meanwhile.
    struct Sent {
      int signal = 0;
      std::set<pid_t> told;
      absl::Duration next = absl::InfiniteDuration();  // the next look
      absl::Duration every;
      absl::Duration end;
    } sent;
    std::set<pid_t> killed;
    Gone gone;
  };

  struct Observer {
    // The program has ended; `wall` from its begin on.
    std::function<void(const Job&, absl::Duration wall)> exited;
    // The last word; the job is forgotten after it.
    std::function<void(const Job&, const Gone&)> gone;
    // What a Start has left behind lives on: MayBeEmpty is to be called, once,
    // when the sign shows.
    std::function<void(const Job&, const Tree::Sign&)> left;
  };

  explicit ProcessTable(Observer observer) : observer_(std::move(observer)) {}

  // A child whose exec has succeeded; its time counts from `begin`.
  void Add(JobFacts facts, std::unique_ptr<Tree> tree, UniqueFd pidfd,
           absl::Duration begin);

  // One whose program was waited for before this, or by another broker: its pid
  // may be another's by now. Tells that it has exited.
  void AddEnded(JobFacts facts, std::unique_ptr<Tree> tree,
                absl::Duration begin, const ExitFacts& exit,
                absl::Duration now);

  // The sign of Observer::left shows. The next Tick looks; after the first time
  // never more than once a second for one job. Does nothing for a job that is
  // gone.
  void MayBeEmpty(JobId id, absl::Duration now);

  // The program of a job was waited for. False if the pid is none's.
  bool OnProgramEnd(pid_t pid, const ExitFacts& facts, absl::Duration now);

  // All its output was read: what is left is killed. Does nothing while the
  // program runs, and not for a Start.
  absl::Status Finish(JobId id, absl::Duration now);

  // TERM to all of the tree, also to those who were just being born; KILL after
  // `grace` (absent: the job's own). Repeated, it can only shorten the time.
  absl::Status EndTree(JobId id, std::optional<absl::Duration> grace,
                       absl::Duration now);
  void EndAllExecs(absl::Duration grace, absl::Duration now);

  // Sends a signal to the tree of a program that runs, and for a second to
  // those as well who were just being born of somebody that it ended. To how
  // many of them at once; absent if the pid is no such program's.
  std::optional<int> SignalTree(pid_t pid, int signal, absl::Duration now);

  // Does what is due. The time for the next call; infinite if nothing is
  // awaited.
  absl::Duration Tick(absl::Duration now);
  absl::Duration next_wake() const;

  // NOT_FOUND for the methods above and null here, for a job that is gone.
  const Job* Find(JobId id) const;
  const Job* FindByPid(pid_t pid) const;
  const std::map<JobId, Job>& jobs() const { return jobs_; }

 private:
  // Both may end with the job gone.
  void OnExit(Job& job, const ExitFacts& facts, absl::Duration now);
  void AwaitWhatIsLeft(Job& job, absl::Duration now);
  void BeginEnd(Job& job, absl::Duration grace, absl::Duration now);
  void BeginKill(Job& job, absl::Duration now);
  void Step(Job& job, absl::Duration now);
  void FollowSignal(Job& job, absl::Duration now);
  // True, and the job is no more, if nothing is left of it.
  bool GoneIfEmpty(JobId id);
  void SayGone(JobId id);

  Observer observer_;
  std::map<JobId, Job> jobs_;
  std::map<pid_t, JobId> by_pid_;
};

}  // namespace specula::agent

#endif  // SPECULA_AGENT_BROKER_PROCESS_TABLE_H_
