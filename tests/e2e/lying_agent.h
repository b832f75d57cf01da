#ifndef SPECULA_TESTS_E2E_LYING_AGENT_H_
#define SPECULA_TESTS_E2E_LYING_AGENT_H_

#include <grpcpp/server.h>

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "tests/e2e/harness.h"

namespace specula::testing {

// Takes calls as an agent does, over mutual TLS, and answers every one of them,
// whatever its method, with the same bytes.
class LyingAgent {
 public:
  struct Options {
    // One message after the other, as they are to stand on the wire.
    std::vector<std::string> messages;
    // Then the call ends with OK; else only when the caller cancels it.
    bool ends = true;
  };

  LyingAgent(const Pki& pki, Options options);
  ~LyingAgent();

  Endpoint endpoint() const;
  std::string host() const { return FormatHostPort(endpoint().address); }
  // How many calls were cancelled.
  int cancelled() const { return cancelled_; }

 private:
  class Service;
  class Call;

  const Options options_;
  std::atomic<int> cancelled_{0};
  int port_ = 0;
  std::unique_ptr<Service> service_;
  std::unique_ptr<grpc::Server> server_;
};

}  // namespace specula::testing

#endif  // SPECULA_TESTS_E2E_LYING_AGENT_H_
