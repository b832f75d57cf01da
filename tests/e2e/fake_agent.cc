#include "tests/e2e/fake_agent.h"

#include <arpa/inet.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server_builder.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <thread>

#include "absl/time/clock.h"
#include "lib/base/unique_fd.h"

namespace specula::testing {
namespace {

grpc::Status Lacking() {
  return {grpc::StatusCode::UNIMPLEMENTED, "not in this fake"};
}

sockaddr_in Loopback(uint16_t port) {
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  return address;
}

}  // namespace

bool ExecScript::Started(int64_t pid, int64_t start_ticks) const {
  v1::ExecResponse response;
  response.mutable_started()->set_pid(pid);
  response.mutable_started()->set_start_ticks(start_ticks);
  return writer_->Write(response);
}

bool ExecScript::Stdout(const std::string& bytes) const {
  v1::ExecResponse response;
  response.set_stdout(bytes);
  return writer_->Write(response);
}

bool ExecScript::Stderr(const std::string& bytes) const {
  v1::ExecResponse response;
  response.set_stderr(bytes);
  return writer_->Write(response);
}

bool ExecScript::Exited(const v1::ExecExited& exited) const {
  v1::ExecResponse response;
  *response.mutable_exited() = exited;
  return writer_->Write(response);
}

bool ExecScript::Code(int code) const {
  v1::ExecExited exited;
  exited.set_code(code);
  exited.set_drained(true);
  return Exited(exited);
}

void ExecScript::AwaitCancel() const {
  Eventually([this] { return cancelled(); });
}

std::shared_ptr<grpc::ServerCredentials> AgentCredentials(const Pki& pki) {
  const Credentials own = pki.Load("localhost");
  grpc::SslServerCredentialsOptions options(
      GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
  options.pem_root_certs = own.roots_pem;
  options.pem_key_cert_pairs = {{own.key_pem, own.certificate_pem}};
  return grpc::SslServerCredentials(options);
}

FakeAgent::FakeAgent(const Pki& pki) {
  grpc::ServerBuilder builder;
  builder.AddListeningPort("127.0.0.1:0", AgentCredentials(pki), &port_);
  builder.RegisterService(this);
  // Its threads look this often whether the server ends: 10 s if not told.
  builder.SetSyncServerOption(
      grpc::ServerBuilder::SyncServerOption::CQ_TIMEOUT_MSEC, 50);
  server_ = builder.BuildAndStart();
}

FakeAgent::~FakeAgent() { server_->Shutdown(absl::ToChronoTime(absl::Now())); }

Endpoint FakeAgent::endpoint() const {
  return {{"127.0.0.1", static_cast<uint16_t>(port_)}, ""};
}

std::vector<v1::KillRequest> FakeAgent::kills() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return kills_;
}

grpc::Status FakeAgent::Exec(grpc::ServerContext* context,
                             const v1::ExecRequest* request,
                             grpc::ServerWriter<v1::ExecResponse>* writer) {
  return on_exec ? on_exec(*request, ExecScript(context, writer)) : Lacking();
}

grpc::Status FakeAgent::Tail(grpc::ServerContext* context,
                             const v1::TailRequest* request,
                             grpc::ServerWriter<v1::TailResponse>* writer) {
  return on_tail ? on_tail(context, *request, writer) : Lacking();
}

grpc::Status FakeAgent::Watch(grpc::ServerContext* context,
                              const v1::WatchRequest* request,
                              grpc::ServerWriter<v1::WatchResponse>* writer) {
  return on_watch ? on_watch(context, *request, writer) : Lacking();
}

grpc::Status FakeAgent::Start(grpc::ServerContext*,
                              const v1::StartRequest* request,
                              v1::StartResponse* response) {
  return on_start ? on_start(*request, response) : Lacking();
}

grpc::Status FakeAgent::Kill(grpc::ServerContext*,
                             const v1::KillRequest* request,
                             v1::KillResponse* response) {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    kills_.push_back(*request);
  }
  return on_kill ? on_kill(*request, response) : Lacking();
}

grpc::Status FakeAgent::Processes(grpc::ServerContext*,
                                  const v1::ProcessesRequest* request,
                                  v1::ProcessesResponse* response) {
  return on_processes ? on_processes(*request, response) : Lacking();
}

struct Cable::State {
  UniqueFd listener{socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  uint16_t to_port = 0;
  uint16_t port = 0;
  bool mends = false;
  std::atomic<bool> cut{false};
  std::atomic<bool> gone{false};
  std::thread thread;

  UniqueFd Accept() const {
    return UniqueFd(accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
  }

  void Run() {
    while (true) {
      Pass();
      if (!mends || gone) return;
      if (!Accept().valid()) return;
      if (!gone) cut = false;
    }
  }

  void Pass() {
    const UniqueFd near = Accept();
    const UniqueFd far(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address = Loopback(to_port);
    if (!near.valid() ||
        connect(far.get(), reinterpret_cast<sockaddr*>(&address),
                sizeof address) != 0) {
      return;
    }
    while (!cut) {
      pollfd ends[] = {{near.get(), POLLIN, 0}, {far.get(), POLLIN, 0}};
      if (poll(ends, 2, 10) <= 0) continue;
      for (int i = 0; i < 2; ++i) {
        if (ends[i].revents == 0) continue;
        char buffer[64 << 10];
        const ssize_t got = read(ends[i].fd, buffer, sizeof buffer);
        if (got <= 0) return;
        for (ssize_t sent = 0; sent < got;) {
          const ssize_t part =
              write(ends[1 - i].fd, buffer + sent, size_t(got - sent));
          if (part <= 0) return;
          sent += part;
        }
      }
    }
  }
};

Cable::Cable(const Endpoint& to, bool mends)
    : state_(std::make_shared<State>()) {
  state_->mends = mends;
  sockaddr_in address = Loopback(0);
  socklen_t length = sizeof address;
  auto* raw = reinterpret_cast<sockaddr*>(&address);
  const int fd = state_->listener.get();
  if (bind(fd, raw, length) != 0 || listen(fd, 8) != 0 ||
      getsockname(fd, raw, &length) != 0) {
    abort();
  }
  state_->port = ntohs(address.sin_port);
  state_->to_port = to.address.port;
  state_->thread = std::thread([state = state_] { state->Run(); });
}

Cable::~Cable() {
  state_->gone = true;
  Cut();
  shutdown(state_->listener.get(), SHUT_RDWR);
  state_->thread.join();
}

void Cable::Cut() { state_->cut = true; }

Endpoint Cable::endpoint() const { return {{"127.0.0.1", state_->port}, ""}; }

}  // namespace specula::testing
