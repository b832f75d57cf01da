#include "agent/broker/process_table.h"

#include <signal.h>

#include <algorithm>
#include <vector>

#include "absl/strings/str_cat.h"

namespace specula::agent {
namespace {

// While the end of a tree is awaited it is looked at more and more seldom.
constexpr absl::Duration kFirstPoll = absl::Milliseconds(1);
constexpr absl::Duration kSlowestPoll = absl::Milliseconds(50);
// How long a signal is sent on to those who were being born.
constexpr absl::Duration kFollow = absl::Seconds(1);
// What goes from one process to the next on and on is not followed faster.
constexpr absl::Duration kLookAgain = absl::Seconds(1);

absl::Status NoSuchJob(JobId id) {
  return absl::NotFoundError(
      absl::StrCat("job ", absl::Hex(id), ": not there"));
}

}  // namespace

void ProcessTable::Add(JobFacts facts, std::unique_ptr<Tree> tree,
                       UniqueFd pidfd, absl::Duration begin) {
  Job& job = jobs_[facts.id];
  job.begin = begin;
  if (facts.timeout > absl::ZeroDuration())
    job.timeout_at = begin + facts.timeout;
  by_pid_[facts.pid] = facts.id;
  job.facts = std::move(facts);
  job.tree = std::move(tree);
  job.pidfd = std::move(pidfd);
}

void ProcessTable::AddEnded(JobFacts facts, std::unique_ptr<Tree> tree,
                            absl::Duration begin, const ExitFacts& exit,
                            absl::Duration now) {
  Job& job = jobs_[facts.id];
  job.begin = begin;
  job.facts = std::move(facts);
  job.tree = std::move(tree);
  OnExit(job, exit, now);
}

void ProcessTable::MayBeEmpty(JobId id, absl::Duration now) {
  const auto found = jobs_.find(id);
  if (found == jobs_.end()) return;
  Job& job = found->second;
  job.step_at = std::min(job.step_at, std::max(now, job.look_at));
}

bool ProcessTable::OnProgramEnd(pid_t pid, const ExitFacts& facts,
                                absl::Duration now) {
  const auto found = by_pid_.find(pid);
  if (found == by_pid_.end()) return false;
  const JobId id = found->second;
  // From now on the pid may become another's.
  by_pid_.erase(found);
  OnExit(jobs_.at(id), facts, now);
  return true;
}

void ProcessTable::OnExit(Job& job, const ExitFacts& facts,
                          absl::Duration now) {
  job.exit = facts;
  job.pidfd.Reset();
  job.timeout_at = absl::InfiniteDuration();
  if (job.phase == Job::Phase::kRunning) {
    job.phase = Job::Phase::kLeft;
    // What a Start leaves behind lives on: it is a daemon, most likely.
    if (!job.facts.started) job.step_at = now + kDrain;
  }
  observer_.exited(job, now - job.begin);
  if (job.phase == Job::Phase::kLeft && job.facts.started) {
    job.look_at = now;
    AwaitWhatIsLeft(job, now);
  } else {
    GoneIfEmpty(job.facts.id);
  }
}

// Invariant: after it the job is gone, or a sign or a step says when to look
// again.
void ProcessTable::AwaitWhatIsLeft(Job& job, absl::Duration now) {
  job.step_at = absl::InfiniteDuration();
  const std::optional<Tree::Sign> sign = job.tree->SignOfEnd();
  if (!sign) return SayGone(job.facts.id);
  if (sign->fd >= 0) {
    observer_.left(job, *sign);
  } else {
    job.step_at = now + kLookAgain;
  }
}

absl::Status ProcessTable::Finish(JobId id, absl::Duration now) {
  const auto found = jobs_.find(id);
  if (found == jobs_.end()) return NoSuchJob(id);
  Job& job = found->second;
  if (job.phase == Job::Phase::kLeft && !job.facts.started &&
      !GoneIfEmpty(id)) {
    BeginKill(job, now);
  }
  return absl::OkStatus();
}

absl::Status ProcessTable::EndTree(JobId id,
                                   std::optional<absl::Duration> grace,
                                   absl::Duration now) {
  const auto found = jobs_.find(id);
  if (found == jobs_.end()) return NoSuchJob(id);
  BeginEnd(found->second, grace.value_or(found->second.facts.grace), now);
  return absl::OkStatus();
}

void ProcessTable::EndAllExecs(absl::Duration grace, absl::Duration now) {
  for (auto& [id, job] : jobs_) {
    if (!job.facts.started)
      BeginEnd(job, std::min(grace, job.facts.grace), now);
  }
}

void ProcessTable::BeginEnd(Job& job, absl::Duration grace,
                            absl::Duration now) {
  if (job.phase == Job::Phase::kKilling) return;
  if (grace <= absl::ZeroDuration()) {
    BeginKill(job, now);
    return;
  }
  const absl::Duration end = now + grace;
  if (job.phase == Job::Phase::kTerminating) {
    job.phase_end = std::min(job.phase_end, end);
    job.step_at = std::min(job.step_at, job.phase_end);
    return;
  }
  job.phase = Job::Phase::kTerminating;
  job.timeout_at = absl::InfiniteDuration();
  job.phase_end = end;
  job.poll_every = kFirstPoll;
  job.step_at = std::min(now + kFirstPoll, end);
  for (pid_t pid : job.tree->Signal(SIGTERM)) job.told.insert(pid);
  // Who is stopped could not even die of TERM.
  job.tree->Signal(SIGCONT);
}

void ProcessTable::BeginKill(Job& job, absl::Duration now) {
  job.phase = Job::Phase::kKilling;
  job.timeout_at = absl::InfiniteDuration();
  job.phase_end = now + kKillPatience;
  job.poll_every = kFirstPoll;
  job.step_at = now + kFirstPoll;
  for (pid_t pid : job.tree->Kill()) job.killed.insert(pid);
}

std::optional<int> ProcessTable::SignalTree(pid_t pid, int signal,
                                            absl::Duration now) {
  const auto found = by_pid_.find(pid);
  if (found == by_pid_.end()) return std::nullopt;
  Job& job = jobs_.at(found->second);
  if (signal == SIGKILL) return static_cast<int>(job.tree->Kill().size());
  const std::vector<pid_t> told = job.tree->Signal(signal);
  job.sent.signal = signal;
  job.sent.told = {told.begin(), told.end()};
  job.sent.every = kFirstPoll;
  job.sent.next = now + kFirstPoll;
  job.sent.end = now + kFollow;
  return static_cast<int>(told.size());
}

void ProcessTable::FollowSignal(Job& job, absl::Duration now) {
  Job::Sent& sent = job.sent;
  for (pid_t pid : job.tree->SignalOrphans(sent.signal, sent.told))
    sent.told.insert(pid);
  sent.next = now >= sent.end ? absl::InfiniteDuration() : now + sent.every;
  sent.every = std::min(sent.every * 2, kSlowestPoll);
}

absl::Duration ProcessTable::Tick(absl::Duration now) {
  std::vector<JobId> due;
  for (const auto& [id, job] : jobs_) {
    if (std::min({job.timeout_at, job.step_at, job.sent.next}) <= now)
      due.push_back(id);
  }
  for (JobId id : due) {
    Job& job = jobs_.at(id);
    if (job.sent.next <= now) {
      if (GoneIfEmpty(id)) continue;
      FollowSignal(job, now);
    }
    if (job.timeout_at <= now) {
      job.gone.timed_out = true;
      BeginEnd(job, job.facts.grace, now);
    } else if (job.step_at <= now) {
      Step(job, now);
    }
  }
  return next_wake();
}

void ProcessTable::Step(Job& job, absl::Duration now) {
  const JobId id = job.facts.id;
  if (job.phase == Job::Phase::kLeft && job.facts.started) {
    job.look_at = now + kLookAgain;
    return AwaitWhatIsLeft(job, now);
  }
  if (GoneIfEmpty(id)) return;
  switch (job.phase) {
    case Job::Phase::kRunning:
      job.step_at = absl::InfiniteDuration();
      return;
    case Job::Phase::kLeft:
      job.gone.drain_over = true;
      BeginKill(job, now);
      return;
    case Job::Phase::kTerminating:
      if (now >= job.phase_end) {
        BeginKill(job, now);
        return;
      }
      for (pid_t pid : job.tree->SignalOrphans(SIGTERM, job.told))
        job.told.insert(pid);
      break;
    case Job::Phase::kKilling: {
      // Again and again: who was just being born was perhaps missed.
      const std::vector<pid_t> left = job.tree->Kill();
      job.killed.insert(left.begin(), left.end());
      if (now >= job.phase_end) {
        job.gone.survivor_count =
            std::max<int>(static_cast<int>(left.size()), job.exit ? 0 : 1);
        SayGone(id);
        return;
      }
      break;
    }
  }
  job.step_at = std::min(now + job.poll_every, job.phase_end);
  job.poll_every = std::min(job.poll_every * 2, kSlowestPoll);
}

bool ProcessTable::GoneIfEmpty(JobId id) {
  const Job& job = jobs_.at(id);
  if (!job.exit || !job.tree->Empty()) return false;
  SayGone(id);
  return true;
}

void ProcessTable::SayGone(JobId id) {
  const auto found = jobs_.find(id);
  Job& job = found->second;
  job.killed.erase(job.facts.pid);
  job.gone.killed_count = static_cast<int>(job.killed.size());
  observer_.gone(job, job.gone);
  if (!job.exit) by_pid_.erase(job.facts.pid);
  jobs_.erase(found);
}

absl::Duration ProcessTable::next_wake() const {
  absl::Duration next = absl::InfiniteDuration();
  for (const auto& [id, job] : jobs_)
    next = std::min({next, job.timeout_at, job.step_at, job.sent.next});
  return next;
}

const ProcessTable::Job* ProcessTable::Find(JobId id) const {
  const auto found = jobs_.find(id);
  return found == jobs_.end() ? nullptr : &found->second;
}

const ProcessTable::Job* ProcessTable::FindByPid(pid_t pid) const {
  const auto found = by_pid_.find(pid);
  return found == by_pid_.end() ? nullptr : Find(found->second);
}

}  // namespace specula::agent
