#include "shim/translate.h"

#include <algorithm>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <limits>

#include "absl/strings/str_cat.h"
#include "lib/base/clock.h"
#include "lib/rpc/message_limits.h"
#include "shim/reply.h"
#include "shim/translate_stream.h"

namespace specula::shim {
namespace {

// One argument of a program, which a shell line is, has at most 128 KiB with
// its NUL: what is longer cannot run, and would only fill the wire.
constexpr size_t kMostLineBytes = (128 << 10) - 1;

// A longer path, also one of a program, names nothing.
constexpr size_t kMostPathBytes = 4095;

// The agent cuts a connection that sends more than 256 KiB a second, after a
// rest 2 MiB at once: a little less, and what one call costs besides its text.
constexpr double kBytesPerSecond = 200 << 10;
constexpr double kBurstBytes = kMostRequestBytes + (16 << 10);
constexpr size_t kCallBytes = 256;

// The agent answers 128 calls of a connection at once.
constexpr Turns::Bounds kQuestionBounds = {.bytes_per_second = kBytesPerSecond,
                                           .burst_bytes = kBurstBytes,
                                           .most_open = 100,
                                           .most_waiting_bytes = 4 << 20};
// With a look for the program each of these is an EXEC as well.
constexpr Turns::Bounds kOrderBounds = {.bytes_per_second = kBytesPerSecond,
                                        .burst_bytes = kBurstBytes,
                                        .most_open = 60,
                                        .most_waiting_bytes = 16 << 20};
// How many of these are open is the business of the places.
constexpr Turns::Bounds kStreamBounds = {
    .bytes_per_second = kBytesPerSecond,
    .burst_bytes = kBurstBytes,
    .most_open = std::numeric_limits<size_t>::max(),
    .most_waiting_bytes = 16 << 20};

// As many EXECs as an agent runs for one caller, unless it was told otherwise.
constexpr size_t kMostExecs = 64;

// 63 streams whose readers sleep take 46 MiB with it, and 91 MiB with four
// times as much.
constexpr int kShimWindowBytes = 256 << 10;

// How long those wait who came meanwhile, so that all are looked at together.
constexpr absl::Duration kMoment = absl::Milliseconds(5);

// Whether an EXEC or TAIL is refused here.
bool IsTooLong(const Command& command) {
  return command.text.size() >
         (command.verb == Verb::kTail ? kMostPathBytes : kMostLineBytes);
}

// What a command costs on its way to the agent, in bytes.
size_t PriceOf(const Command& command) {
  const size_t bytes = kCallBytes + command.text.size();
  if (command.verb != Verb::kStart) return bytes;
  // Perhaps a look for the program before; and each word has a frame.
  return bytes + kCallBytes + std::min(command.text.size(), kMostPathBytes) +
         static_cast<size_t>(
             std::count(command.text.begin(), command.text.end(), ' '));
}

std::optional<Extent> ReadMemory(const v1::Memory& memory) {
  if (memory.quality() == v1::QUALITY_UNAVAILABLE || memory.total_bytes() <= 0)
    return std::nullopt;
  return Extent{memory.used_bytes(), memory.total_bytes()};
}

std::optional<Extent> ReadDisk(const v1::Disk& disk) {
  if (disk.quality() == v1::QUALITY_UNAVAILABLE || disk.total_bytes() <= 0)
    return std::nullopt;
  return Extent{disk.used_bytes(), disk.total_bytes()};
}

std::optional<double> ReadCpu(const v1::Cpu& cpu) {
  if (!cpu.has_utilization()) return std::nullopt;
  return cpu.utilization();
}

// A reply that needs one figure says that there is none by an error.
template <typename Figure, typename Format>
std::string OneFigure(const std::optional<Figure>& figure, Format format) {
  return figure.has_value() ? format(*figure) : ErrorReply(Error::kUnavailable);
}

}  // namespace

Error ErrorOf(const absl::Status& status, Verb verb) {
  switch (status.code()) {
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kDeadlineExceeded:
    case absl::StatusCode::kCancelled:
      return Error::kUnavailable;
    case absl::StatusCode::kResourceExhausted:
      return Error::kBusy;
    default:
      break;
  }
  const bool denied = absl::IsPermissionDenied(status);
  switch (verb) {
    case Verb::kExec:
      return denied ? Error::kDenied : Error::kExecFailed;
    case Verb::kStart:
      return Error::kStartFailed;
    case Verb::kKill:
      return Error::kKillFailed;
    case Verb::kTail:
      return Error::kTailFailed;
    default:
      return denied ? Error::kDenied : Error::kUnavailable;
  }
}

Translator::Translator(boost::asio::io_context& loop, const Endpoint& agent,
                       const Credentials& credentials,
                       absl::Duration answer_within)
    : loop_(loop),
      agent_(agent),
      answer_within_(answer_within),
      question_queue_(loop, kQuestionBounds),
      order_queue_(loop, kOrderBounds),
      stream_queue_(loop, kStreamBounds),
      places_(kMostAgentStreams),
      execs_(kMostExecs) {
  SetCredentials(credentials);
}

Translator::~Translator() = default;

void Translator::SetCredentials(const Credentials& credentials) {
  questions_ = MakeChannel(agent_, credentials);
  orders_ = MakeChannel(agent_, credentials);
  streams_ = MakeChannel(agent_, credentials, kShimWindowBytes);
  clients_.clear();
  // So that the first question does not wait for a handshake.
  questions_->GetState(/*try_to_connect=*/true);
}

Translator::Clients& Translator::ClientsFor(const std::string& on_behalf) {
  std::unique_ptr<Clients>& clients = clients_[on_behalf];
  if (clients == nullptr) {
    clients = std::make_unique<Clients>(
        Clients{.questions = AgentClient(questions_, on_behalf),
                .orders = AgentClient(orders_, on_behalf)});
  }
  return *clients;
}

void Translator::Turn::GiveBack() {
  if (Shares* places = std::exchange(places_, nullptr)) places->Give(who_);
  if (Shares* execs = std::exchange(execs_, nullptr)) execs->Give(who_);
  if (Queue* queue = std::exchange(queue_, nullptr)) {
    queue->turns.Leave(who_, id_);
    queue->Look(kMoment);
  }
}

// A request that waits has a look to come, unless it waits until one of its own
// controller is answered.
void Translator::Queue::Look(absl::Duration within) {
  const absl::Duration now = MonotonicNow();
  if (turns.is_empty()) {
    next_look = absl::InfiniteDuration();
    timer.cancel();
    return;
  }
  if (now + within >= next_look) return;
  next_look = now + within;
  timer.expires_after(absl::ToChronoNanoseconds(within));
  timer.async_wait([this](const boost::system::error_code& cancelled) {
    if (cancelled) return;
    next_look = absl::InfiniteDuration();
    Look(std::max(turns.Advance(MonotonicNow()), kMoment));
  });
}

Translator::Queue* Translator::QueueOf(const Command& command) {
  switch (command.verb) {
    case Verb::kExec:
    case Verb::kTail:
      return IsTooLong(command) ? nullptr : &stream_queue_;
    case Verb::kStart:
      return &order_queue_;
    case Verb::kPing:
      return questions_->GetState(false) == GRPC_CHANNEL_READY
                 ? nullptr
                 : &question_queue_;
    case Verb::kStatus:
    case Verb::kCpu:
    case Verb::kMem:
    case Verb::kDisk:
    case Verb::kKill:
      return &question_queue_;
    case Verb::kAuth:
    case Verb::kStop:
    case Verb::kBye:
      return nullptr;
  }
  return nullptr;
}

std::shared_ptr<Translator::Turn> Translator::Await(
    const Command& command, const std::string& who,
    std::function<void()> come) {
  const std::shared_ptr<Turn> turn(new Turn(who));
  Queue* queue = QueueOf(command);
  if (queue == nullptr) {
    turn->has_come_ = true;
    return turn;
  }
  if (queue == &stream_queue_) {
    if (!places_.Take(who)) return nullptr;
    turn->places_ = &places_;
    if (command.verb == Verb::kExec) {
      if (!execs_.Take(who)) return nullptr;
      turn->execs_ = &execs_;
    }
  }
  // It does not wait longer than it lives.
  const auto id = queue->turns.Join(
      who, PriceOf(command),
      [turn = turn.get(), come = std::move(come)] {
        turn->has_come_ = true;
        come();
      },
      MonotonicNow());
  if (!id.has_value()) return nullptr;
  turn->queue_ = queue;
  turn->id_ = *id;
  queue->Look(kMoment);
  return turn;
}

template <typename Answer>
std::function<void(absl::StatusOr<Answer>)> Translator::OnLoop(
    std::function<std::string(const absl::StatusOr<Answer>&)> read,
    OnReply done) {
  return [read = std::move(read), done = std::move(done), &loop = loop_,
          work = boost::asio::make_work_guard(loop_)](
             absl::StatusOr<Answer> answer) {
    boost::asio::post(loop,
                      [done, reply = read(answer)] { done(std::move(reply)); });
  };
}

void Translator::Ask(const Command& command, const std::string& on_behalf,
                     std::shared_ptr<Turn> turn, OnReply answered) {
  const Verb verb = command.verb;
  AgentClient& client = ClientsFor(on_behalf).questions;
  const std::string& who = turn->who_;
  // Given back on the loop: gRPC may be the last to have it.
  OnReply done = [turn, answered = std::move(answered)](std::string reply) {
    turn->GiveBack();
    answered(std::move(reply));
  };
  switch (verb) {
    case Verb::kPing:
      Ping(std::move(done));
      return;
    case Verb::kStatus:
      client.Status(
          {}, answer_within_,
          OnLoop<v1::StatusResponse>(
              [verb](const absl::StatusOr<v1::StatusResponse>& answer) {
                if (!answer.ok())
                  return ErrorReply(ErrorOf(answer.status(), verb));
                return StatusReply({ReadCpu(answer->cpu()),
                                    ReadMemory(answer->memory()),
                                    ReadDisk(answer->disk())});
              },
              std::move(done)));
      return;
    case Verb::kCpu:
      client.Cpu({}, answer_within_,
                 OnLoop<v1::CpuResponse>(
                     [verb](const absl::StatusOr<v1::CpuResponse>& answer) {
                       if (!answer.ok())
                         return ErrorReply(ErrorOf(answer.status(), verb));
                       return OneFigure(ReadCpu(answer->cpu()), CpuReply);
                     },
                     std::move(done)));
      return;
    case Verb::kMem:
      client.Mem({}, answer_within_,
                 OnLoop<v1::MemResponse>(
                     [verb](const absl::StatusOr<v1::MemResponse>& answer) {
                       if (!answer.ok())
                         return ErrorReply(ErrorOf(answer.status(), verb));
                       return OneFigure(ReadMemory(answer->memory()), MemReply);
                     },
                     std::move(done)));
      return;
    case Verb::kDisk:
      client.Disk({}, answer_within_,
                  OnLoop<v1::DiskResponse>(
                      [verb](const absl::StatusOr<v1::DiskResponse>& answer) {
                        if (!answer.ok())
                          return ErrorReply(ErrorOf(answer.status(), verb));
                        return OneFigure(ReadDisk(answer->disk()), DiskReply);
                      },
                      std::move(done)));
      return;
    case Verb::kStart:
      Start(command, on_behalf, who, std::move(done));
      return;
    case Verb::kKill: {
      v1::KillRequest request;
      request.set_pid(command.number);
      request.set_force(command.force);
      client.Kill(request, answer_within_,
                  OnLoop<v1::KillResponse>(
                      [verb](const absl::StatusOr<v1::KillResponse>& answer) {
                        if (!answer.ok())
                          return ErrorReply(ErrorOf(answer.status(), verb));
                        return std::string(kKillReply);
                      },
                      std::move(done)));
      return;
    }
    default:
      done(ErrorReply(Error::kUnknownCommand));
      return;
  }
}

void Translator::Ping(OnReply done) {
  // A connection that stands is watched by gRPC's keepalive; asking over it
  // each time would tell no more and cost three times as much.
  if (questions_->GetState(/*try_to_connect=*/false) == GRPC_CHANNEL_READY) {
    done(std::string(kPingReply));
    return;
  }
  ClientsFor("").questions.CheckHealth(
      answer_within_,
      [done = std::move(done), &loop = loop_,
       work = boost::asio::make_work_guard(loop_)](const absl::Status& status) {
        boost::asio::post(loop, [done, ok = status.ok()] {
          done(ok ? std::string(kPingReply) : ErrorReply(Error::kUnavailable));
        });
      });
}

void Translator::Start(const Command& command, const std::string& on_behalf,
                       const std::string& who, OnReply done) {
  v1::StartRequest request;
  if (const auto words = PlainWords(command.text)) {
    // Without a shell in between the agent finds out what cannot be started.
    request.mutable_command()->mutable_argv()->mutable_arguments()->Assign(
        words->begin(), words->end());
    SendStart(request, on_behalf, std::move(done));
    return;
  }
  if (command.text.size() > kMostLineBytes) {
    done(ErrorReply(Error::kStartFailed));
    return;
  }
  request.mutable_command()->set_shell(command.text);
  const std::string program = FirstProgram(command.text);
  if (program.empty()) {
    SendStart(request, on_behalf, std::move(done));
    return;
  }
  if (program.size() > kMostPathBytes) {
    done(ErrorReply(Error::kStartFailed));
    return;
  }
  if (!execs_.Take(who)) {
    done(ErrorReply(Error::kBusy));
    return;
  }
  // The shell always starts; what it would not find is looked for before.
  Command check;
  check.verb = Verb::kExec;
  check.text = absl::StrCat("w=$(command -v ", program,
                            ") && case $w in */*) test -x \"$w\" && "
                            "! test -d \"$w\";; esac");
  StreamEvents events;
  events.opened = [] {};
  auto stream = std::make_shared<std::weak_ptr<AgentStream>>();
  events.chunk = [stream](const std::string&) {
    if (auto open = stream->lock()) open->Continue();
  };
  events.ended = [this, request = std::move(request), on_behalf, who,
                  done](const StreamEnding& ending) {
    execs_.Give(who);
    if (ending.refused.has_value()) {
      done(ErrorReply(*ending.refused == Error::kUnavailable ||
                              *ending.refused == Error::kBusy
                          ? *ending.refused
                          : Error::kStartFailed));
    } else if (!ending.exit_code.has_value()) {
      done(ErrorReply(Error::kUnavailable));
    } else if (*ending.exit_code != 0) {
      done(ErrorReply(Error::kStartFailed));
    } else {
      SendStart(request, on_behalf, done);
    }
  };
  *stream = Begin(check, on_behalf, orders_, std::move(events));
}

void Translator::SendStart(const v1::StartRequest& request,
                           const std::string& on_behalf, OnReply done) {
  if (request.ByteSizeLong() > size_t{kMostRequestBytes}) {
    done(ErrorReply(Error::kStartFailed));
    return;
  }
  ClientsFor(on_behalf).orders.Start(
      request, answer_within_,
      OnLoop<v1::StartResponse>(
          [](const absl::StatusOr<v1::StartResponse>& answer) {
            if (!answer.ok())
              return ErrorReply(ErrorOf(answer.status(), Verb::kStart));
            return StartReply(answer->pid());
          },
          std::move(done)));
}

std::shared_ptr<AgentStream> Translator::Open(const Command& command,
                                              const std::string& on_behalf,
                                              std::shared_ptr<Turn> turn,
                                              StreamEvents events) {
  events.ended = [turn = std::move(turn),
                  told = std::move(events.ended)](const StreamEnding& ending) {
    turn->GiveBack();
    told(ending);
  };
  return Begin(command, on_behalf, streams_, std::move(events));
}

std::shared_ptr<AgentStream> Translator::Begin(
    const Command& command, const std::string& on_behalf,
    const std::shared_ptr<grpc::Channel>& channel, StreamEvents events) {
  if (IsTooLong(command)) {
    return RefuseStream(
        loop_,
        command.verb == Verb::kTail ? Error::kTailFailed : Error::kExecFailed,
        std::move(events));
  }
  const StreamOptions options{.answer_within = answer_within_,
                              .on_behalf = on_behalf};
  return command.verb == Verb::kTail
             ? BeginTail(loop_, channel, command.text, options,
                         std::move(events))
             : BeginExec(loop_, channel, agent_, command.text, options,
                         std::move(events));
}

}  // namespace specula::shim
