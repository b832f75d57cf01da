#ifndef SPECULA_AGENT_AGENT_H_
#define SPECULA_AGENT_AGENT_H_

#include <functional>
#include <memory>
#include <optional>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "agent/border/peers.h"
#include "agent/border/relay.h"
#include "agent/front/about_agent.h"
#include "agent/front/audit_queue.h"
#include "agent/front/broker_link.h"
#include "agent/front/call_audit.h"
#include "agent/front/event_loop.h"
#include "agent/front/gate.h"
#include "agent/front/server.h"
#include "agent/front/service.h"
#include "agent/front/stream_set.h"
#include "agent/front/tail_hub.h"
#include "agent/front/tls_material.h"
#include "agent/metrics/sampler.h"
#include "agent/options.h"
#include "agent/slow_kinds.h"
#include "lib/base/log.h"
#include "lib/base/slow_calls.h"

namespace specula::agent {

// The agent's front put together; members stand in the order of construction,
// so the order of destruction is that of an orderly end.
class Agent {
 public:
  // Serves when it returns. `broker` is the channel to the broker; `lost` is
  // called, on the loop, when that is gone. Errors say what is wrong with which
  // file or address.
  static absl::StatusOr<std::unique_ptr<Agent>> Start(
      const Options& options, UniqueFd broker,
      std::function<void(absl::Status)> lost);
  ~Agent();

  // Where it serves, with real ports. `health_address` is null without one.
  const HostPort& address() const { return server_->address(); }
  const HostPort* health_address() const;

  // Ends in order: no new connections, health says so, streams are told, calls
  // that run get `grace`. Blocks until all is over. Call once.
  void Shutdown(absl::Duration grace);

 private:
  Agent(const Options& options, std::unique_ptr<TlsMaterial> material,
        std::shared_ptr<audit::Writer> audit, UniqueFd broker,
        std::function<void(absl::Status)> lost);

  // Once in reload_interval: files that changed, callers who are not trusted
  // any more.
  void Tick();

  // Ends the streams of callers who are not trusted any more, with the reason,
  // and soon after that their connections. On the loop.
  void EndUntrusted();

  // The TLS of the agent's port.
  Acceptor::Tls Tls();

  // Asks the broker what it is. On the loop.
  void AskBroker();

  // Tells the broker, and through it the service manager, that the front serves
  // and its loop turns, when it is time to. On the loop.
  void SayServing();

  // Those whose end is not on its way yet. Not on the loop.
  size_t OpenStreams();

  const absl::Duration tick_interval_;
  const absl::Duration serving_interval_;
  absl::Time next_serving_ = absl::InfinitePast();  // loop thread
  EventLoop loop_;
  SlowCalls slow_{FrontSlowCalls()};
  std::unique_ptr<TlsMaterial> material_;
  AuditQueue audit_;
  DenialAudit denials_;
  StreamSet streams_;
  Peers peers_;
  Sampler sampler_;
  AboutAgent about_;
  BrokerLink broker_;
  TailHub tails_;
  Gate gate_;
  Service service_;
  LimitedLog cuts_;
  Relay relay_;
  std::unique_ptr<Server> server_;
  std::unique_ptr<Server> health_server_;
};

// Checks options and files without serving, for --check-config: as `reader`
// will see them, if the front is to be another user than this process.
absl::Status CheckConfig(const Options& options,
                         std::optional<FileReader> reader);

}  // namespace specula::agent

#endif  // SPECULA_AGENT_AGENT_H_
