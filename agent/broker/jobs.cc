#include "agent/broker/jobs.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "absl/strings/match.h"
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

// What is known of one that another broker has started.
JobFacts TakenFacts(const broker::StartedJob& record) {
  JobFacts facts;
  facts.id = record.job();
  facts.started = true;
  facts.caller = record.caller();
  facts.pid = static_cast<pid_t>(record.pid());
  facts.start_ticks = record.start_ticks();
  return facts;
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
               std::any_of(
                   pending_.begin(), pending_.end(), [&](const auto& entry) {
                     return entry.second.spawning && !entry.second.exit &&
                            entry.second.spawning->pid() == pid;
                   });
      }),
      table_({[this](const ProcessTable::Job& job, absl::Duration wall) {
                OnExited(job, wall);
              },
              [this](const ProcessTable::Job& job,
                     const ProcessTable::Gone& gone) { OnGone(job, gone); },
              [this](const ProcessTable::Job& job, const Tree::Sign& sign) {
                OnLeft(job, sign);
              }}) {}

Jobs::~Jobs() {
  for (const auto& [id, fd] : watched_) loop_->Unwatch(fd);
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
  std::optional<broker::StartedJob> record;
  if (command.start()) {
    store_->Prune([this](JobId other) { return IsLeft(other); });
    record = RecordOf(FactsOf(id, pending), command, fingerprint,
                      pool_ ? pool_->PathOf(JobName(id)) : "");
  }
  preparer_.Prepare(
      command, record, [this, id](absl::StatusOr<Preparer::Ready> ready) {
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
  // First those on their way: the store may know one that is refused yet.
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
  const broker::StartedJob* record =
      store_->FindKey(command.caller(), command.idempotency_key());
  if (record == nullptr) return false;
  if (record->fingerprint() != fingerprint) return other();
  Spawned spawned{SpawnedOf(*record), {}};
  spawned.facts.set_repeated_start(true);
  done(std::move(spawned));
  return true;
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
  // Also a started program that has ended and left a daemon behind.
  for (const auto& [id, job] : table_.jobs())
    count(job.facts.started, job.facts.caller);
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
    ASSIGN_OR_RETURN(pending.group, pending.command.start()
                                        ? pool_->Make(JobName(id))
                                        : pool_->Take());
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
    pending.phase = Pending::Phase::kNoExec;
    Fail(id, status);
  }
}

std::unique_ptr<Tree> Jobs::MakeTree(JobId id, Pending& pending) {
  if (pending.group) {
    if (pending.command.start()) pending.group->CloseToBirths();
    return std::make_unique<CgroupTree>(*std::move(pending.group), pool_.get());
  }
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
    if (status.ok()) {
      Announce(id);
    } else {
      Refuse(id, status);
    }
  });
}

broker::Spawned Jobs::FactsOf(JobId id, const Pending& pending) const {
  broker::Spawned facts;
  facts.set_job(id);
  if (pending.spawning) facts.set_pid(pending.spawning->pid());
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
  if (!command.start()) {
    spawned.facts.set_output_limit_bytes(
        AllowedOutputBytes(options_.ceiling, command.output_limit_bytes()));
    spawned.pipes = std::move(pending.pipes);
  }
  const std::vector<Done> done = std::move(pending.done);
  for (size_t i = 1; i < done.size(); ++i) {
    Spawned again{spawned.facts, {}};
    again.facts.set_repeated_start(true);
    done[i](std::move(again));
  }
  done[0](std::move(spawned));
  Enter(id, std::move(pending));
}

void Jobs::Enter(JobId id, Pending pending) {
  const broker::Spawn& command = pending.command;
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
  }
  std::unique_ptr<Tree> tree = MakeTree(id, pending);
  if (pending.exit) {
    table_.AddEnded(std::move(facts), std::move(tree), pending.begin,
                    *pending.exit, pending.exit_time);
  } else {
    table_.Add(std::move(facts), std::move(tree), pending.spawning->TakePidfd(),
               pending.begin);
  }
}

// Who asked is answered when nothing of the program is left.
void Jobs::Refuse(JobId id, const absl::Status& why) {
  Pending pending = std::move(pending_.extract(id).mapped());
  Log(LogLevel::kWarning,
      "a started program is ended, because it cannot be recorded",
      {{"job", JobName(id)}, {"reason", why.message()}});
  store_->Forget(id, [] {});
  refused_[id] = {std::move(pending.done), why};
  Enter(id, std::move(pending));
  // NOT_FOUND: it has ended by itself.
  table_.EndTree(id, absl::ZeroDuration(), MonotonicNow()).IgnoreError();
}

void Jobs::Fail(JobId id, absl::Status why) {
  Pending pending = std::move(pending_.extract(id).mapped());
  loop_->Cancel(pending.timer);
  if (pending.spawning) loop_->Unwatch(pending.spawning->report_fd());
  if (pending.phase == Pending::Phase::kBeforeExec) {
    // Its program may just have begun, which has not been read yet.
    MakeTree(id, pending)->Kill();
  } else if (pending.group) {
    pool_->Return(*std::move(pending.group));
  }
  given_up_.Take(std::move(pending.spawning));
  auto tell = [done = std::move(pending.done), why] {
    for (const Done& each : done) each(why);
  };
  if (!pending.command.start()) return tell();
  store_->Forget(id, std::move(tell));
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

void Jobs::AbandonStarts() {
  std::vector<JobId> abandoned;
  for (const auto& [id, pending] : pending_) {
    if (pending.command.start() && pending.phase != Pending::Phase::kRecording)
      abandoned.push_back(id);
  }
  for (JobId id : abandoned)
    Fail(id, absl::UnavailableError("the agent is ending"));
}

void Jobs::OnExited(const ProcessTable::Job& job, absl::Duration wall) {
  Unwatch(job.facts.id);
  if (refused_.count(job.facts.id) > 0) return;
  if (job.facts.started) RecordEnd(job);
  observer_.exited(job, wall);
}

void Jobs::OnGone(const ProcessTable::Job& job,
                  const ProcessTable::Gone& gone) {
  Unwatch(job.facts.id);
  auto refused = refused_.extract(job.facts.id);
  if (refused.empty()) return observer_.gone(job, gone);
  if (gone.survivor_count > 0) {
    Log(LogLevel::kError,
        "processes of a refused start do not die of KILL and are given up",
        {{"job", JobName(job.facts.id)}, {"count", gone.survivor_count}});
  }
  for (const Done& done : refused.mapped().done) done(refused.mapped().why);
}

void Jobs::OnLeft(const ProcessTable::Job& job, const Tree::Sign& sign) {
  WatchOnce(job.facts.id, sign.fd, sign.events, [this, id = job.facts.id] {
    table_.MayBeEmpty(id, MonotonicNow());
  });
}

void Jobs::WatchOnce(JobId id, int fd, uint32_t events,
                     std::function<void()> ready) {
  Unwatch(id);
  watched_[id] = fd;
  loop_->Watch(fd, events, [this, id, ready = std::move(ready)](uint32_t) {
    Unwatch(id);
    ready();
  });
}

void Jobs::Unwatch(JobId id) {
  const auto found = watched_.find(id);
  if (found == watched_.end()) return;
  loop_->Unwatch(found->second);
  watched_.erase(found);
}

void Jobs::OnChildEnd(pid_t pid, int wait_status, const rusage& usage) {
  helpers_.erase(pid);
  const ExitFacts exit = ExitFactsOf(wait_status, usage);
  const auto born =
      std::find_if(pending_.begin(), pending_.end(), [&](const auto& entry) {
        const Pending& pending = entry.second;
        return pending.spawning && !pending.exit &&
               pending.spawning->pid() == pid;
      });
  if (born != pending_.end()) {
    const JobId id = born->first;
    // Its report and its end may lie in one turn of the loop, in any order.
    if (born->second.phase == Pending::Phase::kBeforeExec) OnReport(id);
    // Its record is waited for: something may be left of it.
    if (const auto recording = pending_.find(id); recording != pending_.end()) {
      recording->second.exit = exit;
      recording->second.exit_time = MonotonicNow();
      return;
    }
  }
  table_.OnProgramEnd(pid, exit, MonotonicNow());
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
  if (record.ended()) return;
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
  // A record that cannot be read still says that its group has an owner.
  std::vector<std::string> keep = store_->unread();
  for (const auto& [id, record] : records) {
    if (record.boot_id() != boot_id_ || record.pid() == 0) continue;
    // Also of one that ended: what it left behind lives on.
    if (!record.cgroup().empty()) keep.push_back(record.cgroup());
  }
  if (pool_) pool_->Sweep(keep);
  const bool by_id =
      std::any_of(records.begin(), records.end(), [&](const auto& entry) {
        return entry.second.boot_id() == boot_id_ &&
               entry.second.cgroup().empty();
      });
  const std::set<std::string> living =
      by_id ? LivingIds() : std::set<std::string>();
  for (const auto& [id, record] : records) TakeOverJob(record, living);
  store_->Prune([this](JobId id) { return IsLeft(id); });
}

std::set<std::string> Jobs::LivingIds() {
  std::vector<ProcStat> all = ReadAllProcStats();
  all.erase(std::remove_if(all.begin(), all.end(),
                           [](const ProcStat& stat) {
                             return stat.dead() || stat.kernel_thread;
                           }),
            all.end());
  std::set<std::string> ids;
  for (auto& [pid, id] : exec_ids_.Read(all)) ids.insert(std::move(id));
  return ids;
}

void Jobs::TakeOverJob(const broker::StartedJob& record,
                       const std::set<std::string>& living) {
  if (record.pid() == 0) return TakeOverUnfinished(record, living);
  const bool this_boot = record.boot_id() == boot_id_;
  if (this_boot && !record.ended()) {
    const pid_t pid = static_cast<pid_t>(record.pid());
    UniqueFd pidfd = OpenPidfd(pid);
    const auto stat = ReadProcStat(pid);
    if (pidfd.valid() && stat.ok() &&
        stat->start_ticks == record.start_ticks() && !stat->dead()) {
      return TakeOverRunning(record, std::move(pidfd));
    }
  }
  std::unique_ptr<Tree> left = this_boot ? LeftOf(record, living) : nullptr;
  if (left != nullptr) {
    // It is recorded that it has ended, if it is not yet.
    table_.AddEnded(TakenFacts(record), std::move(left), MonotonicNow(), {},
                    MonotonicNow());
  } else if (!record.ended()) {
    broker::StartedJob ended = record;
    ended.set_ended(true);
    store_->Put(ended, [](const absl::Status&) {});
  }
}

void Jobs::TakeOverRunning(const broker::StartedJob& record, UniqueFd pidfd) {
  const pid_t pid = static_cast<pid_t>(record.pid());
  std::unique_ptr<Tree> tree = GroupOf(record);
  if (tree == nullptr) {
    tree = std::make_unique<SessionTree>(
        TreeRoot{pid, record.start_ticks(), JobName(record.job()), 0},
        &is_known_, &exec_ids_);
  }
  // It is not our child: its end is seen by its pidfd, and how it ended is not
  // told.
  WatchOnce(record.job(), pidfd.get(), EPOLLIN,
            [this, pid] { table_.OnProgramEnd(pid, {}, MonotonicNow()); });
  table_.Add(TakenFacts(record), std::move(tree), std::move(pidfd),
             MonotonicNow());
}

// Ends it: it was not answered, and so may be asked for again.
void Jobs::TakeOverUnfinished(const broker::StartedJob& record,
                              const std::set<std::string>& living) {
  const JobId id = record.job();
  Log(LogLevel::kWarning,
      "a program was being started when the agent died; it is ended",
      {{"job", JobName(id)},
       {"caller", record.caller()},
       {"command", record.command()}});
  store_->Forget(id, [] {});
  // One with a control group was swept.
  if (record.boot_id() != boot_id_ || !record.cgroup().empty()) return;
  std::unique_ptr<Tree> left = LeftOf(record, living);
  if (left == nullptr) return;
  table_.AddEnded(TakenFacts(record), std::move(left), MonotonicNow(), {},
                  MonotonicNow());
  table_.EndTree(id, absl::ZeroDuration(), MonotonicNow()).IgnoreError();
}

std::unique_ptr<Tree> Jobs::GroupOf(const broker::StartedJob& record) {
  if (record.cgroup().empty()) return nullptr;
  auto group = Cgroup::Open(record.cgroup());
  if (!group.ok()) return nullptr;
  group->CloseToBirths();
  // Of a broker that had our pid: its directory is ours now, and stays.
  const std::string parent =
      record.cgroup().substr(0, record.cgroup().rfind('/'));
  CgroupPool* pool = pool_ && parent == pool_->path() ? pool_.get() : nullptr;
  return std::make_unique<CgroupTree>(*std::move(group), pool);
}

// What lives of a program that has ended; null if surely nothing does.
std::unique_ptr<Tree> Jobs::LeftOf(const broker::StartedJob& record,
                                   const std::set<std::string>& living) {
  const std::string name = JobName(record.job());
  if (record.cgroup().empty()) {
    if (living.count(name) == 0) return nullptr;
    return std::make_unique<SessionTree>(
        TreeRoot{-1, record.start_ticks(), name, 0}, &is_known_, &exec_ids_);
  }
  // An older broker may have given the group to another job since.
  if (!absl::EndsWith(record.cgroup(), absl::StrCat("/", name))) return nullptr;
  std::unique_ptr<Tree> tree = GroupOf(record);
  return tree != nullptr && !tree->Empty() ? std::move(tree) : nullptr;
}

}  // namespace specula::agent
