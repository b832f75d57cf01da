#include "tests/e2e/fleet_simulator.h"

#include <arpa/inet.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server_builder.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <atomic>
#include <deque>
#include <map>
#include <mutex>
#include <thread>

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
    script_.messages.pop_front();
    Next();
  }
  void OnCancel() override { End(grpc::Status::CANCELLED); }
  void OnDone() override { delete this; }

 private:
  void Next() {
    if (!script_.messages.empty()) {
      StartWrite(&script_.messages.front());
      return;
    }
    if (script_.after) script_.after();
    if (!script_.hang) End(grpc::Status::OK);
  }
  void End(const grpc::Status& status) {
    if (!ended_.exchange(true)) Finish(status);
  }

  Script script_;
  std::atomic<bool> ended_{false};
};

}  // namespace

// One server for all who speak gRPC; by the port that was dialled it knows who
// it is meant to be.
class FleetSimulator::Service final : public v1::Specula::CallbackService {
 public:
  struct Agent {
    Health health;
    Cable* cable;
  };
  // All before the first call.
  std::map<std::string, Agent, std::less<>> agents;

 private:
  Agent AgentOf(const grpc::CallbackServerContext& context) const {
    const grpc::string_ref authority = context.ExperimentalGetAuthority();
    auto found =
        agents.find(absl::string_view(authority.data(), authority.size()));
    return found == agents.end() ? Agent{Health::kWell, nullptr}
                                 : found->second;
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
      grpc::CallbackServerContext* context, const v1::ExecRequest*) override {
    const Agent agent = AgentOf(*context);
    ScriptedExec::Script script;
    if (agent.health == Health::kHangsAfterHeaders) {
      script.hang = true;
      return new ScriptedExec(std::move(script));
    }
    v1::ExecResponse message;
    message.mutable_started()->set_pid(4242);
    script.messages.push_back(message);
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

FleetSimulator::FleetSimulator(const Pki& pki, const std::vector<Health>& fleet)
    : service_(std::make_unique<Service>()) {
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
    } else if (fleet[i] == Health::kDiesInMidStream) {
      cables_.push_back(std::make_unique<Cable>(
          Endpoint{{"127.0.0.1", static_cast<uint16_t>(ports[i])}, ""}));
      cable = cables_.back().get();
      ports[i] = cable->endpoint().address.port;
    }
    hosts_.push_back(absl::StrCat("127.0.0.1:", ports[i]));
    service_->agents[hosts_.back()] = {fleet[i], cable};
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
