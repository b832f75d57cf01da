#ifndef SPECULA_AGENT_BROKER_CLIENT_H_
#define SPECULA_AGENT_BROKER_CLIENT_H_

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "agent/broker/broker.pb.h"
#include "agent/broker/channel.h"
#include "lib/base/unique_fd.h"

namespace specula::agent {

// The front's side of the channel: asks the broker, and is told of children.
//
// It has no thread and never blocks. Its owner waits for fd() to be readable,
// and writable while wants_write(), and calls OnReadable and OnWritable; all
// callbacks run in there, in the order in which the broker spoke. One loop
// thread only. A callback may call anything but the destructor. A callback is
// not called after `lost`; just before it those that wait for an answer get
// UNAVAILABLE, and jobs that are not gone are told.
//
// A request that is refused without asking (INVALID_ARGUMENT) calls back at
// once, before the method returns.
class BrokerClient {
 public:
  // A program that runs.
  struct Spawned {
    broker::Spawned facts;
    UniqueFd out;    // read ends, non-blocking; Exec only
    UniqueFd error;  // not with merge_stderr
  };

  // What is told of a child after `done`: `exited` when the program has ended,
  // `gone` when its tree has, always the last. An Exec's answer is complete
  // when `gone` has come and both pipes were read to their end; after `gone`
  // the end of the pipes is there or at most some bytes away, unless drain_over
  // or survivor_count say that a writer may have been given up.
  // `lost`: the broker is gone before the tree; nothing more will be told.
  struct JobEvents {
    std::function<void(const broker::Exited&)> exited;
    std::function<void(const broker::Gone&)> gone;
    std::function<void()> lost = {};
  };

  using Done = std::function<void(absl::Status)>;
  template <typename T>
  using Answered = std::function<void(absl::StatusOr<T>)>;

  // `lost`: the broker is gone or speaks nonsense; nothing can be asked any
  // more.
  BrokerClient(UniqueFd channel, std::function<void(absl::Status)> lost);
  BrokerClient(const BrokerClient&) = delete;

  int fd() const { return channel_.fd(); }
  bool wants_write() const { return channel_.wants_write(); }
  void OnReadable();
  void OnWritable();

  // Runs a program with `input` on its standard input; without any that is
  // /dev/null. For errors see Spawning::Finish and ceiling.h. For a Start the
  // events may come long after and may be empty; of a repeated one there are
  // none.
  void Spawn(const broker::Spawn& command, absl::string_view input,
             Answered<Spawned> done, JobEvents events);

  // NOT_FOUND for a job that is gone, here and in Finish and Signal; a job that
  // ends at that moment is no error of the caller's.
  void EndTree(const broker::EndTree& order, Done done = {});

  // To be called when both pipes of an Exec are at their end and the program
  // has exited: else what it left behind is given 2 s.
  void Finish(uint64_t job, Done done = {});
  void Signal(uint64_t job, int signal, Done done = {});

  void Kill(const broker::Kill& order, Answered<int> done);

  // Opens a file for Tail, with the broker's rights under the ceiling's roots.
  // DEADLINE_EXCEEDED if its file system does not answer within a second.
  void Open(absl::string_view path,
            Answered<std::pair<UniqueFd, broker::Opened>> done);

  void ListStarted(Answered<broker::StartedJobs> done);
  void Describe(Answered<broker::Description> done);

  // Says that the front serves.
  void SayServing(Done done = {});

 private:
  // Takes an answer apart.
  using Handler =
      std::function<void(absl::Status, broker::Answer, std::vector<UniqueFd>)>;

  void Ask(broker::Request request, std::vector<UniqueFd> fds, Handler handler);
  void OnPacket(Packet packet);
  void OnEvent(const broker::Answer& event);
  void Lose(absl::Status why);

  Channel channel_;
  std::function<void(absl::Status)> lost_;
  bool is_lost_ = false;
  uint64_t next_id_ = 1;
  std::map<uint64_t, Handler> waiting_;
  std::map<uint64_t, JobEvents> jobs_;
};

}  // namespace specula::agent

#endif  // SPECULA_AGENT_BROKER_CLIENT_H_
