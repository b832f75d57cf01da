#ifndef SPECULA_AGENT_BROKER_BROKER_H_
#define SPECULA_AGENT_BROKER_BROKER_H_

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "agent/broker/broker.pb.h"
#include "agent/broker/ceiling.h"
#include "agent/broker/channel.h"
#include "agent/broker/front_process.h"
#include "agent/broker/jobs.h"
#include "agent/broker/loop.h"
#include "agent/broker/namespaces.h"
#include "agent/broker/off_loop.h"
#include "agent/broker/tail_opener.h"
#include "agent/broker/users.h"
#include "lib/base/unique_fd.h"

namespace specula::agent {

struct BrokerOptions {
  JobsOptions jobs;
  // As whom the front runs. Empty, or without root: as this process.
  std::string front_user;
  // The directory of the namespaces to work in, the front excepted: /proc/1/ns.
  // Empty: those it was started in.
  std::string host_namespaces;
  // How long the front has to end by itself at the end, and the Execs after it.
  absl::Duration front_grace = absl::Seconds(10);
  absl::Duration exec_grace = kDefaultGrace;
  // Called when the front says that it serves, each time; when the orderly end
  // begins. May be empty.
  std::function<void()> on_serving = {};
  std::function<void()> on_stopping = {};
  // For tests; see OffLoop.
  std::function<void(MayHang kind, const std::string& key)> before_off_loop =
      {};
};

// The process that alone forks, kills, reaps and opens. It starts the front and
// starts it again when it dies, does what the front asks within the ceiling,
// and ends all in order at TERM, INT or HUP: first the front, then the Execs;
// Starts live on. A second TERM leaves nobody time.
//
// What it takes for granted: the process has no other thread when Create is
// called, and then none but those of its OffLoop; all forks are made by the
// thread that calls Create and Run, whose end is what PR_SET_PDEATHSIG tells
// the children of; and no other code in this process waits for children. It
// reads nothing from a network and links no gRPC. While nothing happens it does
// not wake up.
//
// That thread serves everybody, so it makes no system call that may not return;
// see OffLoop. Abseil's search for deadlocks is switched off, as its lock could
// be held in a fork.
//
// What survives what, where the unit says KillMode=process:
//             client   death of the front   death of the broker
//   Exec      no       TERM, 5 s, KILL      its program is killed at once, its
//                                           tree by the next broker (cgroups)
//   Start     yes      yes                  yes; the next broker takes it over
//   its log   yes      yes                  yes
class Broker {
 public:
  // Blocks the signals it reads, becomes the subreaper, takes over what an
  // earlier broker has started. Errors say what is wrong with which option.
  static absl::StatusOr<std::unique_ptr<Broker>> Create(BrokerOptions options);
  ~Broker();
  Broker(const Broker&) = delete;

  // Serves the front that `run_front` becomes in a forked child. Returns after
  // the orderly end.
  absl::Status Run(RunFront run_front);

  // Serves one front that is there already, at the other end of `channel`, and
  // returns when that is closed and all Execs have ended. For tests.
  void Serve(UniqueFd channel);

 private:
  explicit Broker(BrokerOptions options) : options_(std::move(options)) {}

  absl::Status Prepare();
  void Connect(UniqueFd channel);
  absl::Status LaunchFront();

  void OnChannel(uint32_t events);
  void OnRequest(Packet packet);
  void Handle(const broker::Request& request, std::vector<UniqueFd> fds);
  void HandleSpawn(const broker::Request& request, std::vector<UniqueFd> fds);
  void HandleKill(const broker::Request& request);
  void HandleOpen(const broker::Request& request);
  void HandleDescribe(const broker::Request& request);
  void Reply(uint64_t id, const absl::Status& status);
  void Send(const broker::Answer& answer, std::vector<UniqueFd> fds = {},
            std::shared_ptr<const UniqueFd> held = {});
  std::vector<std::string> ReadableRoots() const;

  void SayExited(const ProcessTable::Job& job, absl::Duration wall);
  void SayGone(const ProcessTable::Job& job, const ProcessTable::Gone& gone);

  void OnSignal();
  void ReapChildren();
  void OnFrontDeath();
  void DropFront(const absl::Status& why);
  void BeginStop();
  void StopIfDone();

  BrokerOptions options_;
  std::unique_ptr<Loop> loop_;
  std::unique_ptr<OffLoop> off_loop_;
  std::optional<TailOpener> opener_;
  UniqueFd signals_;
  std::optional<User> front_user_;
  std::optional<HostNamespaces> entered_;
  std::unique_ptr<Jobs> jobs_;

  // The front. `connection_` counts them, so that no answer reaches the wrong
  // one.
  RunFront run_front_;
  std::optional<Channel> channel_;
  uint64_t connection_ = 0;
  pid_t front_pid_ = 0;
  absl::Duration front_begin_;
  Backoff backoff_;

  bool first_front_ = true;
  absl::Status run_status_;
  bool stopping_ = false;
};

}  // namespace specula::agent

#endif  // SPECULA_AGENT_BROKER_BROKER_H_
