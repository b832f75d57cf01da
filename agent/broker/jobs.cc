#include "agent/broker/jobs.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "agent/broker/channel.h"
#include "agent/broker/job_facts.h"
#include "agent/broker/log_pump.h"
#include "agent/broker/message.h"
#include "agent/broker/proc_stat.h"
#include "agent/broker/session_tree.h"
#include "agent/broker/signalling.h"
#include "lib/base/clock.h"
#include "lib/base/file.h"
#include "lib/base/log.h"
#include "lib/base/status_macros.h"

namespace specula::agent {
namespace {

// Between a child's birth and its exec; a working directory on a dead network
// file system can make that endless.
constexpr absl::Duration kStartPatience = absl::Seconds(30);

absl::StatusOr<std::pair<UniqueFd, UniqueFd>> MakePipe() {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return absl::ErrnoToStatus(errno, "pipe2()");
  return std::make_pair(UniqueFd(ends[0]), UniqueFd(ends[1]));
}

absl::StatusOr<std::string> ReadInput(const UniqueFd& input) {
  if (!input.valid()) return std::string();
  return ReadAll(input.get(), "standard input", kMaxMessageBytes);
}

}  // namespace

absl::StatusOr<std::unique_ptr<Jobs>> Jobs::Create(
    JobsOptions options, Loop* loop, OffLoop* off_loop,
    ProcessTable::Observer observer, std::function<pid_t()> front_pid) {
  RETURN_IF_ERROR(CheckCeiling(options.ceiling));
  ASSIGN_OR_RETURN(std::unique_ptr<StartedStore> store,
                   StartedStore::Open(options.state_directory,
                                      options.all_logs_bytes, off_loop));
  std::unique_ptr<CgroupPool> pool;
  if (options.use_cgroups) {
    auto made = CgroupPool::Create(store->owner(), options.cgroup_base);
    if (made.ok()) {
      pool = *std::move(made);
    } else if (options.ceiling.commands) {
      Log(LogLevel::kWarning,
          "process trees are held by session, not by control group",
          {{"reason", made.status().message()}});
    }
  }
  std::unique_ptr<Jobs> jobs(new Jobs(std::move(options), loop, off_loop,
                                      std::move(observer), std::move(front_pid),
                                      std::move(store)));
  jobs->pool_ = std::move(pool);
  jobs->TakeOver();
  return jobs;
}

Jobs::Jobs(JobsOptions options, Loop* loop, OffLoop* off_loop,
           ProcessTable::Observer observer, std::function<pid_t()> front_pid,
           std::unique_ptr<StartedStore> store)
    : options_(std::move(options)),
      loop_(loop),
      off_loop_(off_loop),
      observer_(std::move(observer)),
      front_pid_(std::move(front_pid)),
      boot_id_(ReadBootId()),
      store_(std::move(store)),
      preparer_(&options_.ceiling, loop, off_loop, store_.get()),
      given_up_(loop),
      exec_ids_(off_loop),
      is_known_([this](pid_t pid) {
        return IsOwn(pid) || table_.FindByPid(pid) != nullptr ||
               std::any_of(pending_.begin(), pending_.end(),
                           [&](const auto& entry) {
                             return entry.second.spawning &&
                                    entry.second.spawning->pid() == pid;
                           });
      }),
      table_({[this](const ProcessTable::Job& job, absl::Duration wall) {
                if (job.facts.started) RecordEnd(job);
                observer_.exited(job, wall);
              },
              [this](const ProcessTable::Job& job,
                     const ProcessTable::Gone& gone) {
                observer_.gone(job, gone);
              }}) {}

Jobs::~Jobs() {
  for (auto& [id, pending] : pending_) {
    loop_->Cancel(pending.timer);
    if (pending.spawning) loop_->Unwatch(pending.spawning->report_fd());
  }
}

void Jobs::Spawn(const broker::Spawn& command, UniqueFd input, Done done) {
  uint64_t fingerprint = 0;
  if (command.start() && !command.idempotency_key().empty()) {
    const auto bytes = ReadInput(input);
    if (!bytes.ok()) return done(bytes.status());
    fingerprint = FingerprintOf(command, *bytes);
    if (AnswerRepeated(command, fingerprint, done)) return;
  }
  const absl::Status allowed =
      AllowsCommand(options_.ceiling, command.start(), Count(command));
  if (!allowed.ok()) return done(allowed);

  const JobId id = NewJobId();
  Pending& pending = pending_[id];
  pending.command = command;
  pending.input = std::move(input);
  pending.fingerprint = fingerprint;
  pending.done.push_back(std::move(done));
  pending.begin = MonotonicNow();
  pending.timer = loop_->At(pending.begin + kStartPatience, [this, id] {
    Fail(id, absl::DeadlineExceededError(
                 "the program did not begin to run within 30 s"));
  });
  preparer_.Prepare(
      id, command, [this, id](absl::StatusOr<Preparer::Ready> ready) {
        // Abandoned or over its time meanwhile.
        if (pending_.count(id) == 0) return;
        const absl::Status status =
            ready.ok() ? Launch(id, *std::move(ready)) : ready.status();
        if (!status.ok()) Fail(id, status);
      });
}

bool Jobs::AnswerRepeated(const broker::Spawn& command, uint64_t fingerprint,
                          Done& done) {
  const auto other = [&] {
    done(absl::AlreadyExistsError(
        "idempotency key: was used for another command"));
    return true;
  };
  const broker::StartedJob* record =
      store_->FindKey(command.caller(), command.idempotency_key());
  if (record != nullptr) {
    if (record->fingerprint() != fingerprint) return other();
    Spawned spawned{SpawnedOf(*record), {}};
    spawned.facts.set_repeated_start(true);
    done(std::move(spawned));
    return true;
  }
  for (auto& [id, pending] : pending_) {
    if (!pending.command.start() ||
        pending.command.caller() != command.caller() ||
        pending.command.idempotency_key() != command.idempotency_key()) {
      continue;
    }
    if (pending.fingerprint != fingerprint) return other();
    pending.done.push_back(std::move(done));
    return true;
  }
  return false;
}

RunningCounts Jobs::Count(const broker::Spawn& command) const {
  RunningCounts counts;
  const auto count = [&](bool started, const std::string& caller) {
    counts.started += started ? 1 : 0;
    counts.execs += started ? 0 : 1;
    counts.execs_of_caller += !started && caller == command.caller() ? 1 : 0;
  };
  for (const auto& [id, pending] : pending_) {
    count(pending.command.start(), pending.command.caller());
  }
  for (const auto& [id, job] : table_.jobs()) {
    // A started program that has ended and left a daemon behind counts no more.
    if (!job.facts.started || !job.exit)
      count(job.facts.started, job.facts.caller);
  }
  return counts;
}

absl::StatusOr<SpawnPlan> Jobs::Plan(JobId id, const broker::Spawn& command,
                                     const User& user, bool becomes) const {
  const Environment asked = EnvironmentOf(command);
  const Environment environment = BuildEnvironment(user, asked, JobName(id));
  SpawnPlan plan;
  plan.argv = ArgumentsOf(command);
  ASSIGN_OR_RETURN(
      plan.programs,
      AllowedPrograms(options_.ceiling,
                      ProgramCandidates(plan.argv[0], environment.at("PATH")),
                      asked));
  plan.environment = EnvironmentStrings(environment);
  plan.directory_may_fail = command.working_directory().empty();
  plan.directory = plan.directory_may_fail ? environment.at("HOME")
                                           : command.working_directory();
  if (becomes) plan.user = user;
  plan.ends_with_parent = !command.start();
  return plan;
}

// Pipes, or a log with its helper. What is the child's goes into `child_ends`:
// its output, and its error output if apart.
absl::Status Jobs::MakeStreams(JobId id, Pending& pending, const UniqueFd* log,
                               std::vector<UniqueFd>& child_ends) {
  const int count =
      pending.command.start() || pending.command.merge_stderr() ? 1 : 2;
  for (int i = 0; i < count; ++i) {
    ASSIGN_OR_RETURN(auto pipe, MakePipe());
    pending.pipes.push_back(std::move(pipe.first));
    child_ends.push_back(std::move(pipe.second));
  }
  if (log == nullptr) {
    for (const UniqueFd& pipe : pending.pipes)
      fcntl(pipe.get(), F_SETFL, O_NONBLOCK);
    return absl::OkStatus();
  }
  absl::StatusOr<pid_t> helper = 0;
  off_loop_->Fork([&] {
    helper = StartLogPump(pending.pipes[0].get(), log->get(),
                          store_->LogPath(id), options_.log_bytes);
  });
  RETURN_IF_ERROR(helper.status());
  helpers_.insert(*helper);
  pending.pipes.clear();
  return absl::OkStatus();
}

absl::Status Jobs::Launch(JobId id, Preparer::Ready ready) {
  Pending& pending = pending_.at(id);
  ASSIGN_OR_RETURN(SpawnPlan plan,
                   Plan(id, pending.command, ready.user, ready.becomes));
  std::vector<UniqueFd> child_ends;
  RETURN_IF_ERROR(MakeStreams(id, pending, ready.log.get(), child_ends));
  SpawnGroup group;
  if (pool_) {
    ASSIGN_OR_RETURN(pending.group, pool_->Take());
    group = {pending.group->directory_fd(), pending.group->procs_fd()};
  }
  const SpawnStreams streams = {pending.input.get(), child_ends.front().get(),
                                child_ends.back().get()};
  ASSIGN_OR_RETURN(pending.spawning,
                   Spawning::Launch(std::move(plan), streams, group));
  pending.phase = Pending::Phase::kBeforeExec;
  pending.input.Reset();
  loop_->Watch(pending.spawning->report_fd(), EPOLLIN,
               [this, id](uint32_t) { OnReport(id); });
  // While the child is on its way.
  if (auto stat = ReadProcStat(pending.spawning->pid()); stat.ok()) {
    pending.start_ticks = stat->start_ticks;
  }
  return absl::OkStatus();
}

void Jobs::OnReport(JobId id) {
  Pending& pending = pending_.at(id);
  loop_->Unwatch(pending.spawning->report_fd());
  const absl::Status status = pending.spawning->Finish();
  if (status.ok()) {
    Run(id);
  } else {
    Fail(id, status);
  }
}

std::unique_ptr<Tree> Jobs::MakeTree(JobId id, Pending& pending) {
  if (pending.group)
    return std::make_unique<CgroupTree>(*std::move(pending.group), pool_.get());
  TreeRoot root = {pending.spawning->pid(), pending.start_ticks, JobName(id),
                   getpid()};
  return std::make_unique<SessionTree>(std::move(root), &is_known_, &exec_ids_);
}

void Jobs::Run(JobId id) {
  Pending& pending = pending_.at(id);
  loop_->Cancel(pending.timer);
  if (!pending.command.start()) return Announce(id);
  pending.phase = Pending::Phase::kRecording;
  const broker::StartedJob record =
      RecordOf(FactsOf(id, pending), pending.command, pending.fingerprint,
               pending.group ? pending.group->path() : "");
  store_->Put(record, [this, id](const absl::Status& status) {
    if (!status.ok()) {
      Log(LogLevel::kWarning,
          "a started program will not be known to the next broker",
          {{"job", JobName(id)}, {"reason", status.message()}});
    }
    if (pending_.count(id) > 0) Announce(id);
  });
}

broker::Spawned Jobs::FactsOf(JobId id, const Pending& pending) const {
  broker::Spawned facts;
  facts.set_job(id);
  facts.set_pid(pending.spawning->pid());
  facts.set_start_ticks(pending.start_ticks);
  facts.set_boot_id(boot_id_);
  if (pending.command.start()) facts.set_log_path(store_->LogPath(id));
  return facts;
}

// The table has it from now on, and who asked is answered before it tells
// anything of it.
void Jobs::Announce(JobId id) {
  Pending pending = std::move(pending_.extract(id).mapped());
  const broker::Spawn& command = pending.command;

  Spawned spawned{FactsOf(id, pending), {}};
  JobFacts facts;
  facts.id = id;
  facts.started = command.start();
  facts.caller = command.caller();
  facts.pid = pending.spawning->pid();
  facts.start_ticks = pending.start_ticks;
  if (command.has_grace_milliseconds()) {
    facts.grace = absl::Milliseconds(command.grace_milliseconds());
  }
  if (!command.start()) {
    facts.timeout = AllowedTimeout(
        options_.ceiling, absl::Milliseconds(command.timeout_milliseconds()));
    spawned.facts.set_output_limit_bytes(
        AllowedOutputBytes(options_.ceiling, command.output_limit_bytes()));
    spawned.pipes = std::move(pending.pipes);
  }
  UniqueFd pidfd = pending.spawning->TakePidfd();
  table_.Add(std::move(facts), MakeTree(id, pending), std::move(pidfd),
             pending.begin);

  for (size_t i = 1; i < pending.done.size(); ++i) {
    Spawned again{spawned.facts, {}};
    again.facts.set_repeated_start(true);
    pending.done[i](std::move(again));
  }
  pending.done[0](std::move(spawned));
}

void Jobs::Fail(JobId id, absl::Status why) {
  Pending pending = std::move(pending_.extract(id).mapped());
  loop_->Cancel(pending.timer);
  if (pending.spawning) loop_->Unwatch(pending.spawning->report_fd());
  given_up_.Take(std::move(pending.spawning));
  if (pending.group) pool_->Return(*std::move(pending.group));
  auto tell = [done = std::move(pending.done), why] {
    for (const Done& each : done) each(why);
  };
  if (!pending.command.start()) return tell();
  store_->RemoveLog(id, std::move(tell));
}

void Jobs::AbandonExecs(absl::Duration grace) {
  std::vector<JobId> abandoned;
  for (auto& [id, pending] : pending_) {
    // A started one is told to nobody, but it runs and is listed.
    for (Done& done : pending.done) done = [](absl::StatusOr<Spawned>) {};
    if (!pending.command.start()) abandoned.push_back(id);
  }
  for (JobId id : abandoned) Fail(id, absl::CancelledError("abandoned"));
  table_.EndAllExecs(grace, MonotonicNow());
}

void Jobs::OnChildEnd(pid_t pid, int wait_status, const rusage& usage) {
  helpers_.erase(pid);
  const auto born =
      std::find_if(pending_.begin(), pending_.end(), [&](const auto& entry) {
        const Pending& pending = entry.second;
        return pending.spawning && pending.spawning->pid() == pid;
      });
  if (born != pending_.end()) {
    const JobId id = born->first;
    // Its report and its end may lie in one turn of the loop, in any order.
    if (born->second.phase == Pending::Phase::kBeforeExec) OnReport(id);
    // The next broker has nothing to take over: its record is not waited for.
    if (pending_.count(id) > 0) Announce(id);
  }
  table_.OnProgramEnd(pid, ExitFactsOf(wait_status, usage), MonotonicNow());
}

bool Jobs::idle() const {
  const bool pending = std::any_of(
      pending_.begin(), pending_.end(),
      [](const auto& entry) { return !entry.second.command.start(); });
  return !pending && !store_->writing() &&
         std::all_of(
             table_.jobs().begin(), table_.jobs().end(),
             [](const auto& entry) { return entry.second.facts.started; });
}

bool Jobs::IsOwn(int64_t pid) const {
  if (options_.stand_in != 0 && pid == options_.stand_in) return true;
  return pid == getpid() || pid == front_pid_() ||
         helpers_.count(static_cast<pid_t>(pid)) > 0 ||
         preparer_.Owns(static_cast<pid_t>(pid));
}

bool Jobs::IsStartedHere(int64_t pid) {
  if (table_.FindByPid(static_cast<pid_t>(pid)) != nullptr) return true;
  return std::any_of(
      table_.jobs().begin(), table_.jobs().end(), [&](const auto& entry) {
        const std::vector<pid_t> members = entry.second.tree->Members();
        return std::find(members.begin(), members.end(), pid) != members.end();
      });
}

std::optional<int> Jobs::SignalTree(int64_t pid, int signal) {
  return table_.SignalTree(static_cast<pid_t>(pid), signal, MonotonicNow());
}

void Jobs::RecordEnd(const ProcessTable::Job& job) {
  const JobId id = job.facts.id;
  const auto found = store_->jobs().find(id);
  if (found == store_->jobs().end()) return;
  broker::StartedJob record = found->second;
  record.set_ended(true);
  if (job.exit->code) record.set_exit_code(*job.exit->code);
  if (job.exit->signal) record.set_exit_signal(*job.exit->signal);
  store_->Put(record, [id](const absl::Status& status) {
    if (status.ok()) return;
    Log(LogLevel::kWarning, "the end of a started program was not recorded",
        {{"job", JobName(id)}, {"reason", status.message()}});
  });
}

void Jobs::TakeOver() {
  const std::map<JobId, broker::StartedJob> records = store_->jobs();
  std::vector<std::string> groups;
  for (const auto& [id, record] : records) {
    if (record.boot_id() != boot_id_) continue;
    // Also of one that ended: what it left behind lives on.
    if (!record.cgroup().empty()) groups.push_back(record.cgroup());
  }
  if (pool_) pool_->Sweep(groups);
  for (const auto& [id, record] : records) {
    if (!record.ended()) TakeOverJob(record);
  }
  store_->Prune();
}

void Jobs::TakeOverJob(const broker::StartedJob& record) {
  const pid_t pid = static_cast<pid_t>(record.pid());
  UniqueFd pidfd = OpenPidfd(pid);
  const auto stat = ReadProcStat(pid);
  const bool runs = record.boot_id() == boot_id_ && pidfd.valid() &&
                    stat.ok() && stat->start_ticks == record.start_ticks() &&
                    !stat->dead();
  if (!runs) {
    broker::StartedJob ended = record;
    ended.set_ended(true);
    store_->Put(ended, [](const absl::Status&) {});
    return;
  }
  JobFacts facts;
  facts.id = record.job();
  facts.started = true;
  facts.caller = record.caller();
  facts.pid = pid;
  facts.start_ticks = record.start_ticks();
  std::unique_ptr<Tree> tree;
  if (auto group = Cgroup::Open(record.cgroup());
      !record.cgroup().empty() && group.ok()) {
    tree = std::make_unique<CgroupTree>(*std::move(group), nullptr);
  } else {
    tree = std::make_unique<SessionTree>(
        TreeRoot{pid, record.start_ticks(), JobName(record.job()), 0},
        &is_known_, &exec_ids_);
  }
  // It is not our child: its end is seen by its pidfd, and how it ended is not
  // told.
  const int fd = pidfd.get();
  loop_->Watch(fd, EPOLLIN, [this, pid, fd](uint32_t) {
    loop_->Unwatch(fd);
    table_.OnProgramEnd(pid, {}, MonotonicNow());
  });
  table_.Add(std::move(facts), std::move(tree), std::move(pidfd),
             MonotonicNow());
}

}  // namespace specula::agent
