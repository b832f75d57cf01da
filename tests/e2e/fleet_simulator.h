#ifndef SPECULA_TESTS_E2E_FLEET_SIMULATOR_H_
#define SPECULA_TESTS_E2E_FLEET_SIMULATOR_H_

#include <memory>
#include <string>
#include <vector>

#include "tests/e2e/fake_agent.h"

// A fleet in the test's own process: as many agents as wanted, each on a port
// of its own of loopback, over mutual TLS, and as well or as ill as told.
namespace specula::testing {

enum class Health {
  kWell,            // answers Status; runs everything with "hello" and code 0
  kHangsInConnect,  // its port takes no connection, and does not refuse it
  kHangsInTls,      // is connected to and says no word
  kHangsAfterHeaders,  // answers a call's headers, and then nothing
  kDiesInMidStream,    // its connection breaks when the command has begun
  kResets,             // closes each connection at once by RST
  kLies,  // ends a command without ever saying how, as if all were well
};

class FleetSimulator {
 public:
  FleetSimulator(const Pki& pki, const std::vector<Health>& fleet);
  ~FleetSimulator();

  // A host for each of the fleet: "127.0.0.1:PORT".
  const std::vector<std::string>& hosts() const { return hosts_; }
  // All of them as --hosts takes it.
  std::string expression() const;

 private:
  class Service;
  class Trap;

  std::unique_ptr<Service> service_;
  std::unique_ptr<grpc::Server> server_;
  std::vector<std::unique_ptr<Trap>> traps_;
  std::vector<std::unique_ptr<Cable>> cables_;
  std::vector<std::string> hosts_;
};

}  // namespace specula::testing

#endif  // SPECULA_TESTS_E2E_FLEET_SIMULATOR_H_
