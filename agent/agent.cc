#include "agent/agent.h"

#include <sys/resource.h>

#include <algorithm>
#include <future>
#include <utility>

#include "absl/time/clock.h"
#include "agent/facts.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/base/status_macros.h"
#include "lib/base/version.h"
#include "lib/rpc/on_behalf.h"

namespace specula::agent {
namespace {

// Each connection costs three descriptors: its own, and both ends of the pair
// by which it goes on to gRPC.
constexpr rlim_t kDescriptorsPerConnection = 3;
constexpr rlim_t kOtherDescriptors = 128;

// Longer than any unary call takes: statvfs of a dead NFS server gets 1 s.
constexpr absl::Duration kLongestUnary = absl::Milliseconds(1500);

// From telling a stream that its caller is not trusted any more to cutting the
// connection: for the reason to arrive.
constexpr absl::Duration kLastWords = absl::Milliseconds(500);

// Who asks for health alone, without a certificate.
constexpr PlaceLimits kHealthPlaces = {.all = 16, .per_source = 16};
constexpr FrameLimits kHealthFrames = {.resets = {10, 50},
                                       .pings = {10, 50},
                                       .settings = {10, 100},
                                       .others = {10, 50},
                                       .empty_data = {10, 50},
                                       .small = {100, 1000},
                                       .open_streams = 16};

// For a disk that does not answer; less than what the broker still waits.
constexpr absl::Duration kLongestClose = absl::Seconds(1);

// Raises the soft limit as far as it goes and lowers the caps to what it holds.
PlaceLimits FitToDescriptors(PlaceLimits limits) {
  rlimit files;
  if (getrlimit(RLIMIT_NOFILE, &files) != 0) return limits;
  const rlim_t wanted =
      static_cast<rlim_t>(limits.all) * kDescriptorsPerConnection +
      kOtherDescriptors;
  if (files.rlim_cur < wanted) {
    files.rlim_cur = std::min(wanted, files.rlim_max);
    setrlimit(RLIMIT_NOFILE, &files);
  }
  if (files.rlim_cur < wanted) {
    const rlim_t spare = files.rlim_cur > 2 * kOtherDescriptors
                             ? files.rlim_cur - kOtherDescriptors
                             : files.rlim_cur / 2;
    limits.all = static_cast<int>(
        std::max<rlim_t>(1, spare / kDescriptorsPerConnection));
    Log(LogLevel::kWarning,
        "fewer connections than configured: too few descriptors",
        {{"max_connections", limits.all}, {"rlimit_nofile", files.rlim_cur}});
  }
  // One source never gets all, or it would shut everybody else out.
  limits.per_source =
      std::min(limits.per_source, std::max(1, limits.all * 3 / 4));
  return limits;
}

}  // namespace

Agent::Agent(const Options& options, std::unique_ptr<TlsMaterial> material,
             std::shared_ptr<audit::Writer> audit, UniqueFd broker,
             std::function<void(absl::Status)> lost)
    : tick_interval_(options.reload_interval),
      serving_interval_(options.serving_interval),
      material_(std::move(material)),
      audit_(AuditQueue::LogOf(std::move(audit)), slow_, loop_),
      denials_(audit_),
      sampler_(slow_, options.proc_root),
      about_(FactsOf(options), *material_, audit_),
      broker_(loop_, std::move(broker), std::move(lost)),
      tails_(loop_),
      gate_(
          peers_, [material = material_.get()] { return material->trust(); },
          [this](absl::string_view path, const Peer* peer,
                 const absl::Status& why) {
            denials_.Denied(path,
                            peer == nullptr ? nullptr : peer->caller.get(),
                            peer == nullptr ? "" : peer->address, why);
          }),
      service_({loop_, slow_, sampler_, streams_, gate_, broker_, tails_,
                audit_, about_}),
      relay_(peers_, [this](const Peer& peer, const absl::Status& why) {
        cuts_(LogLevel::kWarning, "a connection is cut",
              {{"peer", peer.address}, {"reason", why.message()}});
        denials_.Denied("connection", peer.caller.get(), peer.address, why);
      }) {}

Acceptor::Tls Agent::Tls() {
  return {[this] { return material_->context(); },
          [this](const std::vector<Certificate>& chain) {
            return JudgeChain(chain, *material_->trust(), absl::Now());
          },
          [this](const std::string& address, const absl::Status& why) {
            denials_.Denied("handshake", nullptr, address, why);
          }};
}

absl::StatusOr<std::unique_ptr<Agent>> Agent::Start(
    const Options& options, UniqueFd broker,
    std::function<void(absl::Status)> lost) {
  ASSIGN_OR_RETURN(std::unique_ptr<TlsMaterial> material,
                   TlsMaterial::Load(options.tls));
  ASSIGN_OR_RETURN(std::shared_ptr<audit::Writer> audit,
                   audit::Writer::Open(options.audit_log, kVersion));
  std::unique_ptr<Agent> agent(new Agent(options, std::move(material),
                                         std::move(audit), std::move(broker),
                                         std::move(lost)));
  RETURN_IF_ERROR(agent->relay_.Start());
  const Server::Options main{options.listen,
                             FitToDescriptors(options.limits),
                             {},
                             options.handshake_timeout};
  ASSIGN_OR_RETURN(
      agent->server_,
      Server::Start(
          main, agent->Tls(), &agent->service_,
          [gate = &agent->gate_](grpc::CallbackServerContext& context,
                                 absl::string_view path) {
            const absl::Status verdict =
                gate->Admit(path, context.peer(),
                            OnBehalfIn(context.client_metadata()))
                    .status();
            return verdict.ok() ? absl::UnimplementedError(path) : verdict;
          },
          agent->relay_));
  if (!options.health_listen.host.empty()) {
    const Server::Options health{options.health_listen, kHealthPlaces,
                                 kHealthFrames, options.handshake_timeout};
    absl::StatusOr<std::unique_ptr<Server>> server =
        Server::Start(health, {}, nullptr, {}, agent->relay_);
    if (!server.ok()) {
      agent->Shutdown(absl::ZeroDuration());
      return server.status();
    }
    agent->health_server_ = *std::move(server);
  }
  agent->loop_.Post([agent = agent.get()] {
    agent->AskBroker();
    agent->SayServing();
  });
  agent->loop_.After(agent->tick_interval_,
                     [agent = agent.get()] { agent->Tick(); });
  return agent;
}

Agent::~Agent() { loop_.Stop(); }

const HostPort* Agent::health_address() const {
  return health_server_ == nullptr ? nullptr : &health_server_->address();
}

void Agent::Tick() {
  material_->Poll(slow_, loop_, [this] { EndUntrusted(); });
  EndUntrusted();
  SayServing();
  loop_.After(tick_interval_, [this] { Tick(); });
}

void Agent::EndUntrusted() {
  streams_.EndIf(
      [this](const Caller& caller) { return gate_.Recheck(caller); });
  const std::shared_ptr<const Trust> trust = material_->trust();
  const absl::Time now = absl::Now();
  peers_.ForEach([&](const std::string& name, const Peer& peer) {
    if (peer.caller == nullptr) return;
    absl::Status verdict = StillTrusted(*peer.caller, *trust, now);
    if (!verdict.ok()) relay_.Cut(name, verdict, kLastWords);
  });
}

void Agent::AskBroker() {
  broker_.With([this](BrokerClient& broker) {
    broker.Describe([this](absl::StatusOr<broker::Description> description) {
      if (description.ok()) about_.set_supervision(description->supervision());
    });
  });
}

void Agent::SayServing() {
  const absl::Time now = SteadyNow();
  if (now < next_serving_) return;
  next_serving_ = now + serving_interval_;
  broker_.With([](BrokerClient& broker) { broker.SayServing(); });
}

size_t Agent::OpenStreams() {
  std::promise<size_t> open;
  loop_.Post([&] { open.set_value(streams_.size()); });
  return open.get_future().get();
}

void Agent::Shutdown(absl::Duration grace) {
  server_->StopAccepting();
  if (health_server_ != nullptr) health_server_->StopAccepting();
  loop_.Post([this] {
    streams_.EndIf([](const Caller&) {
      return absl::UnavailableError("the agent is stopping");
    });
  });
  const absl::Time end = SteadyNow() + grace;
  while (OpenStreams() > 0 && SteadyNow() < end) {
    absl::SleepFor(absl::Milliseconds(10));
  }
  // gRPC would wait for connections as well, and a client that is idle may not
  // look at what it is told.
  server_->Shutdown(
      std::clamp(end - SteadyNow(), absl::ZeroDuration(), kLongestUnary));
  if (health_server_ != nullptr) health_server_->Shutdown(absl::ZeroDuration());
  relay_.Stop(kLastWords);
  loop_.Stop();
  if (absl::Status closed = audit_.Close(kLongestClose); !closed.ok()) {
    Log(LogLevel::kError, "the audit log could not be closed",
        {{"reason", closed.message()}});
  }
}

absl::Status CheckConfig(const Options& options,
                         std::optional<FileReader> reader) {
  TlsPaths paths = options.tls;
  paths.reader = std::move(reader);
  return TlsMaterial::Load(std::move(paths)).status();
}

}  // namespace specula::agent
