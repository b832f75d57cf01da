#include "shim/translate_stream.h"

#include <atomic>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <utility>

#include "clients/cpp/exec_call.h"
#include "clients/cpp/outcome.h"
#include "clients/cpp/tail_call.h"

namespace specula::shim {
namespace {

// Brings the events of a call, which come on gRPC's threads, to the loop in
// their order. The call owns the events, these own the bridge, and the bridge
// owns the call until the last event.
template <typename Call>
class Bridge final : public AgentStream,
                     public std::enable_shared_from_this<Bridge<Call>> {
 public:
  Bridge(boost::asio::io_context& loop, StreamEvents events)
      : loop_(loop),
        work_(boost::asio::make_work_guard(loop)),
        events_(std::move(events)) {}

  // Before its first event.
  void Start(std::shared_ptr<Call> call) {
    call_ = std::move(call);
    call_->Start();
  }

  void Continue() override {
    if (call_ != nullptr) call_->Continue();
  }

  void Cancel() override {
    cancelled_ = true;
    if (call_ != nullptr) call_->Cancel();
  }

  // From here on from any thread.
  void Opened() {
    Post([](Bridge& self) {
      if (!self.cancelled_) self.events_.opened();
    });
  }

  void Chunk(std::string bytes) {
    Post([bytes = std::move(bytes)](Bridge& self) mutable {
      if (!self.cancelled_) self.events_.chunk(std::move(bytes));
    });
  }

  void Ended(const StreamEnding& ending) {
    Post([ending](Bridge& self) {
      self.call_.reset();
      // The events may own who owns this.
      const StreamEvents events = std::exchange(self.events_, {});
      events.ended(ending);
    });
  }

 private:
  template <typename Task>
  void Post(Task task) {
    boost::asio::post(loop_,
                      [self = this->shared_from_this(),
                       task = std::move(task)]() mutable { task(*self); });
  }

  boost::asio::io_context& loop_;
  const boost::asio::executor_work_guard<boost::asio::io_context::executor_type>
      work_;
  StreamEvents events_;
  std::shared_ptr<Call> call_;
  bool cancelled_ = false;
};

// What an Exec has told so far; belongs to its events, which come one at a
// time.
struct ExecFacts {
  bool started = false;
  std::optional<v1::ExecExited> exited;
};

StreamEnding EndingOf(const ExecFacts& facts, const absl::Status& status,
                      const Endpoint& agent) {
  if (!facts.started && !facts.exited.has_value() && !status.ok()) {
    return {.refused = ErrorOf(status, Verb::kExec), .exit_code = {}};
  }
  if (!facts.exited.has_value()) return {};
  return {.refused = {},
          .exit_code =
              ClassifyCommand(&*facts.exited, status, true, agent).exit_code};
}

}  // namespace

std::shared_ptr<AgentStream> BeginExec(boost::asio::io_context& loop,
                                       std::shared_ptr<grpc::Channel> channel,
                                       const Endpoint& agent,
                                       const std::string& line,
                                       const StreamOptions& options,
                                       StreamEvents events) {
  v1::ExecRequest request;
  request.mutable_command()->set_shell(line);
  request.mutable_command()->set_merge_stderr(true);
  auto bridge = std::make_shared<Bridge<ExecCall>>(loop, std::move(events));
  auto facts = std::make_shared<ExecFacts>();
  ExecEvents told;
  told.started = [bridge, facts](const v1::ExecStarted&) {
    facts->started = true;
    bridge->Opened();
  };
  told.output = [bridge](std::string bytes) {
    bridge->Chunk(std::move(bytes));
  };
  told.error_output = told.output;
  told.exited = [facts](const v1::ExecExited& exited) {
    facts->exited = exited;
  };
  told.finished = [bridge, facts, agent](const absl::Status& status) {
    bridge->Ended(EndingOf(*facts, status, agent));
  };
  bridge->Start(ExecCall::Create(std::move(channel), std::move(request),
                                 options, std::move(told)));
  return bridge;
}

std::shared_ptr<AgentStream> BeginTail(boost::asio::io_context& loop,
                                       std::shared_ptr<grpc::Channel> channel,
                                       const std::string& path,
                                       const StreamOptions& options,
                                       StreamEvents events) {
  v1::TailRequest request;
  request.set_path(path);
  request.set_follow(true);
  auto bridge = std::make_shared<Bridge<TailCall>>(loop, std::move(events));
  // The file's first bytes may be told while its opening is.
  auto opened = std::make_shared<std::atomic<bool>>(false);
  TailEvents told;
  told.opened = [bridge, opened] {
    if (!opened->exchange(true)) bridge->Opened();
  };
  told.data = [bridge, announce = told.opened](std::string bytes) {
    announce();
    bridge->Chunk(std::move(bytes));
  };
  // There is no word for a rotation: what follows is of the new file.
  told.event = [bridge](const v1::TailEvent&) { bridge->Continue(); };
  told.finished = [bridge, opened](const absl::Status& status) {
    StreamEnding ending;
    if (status.ok()) {
      ending.exit_code = 0;
    } else if (!*opened) {
      ending.refused = ErrorOf(status, Verb::kTail);
    }
    bridge->Ended(ending);
  };
  bridge->Start(TailCall::Create(std::move(channel), std::move(request),
                                 options, std::move(told)));
  return bridge;
}

std::shared_ptr<AgentStream> RefuseStream(boost::asio::io_context& loop,
                                          Error why, StreamEvents events) {
  auto bridge = std::make_shared<Bridge<ExecCall>>(loop, std::move(events));
  bridge->Ended({.refused = why, .exit_code = {}});
  return bridge;
}

}  // namespace specula::shim
