#include "ctl/batch.h"

#include <signal.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "ctl/patience.h"
#include "lib/base/clock.h"

namespace specula::ctl {
namespace {

// By how much a host may overrun the command's own time limit, which it should
// have enforced itself, before we do not wait for it any more.
constexpr absl::Duration kSlack = absl::Seconds(5);
constexpr absl::Duration kTurn = absl::Milliseconds(250);
// Between two looks at what came: a channel costs a millisecond to make.
constexpr int kBeginAtOnce = 8;

}  // namespace

struct Batch::Host {
  std::shared_ptr<ExecCall> call;
  std::optional<v1::ExecStarted> started;
  std::optional<v1::ExecExited> exited;
  absl::Time begun;
  bool ended = false;
  bool opened = false;   // its channel is ours
  bool left = false;     // its call was cancelled by us
  std::string no_proof;  // why there is none
};

Batch::Batch(ClosedFleet& fleet, Interrupt& interrupt, const Options& options,
             BatchEvents events)
    : fleet_(fleet),
      interrupt_(interrupt),
      options_(options),
      roll_(options.roll),
      events_(std::move(events)),
      inbox_(std::make_shared<Inbox>(
          [first = interrupt.waker(), second = second_.waker()] {
            first();
            second();
          })),
      hosts_(fleet.targets.size()) {}

Batch::~Batch() { inbox_->Close(); }

ExecEvents Batch::EventsOf(size_t host) {
  // Called by gRPC's threads, perhaps after this object has gone; what they
  // post runs only while it is there.
  auto forward = [this, inbox = inbox_, host](OutputStream stream) {
    return [this, inbox, host, stream](std::string bytes) {
      inbox->Post([this, host, stream, bytes = std::move(bytes)]() mutable {
        if (hosts_[host].ended) return;
        events_.output(host, stream, std::move(bytes),
                       [call = hosts_[host].call] { call->Continue(); });
      });
    };
  };
  ExecEvents events;
  events.output = forward(OutputStream::kOutput);
  events.error_output = forward(OutputStream::kError);
  events.started = [this, inbox = inbox_, host](const v1::ExecStarted& told) {
    inbox->Post([this, host, told] { hosts_[host].started = told; });
  };
  events.exited = [this, inbox = inbox_, host](const v1::ExecExited& told) {
    inbox->Post([this, host, told] { hosts_[host].exited = told; });
  };
  events.finished = [this, inbox = inbox_, host](const absl::Status& status) {
    inbox->Post([this, host, status] { OnFinished(host, status); });
  };
  return events;
}

void Batch::Run(const v1::ExecRequest& request) {
  const v1::Command& command = request.command();
  grace_ = GraceOf(command);
  if (command.has_timeout()) {
    limit_ = options_.answer_within + FromProto(command.timeout()) + grace_ +
             kDrain + kSlack;
  }
  absl::Time quiet_since = SteadyNow();
  while (true) {
    const std::vector<std::function<void()>> acts = inbox_->Take();
    for (const std::function<void()>& act : acts) act();
    if (!acts.empty()) {
      quiet_since = SteadyNow();
    } else if (SteadyNow() - quiet_since >= kTurn) {
      CloseDone();
    }
    if (!abandoned_ && !events_.turn()) {
      abandoned_ = true;
      LeaveAll("nobody reads the output");
    }
    if (SteadyNow() >= phase_end_) OnPhaseOver();
    BeginWhoMay(request);
    if (ended_ == began_ && (phase_ != Phase::kRunning ||
                             !roll_.MayBegin(began_, ended_, failed_))) {
      break;
    }
    Interrupt& interrupt = interrupted_ ? second_ : interrupt_;
    const bool hit = interrupt.Wait(WaitLimit());
    if (hit && !std::exchange(interrupted_, true)) {
      OnFirstInterrupt();
    } else if (hit && !std::exchange(interrupted_twice_, true)) {
      events_.leave();
      LeaveAll("left at once");
    }
  }
  EndWhoNeverBegan();
}

absl::Duration Batch::WaitLimit() const {
  if (phase_ == Phase::kRunning && roll_.MayBegin(began_, ended_, failed_)) {
    return absl::ZeroDuration();
  }
  if (phase_end_ == absl::InfiniteFuture()) return kTurn;
  return std::clamp(phase_end_ - SteadyNow(), absl::ZeroDuration(), kTurn);
}

void Batch::BeginWhoMay(const v1::ExecRequest& request) {
  for (int i = 0; i < kBeginAtOnce && phase_ == Phase::kRunning &&
                  roll_.MayBegin(began_, ended_, failed_);
       ++i) {
    Begin(began_++, request);
  }
}

void Batch::Begin(size_t host, const v1::ExecRequest& request) {
  Target& target = fleet_.targets[host];
  if (target.client == nullptr) {
    OpenTarget(target, fleet_.credentials);
    hosts_[host].opened = true;
  }
  hosts_[host].begun = SteadyNow();
  hosts_[host].call = ExecCall::Create(
      target.client->channel(), request,
      {.answer_within = options_.answer_within, .limit = limit_},
      EventsOf(host));
  events_.began(host);
  hosts_[host].call->Start();
}

void Batch::OnFinished(size_t host, const absl::Status& status) {
  Host& record = hosts_[host];
  if (record.ended) return;
  CommandEnding ending = ClassifyCommand(
      record.exited.has_value() ? &*record.exited : nullptr, status,
      record.started.has_value(), fleet_.targets[host].endpoint);
  if (record.left && !record.exited.has_value()) {
    ending.outcome = Outcome::kLost;
    ending.reason = record.no_proof;
  }
  End(host, ending);
}

void Batch::End(size_t host, const CommandEnding& ending) {
  Host& record = hosts_[host];
  record.ended = true;
  ++ended_;
  if (IsFailure(ending)) ++failed_;
  if (record.left && !record.exited.has_value()) unproved_.push_back(host);
  record.call.reset();
  if (record.opened) done_.push_back(host);
  if (done_.size() > kMostKept) CloseDone();
  events_.ended(host, ending, SteadyNow() - record.begun);
}

void Batch::CloseDone() {
  for (size_t host : done_) fleet_.targets[host].client.reset();
  done_.clear();
}

void Batch::EndWhoNeverBegan() {
  CommandEnding ending;
  ending.outcome = Outcome::kSkipped;
  ending.exit_code = 255;
  for (size_t host = began_; host < hosts_.size(); ++host) {
    events_.ended(host, ending, absl::ZeroDuration());
  }
}

template <typename Act>
void Batch::ForRunning(Act act) {
  for (size_t host = 0; host < began_; ++host) {
    if (!hosts_[host].ended) act(host);
  }
}

std::vector<Batch::Running> Batch::RunningHosts() const {
  std::vector<Running> running;
  for (size_t host = 0; host < began_; ++host) {
    if (!hosts_[host].ended) running.push_back({host, hosts_[host].begun});
  }
  return running;
}

void Batch::OnFirstInterrupt() {
  if (phase_ != Phase::kRunning) return;
  phase_ = Phase::kTerminating;
  phase_end_ = SteadyNow() + grace_ + kDrain;
  ForRunning([this](size_t host) {
    unfinished_.push_back(host);
    if (hosts_[host].exited.has_value()) return;
    if (hosts_[host].started.has_value()) {
      SendKill(host, /*force=*/false);
    } else {
      Leave(host,
            "interrupted before the host said that the command runs; if it "
            "does, it is being ended");
    }
  });
}

void Batch::OnPhaseOver() {
  switch (phase_) {
    case Phase::kRunning:
      break;
    case Phase::kTerminating:
      phase_ = Phase::kKilling;
      phase_end_ = SteadyNow() + kAfterKill;
      ForRunning([this](size_t host) {
        if (!hosts_[host].left) SendKill(host, /*force=*/true);
      });
      break;
    case Phase::kKilling:
      LeaveAll("interrupted, and the host did not report the end in time");
      break;
    case Phase::kLeaving:
      phase_end_ = absl::InfiniteFuture();
      ForRunning([this](size_t host) {
        OnFinished(host, absl::CancelledError("given up"));
      });
      break;
  }
}

void Batch::SendKill(size_t host, bool force) {
  if (!hosts_[host].started.has_value()) return;
  v1::KillRequest request;
  request.set_pid(hosts_[host].started->pid());
  request.set_start_ticks(hosts_[host].started->start_ticks());
  request.set_signal(SIGTERM);
  request.set_force(force);
  request.set_tree(true);
  fleet_.targets[host].client->Kill(
      request, options_.answer_within,
      [this, inbox = inbox_,
       host](const absl::StatusOr<v1::KillResponse>& answer) {
        inbox->Post([this, host, status = answer.status()] {
          OnKillAnswer(host, status);
        });
      });
}

void Batch::OnKillAnswer(size_t host, const absl::Status& status) {
  // Without a program to be signalled it has ended already, and what is left
  // over of its tree is the agent's to end.
  if (hosts_[host].ended || status.ok() || absl::IsNotFound(status) ||
      absl::IsFailedPrecondition(status)) {
    return;
  }
  const Ending ending = ClassifyEnding(status, fleet_.targets[host].endpoint);
  Leave(host, absl::StrCat("interrupted; Kill was not to be had (",
                           OutcomeName(ending.outcome), ": ", ending.reason,
                           "), so the call was cancelled"));
}

void Batch::Leave(size_t host, const std::string& why) {
  if (std::exchange(hosts_[host].left, true)) return;
  hosts_[host].no_proof = why;
  hosts_[host].call->Cancel();
}

void Batch::LeaveAll(const std::string& why) {
  phase_ = Phase::kLeaving;
  phase_end_ = SteadyNow() + kAfterCancel;
  ForRunning([&](size_t host) { Leave(host, why); });
}

}  // namespace specula::ctl
