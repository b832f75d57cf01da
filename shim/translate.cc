#include "shim/translate.h"

#include <algorithm>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>

#include "absl/strings/str_cat.h"
#include "lib/base/clock.h"
#include "shim/reply.h"
#include "shim/translate_stream.h"

namespace specula::shim {
namespace {

// One argument of a program, which a shell line is, has at most 128 KiB with
// its NUL: what is longer cannot run, and would only fill the wire.
constexpr size_t kMostLineBytes = (128 << 10) - 1;

// A little less than the agent allows a connection, and what one call costs
// besides its text.
constexpr double kBytesPerSecond = 200 << 10;
constexpr double kBurstBytes = 1 << 20;
constexpr double kCallBytes = 256;

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
    : loop_(loop), agent_(agent), answer_within_(answer_within) {
  SetCredentials(credentials);
}

Translator::~Translator() = default;

void Translator::SetCredentials(const Credentials& credentials) {
  questions_ = MakeChannel(agent_, credentials);
  streams_ = MakeChannel(agent_, credentials);
  clients_.clear();
  // So that the first question does not wait for a handshake.
  questions_->GetState(/*try_to_connect=*/true);
}

AgentClient& Translator::ClientFor(const std::string& on_behalf) {
  std::unique_ptr<AgentClient>& client = clients_[on_behalf];
  if (client == nullptr) {
    client = std::make_unique<AgentClient>(questions_, on_behalf);
  }
  return *client;
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
                     OnReply done) {
  const Verb verb = command.verb;
  AgentClient& client = ClientFor(on_behalf);
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
      Start(command, on_behalf, std::move(done));
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
  ClientFor("").CheckHealth(
      answer_within_,
      [done = std::move(done), &loop = loop_,
       work = boost::asio::make_work_guard(loop_)](const absl::Status& status) {
        boost::asio::post(loop, [done, ok = status.ok()] {
          done(ok ? std::string(kPingReply) : ErrorReply(Error::kUnavailable));
        });
      });
}

void Translator::Start(const Command& command, const std::string& on_behalf,
                       OnReply done) {
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
  events.ended = [this, request = std::move(request), on_behalf,
                  done](const StreamEnding& ending) {
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
  const auto opened = Open(check, on_behalf, std::move(events));
  *stream = opened;
  if (opened == nullptr) done(ErrorReply(Error::kBusy));
}

void Translator::SendStart(const v1::StartRequest& request,
                           const std::string& on_behalf, OnReply done) {
  ClientFor(on_behalf).Start(
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
                                              StreamEvents events) {
  if (stream_count_ >= kMostAgentStreams) return nullptr;
  ++stream_count_;
  auto told = std::move(events.ended);
  events.ended = [this, told = std::move(told)](const StreamEnding& ending) {
    --stream_count_;
    told(ending);
  };
  if (command.text.size() > kMostLineBytes) {
    return RefuseStream(loop_, Error::kExecFailed, std::move(events));
  }
  const StreamOptions options{.answer_within = answer_within_,
                              .on_behalf = on_behalf};
  return command.verb == Verb::kTail
             ? BeginTail(loop_, streams_, command.text, options,
                         std::move(events))
             : BeginExec(loop_, streams_, agent_, command.text, options,
                         std::move(events));
}

absl::Duration Translator::Pace(const Command& command) {
  // These are not sent.
  if (command.verb == Verb::kPing || command.text.size() > kMostLineBytes) {
    return absl::ZeroDuration();
  }
  const absl::Duration now = MonotonicNow();
  const absl::Duration burst = absl::Seconds(kBurstBytes / kBytesPerSecond);
  const double bytes = kCallBytes + static_cast<double>(command.text.size());
  paid_until_ = std::max(paid_until_, now - burst) +
                absl::Seconds(bytes / kBytesPerSecond);
  return std::max(paid_until_ - now, absl::ZeroDuration());
}

}  // namespace specula::shim
