#ifndef SPECULA_TESTS_E2E_FAKE_AGENT_H_
#define SPECULA_TESTS_E2E_FAKE_AGENT_H_

#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server.h>

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "specula/v1/specula.grpc.pb.h"
#include "tests/e2e/harness.h"

// An agent in the test's own process, over mutual TLS as a real one, that does
// what a test tells it.
namespace specula::testing {

// Mutual TLS with the certificate of localhost, as a real agent's.
std::shared_ptr<grpc::ServerCredentials> AgentCredentials(const Pki& pki);

// What a fake Exec can do.
class ExecScript {
 public:
  ExecScript(grpc::ServerContext* context,
             grpc::ServerWriter<v1::ExecResponse>* writer)
      : context_(context), writer_(writer) {}

  // Each says whether the caller still listens.
  bool Started(int64_t pid = 4242, int64_t start_ticks = 777) const;
  bool Stdout(const std::string& bytes) const;
  bool Stderr(const std::string& bytes) const;
  bool Exited(const v1::ExecExited& exited) const;
  bool Code(int code) const;
  // Returns when the caller has cancelled or gone.
  void AwaitCancel() const;
  bool cancelled() const { return context_->IsCancelled(); }

 private:
  grpc::ServerContext* const context_;
  grpc::ServerWriter<v1::ExecResponse>* const writer_;
};

class FakeAgent final : v1::Specula::Service {
 public:
  using OnExec =
      std::function<grpc::Status(const v1::ExecRequest&, const ExecScript&)>;
  using OnTail =
      std::function<grpc::Status(grpc::ServerContext*, const v1::TailRequest&,
                                 grpc::ServerWriter<v1::TailResponse>*)>;
  using OnWatch =
      std::function<grpc::Status(grpc::ServerContext*, const v1::WatchRequest&,
                                 grpc::ServerWriter<v1::WatchResponse>*)>;
  using OnStart =
      std::function<grpc::Status(const v1::StartRequest&, v1::StartResponse*)>;
  using OnKill =
      std::function<grpc::Status(const v1::KillRequest&, v1::KillResponse*)>;

  using OnProcesses = std::function<grpc::Status(const v1::ProcessesRequest&,
                                                 v1::ProcessesResponse*)>;

  // Listens on a free port. What is not set before the first call is
  // UNIMPLEMENTED.
  explicit FakeAgent(const Pki& pki);
  ~FakeAgent() override;

  OnExec on_exec;
  OnTail on_tail;
  OnWatch on_watch;
  OnStart on_start;
  OnKill on_kill;
  OnProcesses on_processes;

  Endpoint endpoint() const;
  std::string host() const { return FormatHostPort(endpoint().address); }
  // The Kills that came.
  std::vector<v1::KillRequest> kills() const;

 private:
  grpc::Status Exec(grpc::ServerContext* context,
                    const v1::ExecRequest* request,
                    grpc::ServerWriter<v1::ExecResponse>* writer) override;
  grpc::Status Tail(grpc::ServerContext* context,
                    const v1::TailRequest* request,
                    grpc::ServerWriter<v1::TailResponse>* writer) override;
  grpc::Status Watch(grpc::ServerContext* context,
                     const v1::WatchRequest* request,
                     grpc::ServerWriter<v1::WatchResponse>* writer) override;
  grpc::Status Start(grpc::ServerContext* context,
                     const v1::StartRequest* request,
                     v1::StartResponse* response) override;
  grpc::Status Kill(grpc::ServerContext* context,
                    const v1::KillRequest* request,
                    v1::KillResponse* response) override;
  grpc::Status Processes(grpc::ServerContext* context,
                         const v1::ProcessesRequest* request,
                         v1::ProcessesResponse* response) override;

  int port_ = 0;
  mutable std::mutex mutex_;
  std::vector<v1::KillRequest> kills_;
  std::unique_ptr<grpc::Server> server_;
};

// Passes the bytes of one connection to an agent, until it is cut: a host that
// dies, or a cable that is pulled. One that mends closes the next connection at
// once, and passes the one after that as if nothing had been: a host that comes
// and goes.
class Cable {
 public:
  explicit Cable(const Endpoint& to, bool mends = false);
  ~Cable();
  Endpoint endpoint() const;
  // Closes both ends. What was under way may be lost.
  void Cut();

 private:
  struct State;
  const std::shared_ptr<State> state_;
};

}  // namespace specula::testing

#endif  // SPECULA_TESTS_E2E_FAKE_AGENT_H_
