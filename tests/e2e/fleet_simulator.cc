#include "tests/e2e/fleet_simulator.h"

#include <arpa/inet.h>
#include <grpcpp/alarm.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server_builder.h>
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <atomic>
#include <deque>
#include <map>
#include <mutex>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "lib/base/unique_fd.h"

namespace specula::testing {
namespace {

void RaiseOpenFiles() {
  rlimit files;
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
}

v1::StatusResponse SomeStatus() {
  v1::StatusResponse status;
  status.mutable_host()->set_hostname("simulated");
  status.mutable_host()->mutable_uptime()->set_seconds(3600);
  status.mutable_cpu()->set_utilization(0.25);
  status.mutable_memory()->set_total_bytes(int64_t{8} << 30);
  status.mutable_memory()->set_used_bytes(int64_t{2} << 30);
  status.mutable_memory()->set_utilization(0.25);
  status.mutable_disk()->set_total_bytes(int64_t{100} << 30);
  status.mutable_disk()->set_used_bytes(int64_t{40} << 30);
  status.mutable_load()->set_one_minute(0.5);
  return status;
}

// Writes what it was given and ends, or hangs until it is cancelled.
class ScriptedExec final : public grpc::ServerWriteReactor<v1::ExecResponse> {
 public:
  struct Script {
    std::deque<v1::ExecResponse> messages;
    bool hang = false;            // after the last message
    std::function<void()> after;  // after the last message
    // This again and again, before the last message, which follows once so many
    // bytes were sent or the time has come.
    v1::ExecResponse flood;
    int64_t flood_bytes = INT64_MAX;
    absl::Time flood_end = absl::InfiniteFuture();
  };

  explicit ScriptedExec(Script script) : script_(std::move(script)) {
    if (script_.messages.empty() && script_.hang) {
      StartSendInitialMetadata();
    } else {
      Next();
    }
  }

  void OnWriteDone(bool ok) override {
    if (!ok) return End(grpc::Status::CANCELLED);
    if (std::exchange(flooded_, false)) {
      script_.flood_bytes -=
          static_cast<int64_t>(script_.flood.stdout().size());
    } else {
      script_.messages.pop_front();
    }
    Next();
  }
  void OnCancel() override {
    // A flood has always a write in flight, which tells of it.
    if (!floods()) End(grpc::Status::CANCELLED);
  }
  void OnDone() override { delete this; }

 private:
  bool floods() const { return !script_.flood.stdout().empty(); }

  void Next() {
    if (floods() && script_.messages.size() == 1 && script_.flood_bytes > 0 &&
        absl::Now() < script_.flood_end) {
      flooded_ = true;
      StartWrite(&script_.flood);
    } else if (!script_.messages.empty()) {
      StartWrite(&script_.messages.front());
    } else {
      if (script_.after) script_.after();
      if (!script_.hang) End(grpc::Status::OK);
    }
  }
  void End(const grpc::Status& status) {
    if (!ended_.exchange(true)) Finish(status);
  }

  Script script_;
  bool flooded_ = false;  // the write in flight is of the flood
  std::atomic<bool> ended_{false};
};

// Writes one snapshot after the other. Counts who may still call it: gRPC until
// OnDone, and its alarm.
class ScriptedWatch final : public grpc::ServerWriteReactor<v1::WatchResponse> {
 public:
  struct Script {
    std::function<v1::WatchResponse(int64_t sequence)> snapshot;
    absl::Duration interval;  // 0: the next one as soon as there is room
    int64_t last = INT64_MAX;
    std::function<void()> after;  // the last; null: ends well
  };

  explicit ScriptedWatch(Script script) : script_(std::move(script)) {
    std::lock_guard<std::mutex> lock(mutex_);
    WriteLocked();
  }

  void OnWriteDone(bool ok) override {
    std::function<void()> after;
    {
      std::lock_guard<std::mutex> lock(mutex_);
      writing_ = false;
      if (!ok || cancelled_) return EndLocked(grpc::Status::CANCELLED);
      if (sequence_ >= script_.last) {
        if (script_.after == nullptr) return EndLocked(grpc::Status::OK);
        after = script_.after;
      } else if (script_.interval <= absl::ZeroDuration()) {
        return WriteLocked();
      } else {
        ++references_;
        alarm_ = std::make_unique<grpc::Alarm>();
        alarm_->Set(absl::ToChronoTime(absl::Now() + script_.interval),
                    [this](bool) { OnAlarm(); });
      }
    }
    if (after != nullptr) after();
  }
  void OnCancel() override {
    std::lock_guard<std::mutex> lock(mutex_);
    cancelled_ = true;
    if (alarm_ != nullptr) alarm_->Cancel();
    if (!writing_) EndLocked(grpc::Status::CANCELLED);
  }
  void OnDone() override { Release(); }

 private:
  void OnAlarm() {
    {
      std::lock_guard<std::mutex> lock(mutex_);
      if (!cancelled_ && !ended_) WriteLocked();
    }
    Release();
  }
  void WriteLocked() {
    message_ = script_.snapshot(++sequence_);
    writing_ = true;
    StartWrite(&message_);
  }
  void EndLocked(const grpc::Status& status) {
    if (!std::exchange(ended_, true)) Finish(status);
  }
  void Release() {
    if (--references_ == 0) delete this;
  }

  const Script script_;
  std::atomic<int> references_{1};
  std::mutex mutex_;
  std::unique_ptr<grpc::Alarm> alarm_;
  v1::WatchResponse message_;
  int64_t sequence_ = 0;
  bool writing_ = false;
  bool cancelled_ = false;
  bool ended_ = false;
};

std::string FloodOfText() {
  std::string text;
  while (text.size() < (32 << 10)) {
    absl::StrAppend(&text, "\x1b[2J\x1b]0;owned\x07\x1b[31mflood\r\n");
  }
  return text;
}

// A flood that keeps to the command's limits, as an agent does.
void Flood(const v1::Command& command, ScriptedExec::Script& script) {
  script.flood.set_stdout(FloodOfText());
  v1::ExecExited exited;
  exited.set_drained(true);
  if (command.output_limit_bytes() > 0) {
    script.flood_bytes = command.output_limit_bytes();
    exited.set_code(0);
    exited.set_truncated(true);
  } else {
    if (command.has_timeout()) {
      script.flood_end = absl::Now() +
                         absl::Seconds(command.timeout().seconds()) +
                         absl::Nanoseconds(command.timeout().nanos());
    }
    exited.set_signal(SIGTERM);
    exited.set_timed_out(true);
  }
  *script.messages.emplace_back().mutable_exited() = exited;
}

}  // namespace

v1::WatchResponse SimulatedSnapshot(Health health, size_t host,
                                    int64_t sequence) {
  v1::WatchResponse snapshot;
  snapshot.set_sequence(sequence);
  v1::StatusResponse& status = *snapshot.mutable_status();
  status = SomeStatus();
  status.mutable_host()->set_hostname(absl::StrCat("simulated", host + 1));
  status.mutable_host()->set_boot_id("boot1");
  status.mutable_host()->mutable_uptime()->set_seconds(3600 + sequence);
  status.mutable_cpu()->set_logical_count(4);
  const bool first = sequence == 1;
  v1::Quality quality = first ? v1::QUALITY_FIRST : v1::QUALITY_OK;
  if (health == Health::kResetsCounters && sequence % 2 == 0) {
    quality = v1::QUALITY_RESET;
    status.mutable_host()->set_boot_id(absl::StrCat("boot", sequence));
    status.mutable_host()->mutable_uptime()->set_seconds(0);
  }
  status.mutable_cpu()->set_quality(quality);
  status.mutable_memory()->set_quality(v1::QUALITY_OK);
  status.mutable_disk()->set_quality(v1::QUALITY_OK);
  status.mutable_network()->set_quality(quality);
  if (quality != v1::QUALITY_OK) status.mutable_cpu()->clear_utilization();
  return snapshot;
}

// One server for all who speak gRPC; by the port that was dialled it knows who
// it is meant to be.
class FleetSimulator::Service final : public v1::Specula::CallbackService {
 public:
  struct Agent {
    Health health = Health::kWell;
    Cable* cable = nullptr;
    size_t place = 0;
  };
  // All before the first call.
  std::map<std::string, Agent, std::less<>> agents;
  Snapshot snapshot;

 private:
  Agent AgentOf(const grpc::CallbackServerContext& context) const {
    const grpc::string_ref authority = context.ExperimentalGetAuthority();
    auto found =
        agents.find(absl::string_view(authority.data(), authority.size()));
    return found == agents.end() ? Agent() : found->second;
  }

  grpc::ServerUnaryReactor* Status(grpc::CallbackServerContext* context,
                                   const v1::StatusRequest*,
                                   v1::StatusResponse* response) override {
    *response = SomeStatus();
    grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
    reactor->Finish(grpc::Status::OK);
    return reactor;
  }

  grpc::ServerWriteReactor<v1::ExecResponse>* Exec(
      grpc::CallbackServerContext* context,
      const v1::ExecRequest* request) override {
    const Agent agent = AgentOf(*context);
    ScriptedExec::Script script;
    if (agent.health == Health::kHangsAfterHeaders) {
      script.hang = true;
      return new ScriptedExec(std::move(script));
    }
    v1::ExecResponse message;
    message.mutable_started()->set_pid(4242);
    script.messages.push_back(message);
    if (agent.health == Health::kFloods) {
      Flood(request->command(), script);
      return new ScriptedExec(std::move(script));
    }
    if (agent.health == Health::kNeverEnds) {
      script.hang = true;
      return new ScriptedExec(std::move(script));
    }
    message.set_stdout("hello\n");
    script.messages.push_back(message);
    if (agent.health == Health::kDiesInMidStream) {
      script.hang = true;
      script.after = [cable = agent.cable] { cable->Cut(); };
    } else if (agent.health != Health::kLies) {
      message.mutable_exited()->set_code(0);
      message.mutable_exited()->set_drained(true);
      script.messages.push_back(message);
    }
    return new ScriptedExec(std::move(script));
  }

  grpc::ServerWriteReactor<v1::WatchResponse>* Watch(
      grpc::CallbackServerContext* context,
      const v1::WatchRequest* request) override {
    const Agent agent = AgentOf(*context);
    ScriptedWatch::Script script;
    script.snapshot = [agent, snapshot = snapshot](int64_t sequence) {
      return snapshot != nullptr
                 ? snapshot(agent.place, sequence)
                 : SimulatedSnapshot(agent.health, agent.place, sequence);
    };
    script.interval = absl::Seconds(request->interval().seconds()) +
                      absl::Nanoseconds(request->interval().nanos());
    if (!request->has_interval()) script.interval = absl::Seconds(2);
    switch (agent.health) {
      case Health::kHangsAfterHeaders: {
        // As a command that has no word to say.
        class Silent final
            : public grpc::ServerWriteReactor<v1::WatchResponse> {
         public:
          Silent() { StartSendInitialMetadata(); }
          void OnCancel() override { Finish(grpc::Status::CANCELLED); }
          void OnDone() override { delete this; }
        };
        return new Silent;
      }
      case Health::kDiesInMidStream:
      case Health::kFlaps:
        script.last = agent.health == Health::kFlaps ? 3 : 2;
        script.after = [cable = agent.cable] { cable->Cut(); };
        break;
      case Health::kLies:
        script.last = 2;
        break;
      case Health::kFloods:
        script.interval = absl::ZeroDuration();
        break;
      default:
        break;
    }
    return new ScriptedWatch(std::move(script));
  }
};

// A port behind which there is no gRPC.
class FleetSimulator::Trap {
 public:
  explicit Trap(Health health) {
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    auto* raw = reinterpret_cast<sockaddr*>(&address);
    const int backlog = health == Health::kHangsInConnect ? 0 : 64;
    if (bind(listener_.get(), raw, length) != 0 ||
        listen(listener_.get(), backlog) != 0 ||
        getsockname(listener_.get(), raw, &length) != 0) {
      abort();
    }
    port_ = ntohs(address.sin_port);
    if (health == Health::kHangsInConnect) {
      // With its queue full the kernel answers no further SYN.
      for (int i = 0; i < 3; ++i) {
        fillers_.emplace_back(
            socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
        [[maybe_unused]] int begun =
            connect(fillers_.back().get(), raw, length);
      }
    }
    if (health == Health::kResets) thread_ = std::thread([this] { Reset(); });
  }
  ~Trap() {
    stop_ = true;
    if (thread_.joinable()) thread_.join();
  }
  uint16_t port() const { return port_; }

 private:
  void Reset() {
    while (!stop_) {
      pollfd ready = {listener_.get(), POLLIN, 0};
      if (poll(&ready, 1, 20) <= 0) continue;
      const UniqueFd peer(
          accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
      const linger at_once = {1, 0};
      setsockopt(peer.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    }
  }

  const UniqueFd listener_{socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  std::vector<UniqueFd> fillers_;
  uint16_t port_ = 0;
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

FleetSimulator::FleetSimulator(const Pki& pki, const std::vector<Health>& fleet,
                               Snapshot snapshot)
    : service_(std::make_unique<Service>()) {
  service_->snapshot = std::move(snapshot);
  RaiseOpenFiles();
  const Credentials own = pki.Load("localhost");
  grpc::SslServerCredentialsOptions options(
      GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
  options.pem_root_certs = own.roots_pem;
  options.pem_key_cert_pairs = {{own.key_pem, own.certificate_pem}};
  const std::shared_ptr<grpc::ServerCredentials> credentials =
      grpc::SslServerCredentials(options);
  auto is_trap = [](Health health) {
    return health == Health::kHangsInConnect || health == Health::kHangsInTls ||
           health == Health::kResets;
  };
  grpc::ServerBuilder builder;
  std::vector<int> ports(fleet.size());
  for (size_t i = 0; i < fleet.size(); ++i) {
    if (is_trap(fleet[i])) continue;
    builder.AddListeningPort("127.0.0.1:0", credentials, &ports[i]);
  }
  builder.RegisterService(service_.get());
  server_ = builder.BuildAndStart();
  for (size_t i = 0; i < fleet.size(); ++i) {
    Cable* cable = nullptr;
    if (is_trap(fleet[i])) {
      traps_.push_back(std::make_unique<Trap>(fleet[i]));
      ports[i] = traps_.back()->port();
    } else if (fleet[i] == Health::kDiesInMidStream ||
               fleet[i] == Health::kFlaps) {
      cables_.push_back(std::make_unique<Cable>(
          Endpoint{{"127.0.0.1", static_cast<uint16_t>(ports[i])}, ""},
          fleet[i] == Health::kFlaps));
      cable = cables_.back().get();
      ports[i] = cable->endpoint().address.port;
    }
    hosts_.push_back(absl::StrCat("127.0.0.1:", ports[i]));
    service_->agents[hosts_.back()] = {fleet[i], cable, i};
  }
}

FleetSimulator::~FleetSimulator() {
  cables_.clear();
  server_->Shutdown(absl::ToChronoTime(absl::Now()));
}

std::string FleetSimulator::expression() const {
  return absl::StrJoin(hosts_, ",");
}

}  // namespace specula::testing
