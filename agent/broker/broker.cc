#include "agent/broker/broker.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "agent/broker/kill.h"
#include "agent/broker/message.h"
#include "agent/broker/signalling.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/base/status_macros.h"

namespace specula::agent {
namespace {

constexpr rlim_t kMaxOpenFiles = 65536;

// Between the end of the channel and that of the front.
constexpr absl::Duration kLastSteps = absl::Seconds(1);

// The front is told no more while so many answers wait for it to read.
constexpr size_t kMaxUnread = 256;

// A free 0, 1 or 2 would be given to the next file that is opened, and then be
// lost among a child's streams. What was inherited beyond them is nobody else's
// business.
void CleanDescriptors() {
  int fd;
  do {
    fd = open("/dev/null", O_RDWR);
  } while (fd >= 0 && fd < 3);
  if (fd >= 0) close(fd);
#ifndef CLOSE_RANGE_CLOEXEC
#define CLOSE_RANGE_CLOEXEC (1U << 2)
#endif
  if (close_range(3, ~0U, CLOSE_RANGE_CLOEXEC) == 0) return;
  for (int other = 3, end = static_cast<int>(sysconf(_SC_OPEN_MAX));
       other < end; ++other) {
    const int flags = fcntl(other, F_GETFD);
    if (flags >= 0) fcntl(other, F_SETFD, flags | FD_CLOEXEC);
  }
}

// Each child takes a handful.
void RaiseOpenFiles() {
  rlimit files;
  if (getrlimit(RLIMIT_NOFILE, &files) != 0) return;
  files.rlim_cur =
      std::max(files.rlim_cur, std::min(files.rlim_max, kMaxOpenFiles));
  setrlimit(RLIMIT_NOFILE, &files);
}

}  // namespace

absl::StatusOr<std::unique_ptr<Broker>> Broker::Create(BrokerOptions options) {
  std::unique_ptr<Broker> broker(new Broker(std::move(options)));
  RETURN_IF_ERROR(broker->Prepare());
  return broker;
}

absl::Status Broker::Prepare() {
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  CleanDescriptors();
  RaiseOpenFiles();
  // It passes through an exec with the memory that a child shares with us.
  prctl(PR_SET_THP_DISABLE, 0, 0, 0, 0);
  if (prctl(PR_SET_CHILD_SUBREAPER, 1) != 0) {
    return absl::ErrnoToStatus(errno, "prctl(PR_SET_CHILD_SUBREAPER)");
  }
  if (geteuid() == 0 && !options_.front_user.empty()) {
    UserFiles files;
    ASSIGN_OR_RETURN(front_user_, files.Find(options_.front_user));
  }
  // From here on every path is the host's; the front's user was the
  // container's.
  if (!options_.host_namespaces.empty()) {
    ASSIGN_OR_RETURN(entered_, HostNamespaces::Open(options_.host_namespaces));
    RETURN_IF_ERROR(entered_->Enter());
  }

  sigset_t set;
  sigemptyset(&set);
  // HUP: the terminal that it was started from has gone.
  for (int signal : {SIGCHLD, SIGTERM, SIGINT, SIGHUP}) sigaddset(&set, signal);
  sigprocmask(SIG_BLOCK, &set, nullptr);
  // Ignored, it would let the kernel reap children before we have asked how
  // they ended.
  signal(SIGCHLD, SIG_DFL);
  signals_.Reset(signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!signals_.valid()) return absl::ErrnoToStatus(errno, "signalfd()");

  ASSIGN_OR_RETURN(loop_, Loop::Create());
  // Its threads are made when they are needed: they have the mask from above
  // and the namespaces.
  off_loop_ = std::make_unique<OffLoop>(loop_.get(), options_.before_off_loop);
  opener_.emplace(off_loop_.get());
  ProcessTable::Observer observer = {
      [this](const ProcessTable::Job& job, absl::Duration wall) {
        SayExited(job, wall);
      },
      [this](const ProcessTable::Job& job, const ProcessTable::Gone& gone) {
        SayGone(job, gone);
      },
      {}};
  ASSIGN_OR_RETURN(
      jobs_, Jobs::Create(options_.jobs, loop_.get(), off_loop_.get(),
                          std::move(observer), [this] { return front_pid_; }));
  loop_->Watch(signals_.get(), EPOLLIN, [this](uint32_t) { OnSignal(); });
  loop_->set_after_turn([this] {
    const absl::Duration next = jobs_->table().Tick(loop_->now());
    StopIfDone();
    return next;
  });
  return absl::OkStatus();
}

Broker::~Broker() {
  if (channel_) loop_->Unwatch(channel_->fd());
}

absl::Status Broker::Run(RunFront run_front) {
  run_front_ = std::move(run_front);
  RETURN_IF_ERROR(LaunchFront());
  loop_->Run();
  return run_status_;
}

void Broker::Serve(UniqueFd channel) {
  Connect(std::move(channel));
  loop_->Run();
}

absl::Status Broker::LaunchFront() {
  ASSIGN_OR_RETURN(auto ends, Channel::Pair());
  absl::StatusOr<pid_t> front = 0;
  off_loop_->Fork([&] {
    front = StartFront(run_front_, front_user_, entered_ ? &*entered_ : nullptr,
                       std::move(ends.second));
  });
  ASSIGN_OR_RETURN(front_pid_, front);
  front_begin_ = MonotonicNow();
  Connect(std::move(ends.first));
  return absl::OkStatus();
}

void Broker::Connect(UniqueFd channel) {
  ++connection_;
  channel_.emplace(std::move(channel));
  loop_->Watch(channel_->fd(), EPOLLIN,
               [this](uint32_t events) { OnChannel(events); });
}

void Broker::OnChannel(uint32_t events) {
  if ((events & EPOLLOUT) != 0) {
    if (absl::Status status = channel_->Flush(); !status.ok())
      return DropFront(status);
    if (!channel_->wants_write()) loop_->Change(channel_->fd(), EPOLLIN);
  }
  if ((events & ~static_cast<uint32_t>(EPOLLOUT)) == 0) return;
  auto packet = channel_->Receive();
  if (!packet.ok()) return DropFront(packet.status());
  if (packet->has_value()) OnRequest(**std::move(packet));
}

void Broker::OnRequest(Packet packet) {
  const auto request = ParseRequest(packet.bytes);
  if (!request.ok()) return DropFront(request.status());
  if (absl::Status status = CheckRequest(*request); !status.ok()) {
    return Reply(request->id(), status);
  }
  // What else a front may send, it may have sent because closing it hangs.
  const bool sealed =
      std::all_of(packet.fds.begin(), packet.fds.end(),
                  [](const UniqueFd& fd) { return IsSealedMemfd(fd.get()); });
  if (!sealed) {
    for (UniqueFd& fd : packet.fds) off_loop_->Close(std::move(fd));
    return Reply(request->id(), absl::InvalidArgumentError(
                                    "standard input: not a sealed memfd"));
  }
  Handle(*request, std::move(packet.fds));
}

void Broker::Handle(const broker::Request& request, std::vector<UniqueFd> fds) {
  ProcessTable& table = jobs_->table();
  switch (request.operation_case()) {
    case broker::Request::kSpawn:
      return HandleSpawn(request, std::move(fds));
    case broker::Request::kEndTree: {
      const broker::EndTree& order = request.end_tree();
      std::optional<absl::Duration> grace;
      if (order.has_grace_milliseconds())
        grace = absl::Milliseconds(order.grace_milliseconds());
      return Reply(request.id(),
                   table.EndTree(order.job(), grace, loop_->now()));
    }
    case broker::Request::kFinish:
      return Reply(request.id(),
                   table.Finish(request.finish().job(), loop_->now()));
    case broker::Request::kSignal: {
      const ProcessTable::Job* job = table.Find(request.signal().job());
      const bool sent =
          job != nullptr && job->pidfd.valid() &&
          SignalPidfd(job->pidfd.get(), request.signal().signal());
      return Reply(request.id(),
                   sent ? absl::OkStatus()
                        : absl::NotFoundError("the program has ended"));
    }
    case broker::Request::kKill:
      return HandleKill(request);
    case broker::Request::kOpen:
      return HandleOpen(request);
    case broker::Request::kListStarted: {
      broker::Answer answer;
      answer.set_id(request.id());
      answer.mutable_started();
      for (const auto& [id, job] : jobs_->store().jobs())
        *answer.mutable_started()->add_jobs() = job;
      return Send(answer);
    }
    case broker::Request::kDescribe:
      return HandleDescribe(request);
    case broker::Request::kServing:
      if (options_.on_serving) options_.on_serving();
      return Reply(request.id(), absl::OkStatus());
    case broker::Request::OPERATION_NOT_SET:
      break;
  }
}

void Broker::HandleSpawn(const broker::Request& request,
                         std::vector<UniqueFd> fds) {
  if (stopping_)
    return Reply(request.id(), absl::UnavailableError("the agent is ending"));
  UniqueFd input;
  if (!fds.empty()) input = std::move(fds[0]);
  jobs_->Spawn(request.spawn(), std::move(input),
               [this, id = request.id(), connection = connection_](
                   absl::StatusOr<Jobs::Spawned> spawned) {
                 if (connection != connection_) return;
                 if (!spawned.ok()) return Reply(id, spawned.status());
                 broker::Answer answer;
                 answer.set_id(id);
                 *answer.mutable_spawned() = std::move(spawned->facts);
                 Send(answer, std::move(spawned->pipes));
               });
}

void Broker::HandleKill(const broker::Request& request) {
  const broker::Kill& order = request.kill();
  KillOrder wanted{order.pid(), {}, order.signal(), order.tree()};
  if (order.has_start_ticks()) wanted.start_ticks = order.start_ticks();
  const Ceiling& ceiling = options_.jobs.ceiling;
  const KillContext context = {
      [this](int64_t pid) { return jobs_->IsOwn(pid); },
      // Costly to find out, and asked only where the ceiling wants to know.
      [&](int64_t pid) {
        return ceiling.kill != KillScope::kStarted || jobs_->IsStartedHere(pid);
      },
      [this](int64_t pid, int signal) {
        return jobs_->SignalTree(pid, signal);
      },
      [&](bool is_started_here) {
        return AllowsKill(ceiling, is_started_here);
      }};
  const auto count = ExecuteKill(wanted, context);
  if (!count.ok()) return Reply(request.id(), count.status());
  broker::Answer answer;
  answer.set_id(request.id());
  answer.mutable_killed()->set_signalled_count(*count);
  Send(answer);
}

std::vector<std::string> Broker::ReadableRoots() const {
  std::vector<std::string> roots = options_.jobs.ceiling.tail_roots;
  // The logs of started programs are always there to be read.
  if (!roots.empty()) roots.push_back(jobs_->store().log_directory());
  return roots;
}

void Broker::HandleOpen(const broker::Request& request) {
  if (absl::Status status = AllowsTail(options_.jobs.ceiling); !status.ok()) {
    return Reply(request.id(), status);
  }
  opener_->Open(request.open().path(), ReadableRoots(),
                [this, id = request.id(), connection = connection_](
                    const absl::StatusOr<OpenedTail>& file) {
                  if (connection != connection_) return;
                  if (!file.ok()) return Reply(id, file.status());
                  broker::Answer answer;
                  answer.set_id(id);
                  answer.mutable_opened()->set_device(file->info.st_dev);
                  answer.mutable_opened()->set_inode(file->info.st_ino);
                  answer.mutable_opened()->set_size_bytes(file->info.st_size);
                  Send(answer, {}, file->fd);
                });
}

void Broker::HandleDescribe(const broker::Request& request) {
  broker::Answer answer;
  answer.set_id(request.id());
  broker::Description& description = *answer.mutable_description();
  description.set_supervision(jobs_->supervision());
  description.set_running_count(
      static_cast<int32_t>(jobs_->table().jobs().size()));
  description.set_pid(getpid());
  description.set_boot_id(jobs_->boot_id());
  description.set_commands_allowed(options_.jobs.ceiling.commands);
  Send(answer);
}

void Broker::Reply(uint64_t id, const absl::Status& status) {
  broker::Answer answer;
  answer.set_id(id);
  SetStatus(status, answer);
  Send(answer);
}

void Broker::Send(const broker::Answer& answer, std::vector<UniqueFd> fds,
                  std::shared_ptr<const UniqueFd> held) {
  if (!channel_) return;
  absl::Status status = channel_->Send(
      {answer.SerializeAsString(), std::move(fds), std::move(held)});
  if (!status.ok()) {
    Log(LogLevel::kError, "the front cannot be told",
        {{"reason", status.message()}});
    // Not dropped here, in the middle of whatever led to this: the end of the
    // stream comes back through OnChannel.
    shutdown(channel_->fd(), SHUT_RDWR);
    return;
  }
  if (!channel_->wants_write()) return;
  // A front that does not read is not listened to, so what waits for it stays
  // bounded.
  loop_->Change(channel_->fd(), channel_->queued() >= kMaxUnread
                                    ? EPOLLOUT
                                    : EPOLLIN | EPOLLOUT);
}

void Broker::SayExited(const ProcessTable::Job& job, absl::Duration wall) {
  broker::Answer event;
  broker::Exited& exited = *event.mutable_exited();
  exited.set_job(job.facts.id);
  if (job.exit->code) exited.set_code(*job.exit->code);
  if (job.exit->signal) exited.set_signal(*job.exit->signal);
  exited.set_user_microseconds(absl::ToInt64Microseconds(job.exit->user_time));
  exited.set_system_microseconds(
      absl::ToInt64Microseconds(job.exit->system_time));
  exited.set_peak_memory_bytes(job.exit->peak_memory_bytes);
  exited.set_wall_microseconds(absl::ToInt64Microseconds(wall));
  Send(event);
}

void Broker::SayGone(const ProcessTable::Job& job,
                     const ProcessTable::Gone& gone) {
  if (gone.survivor_count > 0) {
    Log(LogLevel::kError, "processes do not die of KILL and are given up",
        {{"job", JobName(job.facts.id)}, {"count", gone.survivor_count}});
  }
  broker::Answer event;
  broker::Gone& said = *event.mutable_gone();
  said.set_job(job.facts.id);
  said.set_killed_count(gone.killed_count);
  said.set_survivor_count(gone.survivor_count);
  said.set_drain_over(gone.drain_over);
  said.set_timed_out(gone.timed_out);
  Send(event);
}

void Broker::OnSignal() {
  signalfd_siginfo info;
  bool children = false;
  while (read(signals_.get(), &info, sizeof info) == sizeof info) {
    if (info.ssi_signo == SIGCHLD) {
      children = true;
    } else {
      BeginStop();
    }
  }
  // Signals of many children are told as one.
  if (children) ReapChildren();
}

void Broker::ReapChildren() {
  int status;
  rusage usage;
  pid_t pid;
  while ((pid = wait4(-1, &status, WNOHANG, &usage)) > 0) {
    if (pid == front_pid_) {
      Log(LogLevel::kInfo, "the front has ended",
          {{"pid", pid},
           {"how", WIFSIGNALED(status)
                       ? absl::StrCat("signal ", WTERMSIG(status))
                       : absl::StrCat("exit ", WEXITSTATUS(status))}});
      if (first_front_ && WIFEXITED(status) &&
          WEXITSTATUS(status) == kFrontCannotStart) {
        run_status_ = absl::FailedPreconditionError("the front cannot start");
        stopping_ = true;
      }
      OnFrontDeath();
    } else {
      // Also of whoever lost his parents and became ours: nothing stays a
      // zombie.
      jobs_->OnChildEnd(pid, status, usage);
    }
  }
}

void Broker::DropFront(const absl::Status& why) {
  if (front_pid_ == 0) return OnFrontDeath();
  // Its death is told by SIGCHLD. Until it is waited for, its pid is its own.
  // One that ends by itself closes the channel on its way out and is given the
  // time to do so.
  loop_->Unwatch(channel_->fd());
  const pid_t front = front_pid_;
  loop_->At(MonotonicNow() + kLastSteps, [this, front,
                                          reason = std::string(why.message())] {
    if (front_pid_ != front) return;
    Log(LogLevel::kWarning, "the front's channel is broken; it is killed",
        {{"reason", reason}});
    kill(front, SIGKILL);
  });
}

void Broker::OnFrontDeath() {
  front_pid_ = 0;
  first_front_ = false;
  ++connection_;
  if (channel_) {
    loop_->Unwatch(channel_->fd());
    channel_.reset();
  }
  jobs_->AbandonExecs(options_.exec_grace);
  if (!run_front_) stopping_ = true;
  if (stopping_) return;
  const absl::Duration wait = backoff_.Next(MonotonicNow() - front_begin_);
  Log(LogLevel::kWarning, "the front is started again",
      {{"after", absl::FormatDuration(wait)}});
  loop_->At(MonotonicNow() + wait, [this] {
    if (stopping_) return;
    if (absl::Status status = LaunchFront(); !status.ok()) {
      Log(LogLevel::kError, "the front cannot be started",
          {{"reason", status.message()}});
      OnFrontDeath();
    }
  });
}

void Broker::BeginStop() {
  const bool again = stopping_;
  stopping_ = true;
  if (!again && options_.on_stopping) options_.on_stopping();
  jobs_->AbandonStarts();
  if (front_pid_ > 0) {
    kill(front_pid_, again ? SIGKILL : SIGTERM);
    if (!again) {
      loop_->At(MonotonicNow() + options_.front_grace, [this] {
        if (front_pid_ == 0) return;
        kill(front_pid_, SIGKILL);
        loop_->At(MonotonicNow() + kKillPatience, [this] {
          if (front_pid_ == 0) return;
          Log(LogLevel::kError,
              "the front does not die of KILL: it is given up",
              {{"pid", front_pid_}});
          OnFrontDeath();
        });
      });
    }
  } else {
    jobs_->AbandonExecs(again ? absl::ZeroDuration() : options_.exec_grace);
  }
}

void Broker::StopIfDone() {
  if (stopping_ && front_pid_ == 0 && jobs_->idle()) loop_->Stop();
}

}  // namespace specula::agent
