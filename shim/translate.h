#ifndef SPECULA_SHIM_TRANSLATE_H_
#define SPECULA_SHIM_TRANSLATE_H_

#include <boost/asio/io_context.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>  // before Boost.Asio 1.74, which forgets it

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "clients/cpp/agent_client.h"
#include "clients/cpp/channel.h"
#include "shim/command.h"
#include "shim/error.h"

// The only place that knows both sides: what a command of the older protocol
// asks of an agent, and how its answer reads there.
namespace specula::shim {

// An EXEC or TAIL at the agent. Loop thread only.
class AgentStream {
 public:
  virtual ~AgentStream() = default;
  // Takes the next chunk, once after each. Until then the program is paused.
  virtual void Continue() = 0;
  // Ends it, and at the agent what runs for it. `ended` alone follows.
  virtual void Cancel() = 0;
};

// How a stream ended.
struct StreamEnding {
  std::optional<Error> refused;  // it never ran
  // The command's own; 0 if a TAIL came to its end. Absent: nobody knows, as
  // the agent was lost or the stream cancelled.
  std::optional<int> exit_code;
};

// What happens in a stream, each on the loop thread.
struct StreamEvents {
  std::function<void()> opened;  // it runs
  std::function<void(std::string)> chunk;
  std::function<void(const StreamEnding&)> ended;  // always, once, last
};

// The error of the older protocol for what an agent answered. `own` is that of
// the command that failed. Pure.
Error ErrorOf(const absl::Status& status, Verb verb);

// Loop thread only. Calls that are out keep the loop running.
class Translator {
 public:
  // The payload of the one reply.
  using OnReply = std::function<void(std::string)>;

  // `answer_within`: a unary call, and a stream until it is opened.
  Translator(boost::asio::io_context& loop, const Endpoint& agent,
             const Credentials& credentials, absl::Duration answer_within);
  ~Translator();

  // For the calls to come; those that are out end with what they began with.
  void SetCredentials(const Credentials& credentials);

  // Asks what a command with one reply asks: PING STATUS CPU MEM DISK START
  // KILL. `done` may run at once. `on_behalf` names the token.
  void Ask(const Command& command, const std::string& on_behalf, OnReply done);

  // Begins an EXEC or a TAIL; null if as many run as the agent lets one
  // connection have. No event comes before this has returned.
  std::shared_ptr<AgentStream> Open(const Command& command,
                                    const std::string& on_behalf,
                                    StreamEvents events);

  // How long whoever asked `command` waits before the next one. The agent cuts
  // a connection that sends more than 256 KiB a second, and ours is
  // everybody's.
  absl::Duration Pace(const Command& command);

  int stream_count() const { return stream_count_; }

 private:
  AgentClient& ClientFor(const std::string& on_behalf);
  void Ping(OnReply done);
  void Start(const Command& command, const std::string& on_behalf,
             OnReply done);
  void SendStart(const v1::StartRequest& request, const std::string& on_behalf,
                 OnReply done);

  // Wraps what is to run on the loop, for a thread of gRPC.
  template <typename Answer>
  std::function<void(absl::StatusOr<Answer>)> OnLoop(
      std::function<std::string(const absl::StatusOr<Answer>&)> read,
      OnReply done);

  boost::asio::io_context& loop_;
  const Endpoint agent_;
  const absl::Duration answer_within_;
  // Apart, so that streams neither take the places of questions nor stand
  // behind them.
  std::shared_ptr<grpc::Channel> questions_;
  std::shared_ptr<grpc::Channel> streams_;
  absl::flat_hash_map<std::string, std::unique_ptr<AgentClient>> clients_;
  int stream_count_ = 0;
  absl::Duration paid_until_ = absl::ZeroDuration();
};

}  // namespace specula::shim

#endif  // SPECULA_SHIM_TRANSLATE_H_
