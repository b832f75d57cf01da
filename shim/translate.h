#ifndef SPECULA_SHIM_TRANSLATE_H_
#define SPECULA_SHIM_TRANSLATE_H_

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
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
#include "shim/shares.h"
#include "shim/turns.h"

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
//
// All controllers share three connections to the agent, and each pays for
// itself. Questions, STARTs and streams have one each, so that a question never
// stands behind a long command line. What a connection takes is divided by
// Turns, the streams by Shares: of 120 in all, 64 of them EXECs, a controller
// may have as many as are left free.
class Translator {
  struct Queue;

 public:
  // The payload of the one reply.
  using OnReply = std::function<void(std::string)>;

  // The right to send one command. It holds what the command takes from others,
  // and gives it back when it is destroyed, so keep it until the answer. Not
  // longer than the translator.
  class Turn {
   public:
    ~Turn() { GiveBack(); }
    Turn(const Turn&) = delete;
    Turn& operator=(const Turn&) = delete;

    bool has_come() const { return has_come_; }

   private:
    friend Translator;
    explicit Turn(std::string who) : who_(std::move(who)) {}
    void GiveBack();

    const std::string who_;
    bool has_come_ = false;
    Queue* queue_ = nullptr;  // where it waits, or counts
    Turns::Id id_ = 0;
    Shares* places_ = nullptr;  // of which it has one
    Shares* execs_ = nullptr;   // the same
  };

  // `answer_within`: a unary call, and a stream until it is opened.
  Translator(boost::asio::io_context& loop, const Endpoint& agent,
             const Credentials& credentials, absl::Duration answer_within);
  ~Translator();

  // For the calls to come; those that are out end with what they began with.
  void SetCredentials(const Credentials& credentials);

  // Lets a command wait for its turn; `come` is called then, unless it has come
  // when this returns. `who`: the controller, which shares with the others.
  // Null if a bound is met, so that the answer is kBusy: too many streams of
  // its own or in all, or too much that waits.
  std::shared_ptr<Turn> Await(const Command& command, const std::string& who,
                              std::function<void()> come);

  // Asks what a command with one reply asks: PING STATUS CPU MEM DISK START
  // KILL. `turn` has come. `answered` may run at once. `on_behalf` names the
  // token.
  void Ask(const Command& command, const std::string& on_behalf,
           std::shared_ptr<Turn> turn, OnReply answered);

  // Begins an EXEC or a TAIL, whose turn has come. No event comes before this
  // has returned.
  std::shared_ptr<AgentStream> Open(const Command& command,
                                    const std::string& on_behalf,
                                    std::shared_ptr<Turn> turn,
                                    StreamEvents events);

 private:
  // Who waits for one of the connections.
  struct Queue {
    Queue(boost::asio::io_context& loop, const Turns::Bounds& bounds)
        : turns(bounds), timer(loop) {}
    // Looks whose turn it is, `within` or before. If none waits, not at all.
    void Look(absl::Duration within);

    Turns turns;
    boost::asio::steady_timer timer;
    absl::Duration next_look = absl::InfiniteDuration();
  };
  // Asks over either connection on behalf of one token.
  struct Clients {
    AgentClient questions;
    AgentClient orders;
  };

  Clients& ClientsFor(const std::string& on_behalf);
  // The queue in which a command waits; null if it does not go to the agent.
  Queue* QueueOf(const Command& command);
  std::shared_ptr<AgentStream> Begin(
      const Command& command, const std::string& on_behalf,
      const std::shared_ptr<grpc::Channel>& channel, StreamEvents events);
  void Ping(OnReply done);
  void Start(const Command& command, const std::string& on_behalf,
             const std::string& who, OnReply done);
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
  std::shared_ptr<grpc::Channel> questions_;
  std::shared_ptr<grpc::Channel> orders_;
  std::shared_ptr<grpc::Channel> streams_;
  absl::flat_hash_map<std::string, std::unique_ptr<Clients>> clients_;
  Queue question_queue_;
  Queue order_queue_;
  Queue stream_queue_;
  Shares places_;
  Shares execs_;
};

}  // namespace specula::shim

#endif  // SPECULA_SHIM_TRANSLATE_H_
