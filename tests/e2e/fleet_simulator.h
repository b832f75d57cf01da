#ifndef SPECULA_TESTS_E2E_FLEET_SIMULATOR_H_
#define SPECULA_TESTS_E2E_FLEET_SIMULATOR_H_

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "tests/e2e/fake_agent.h"

// A fleet in the test's own process: as many agents as wanted, each on a port
// of its own of loopback, over mutual TLS, and as well or as ill as told.
namespace specula::testing {

enum class Health {
  // Answers Status; runs everything with "hello" and code 0; to Watch gives a
  // snapshot at each interval.
  kWell,
  kHangsInConnect,     // its port takes no connection, and does not refuse it
  kHangsInTls,         // is connected to and says no word
  kHangsAfterHeaders,  // answers a call's headers, and then nothing
  kDiesInMidStream,    // its connection breaks when the command has begun, or
                       // after the second snapshot
  kResets,             // closes each connection at once by RST
  kLies,  // ends a command without ever saying how, and a Watch after two
          // snapshots, as if all were well
  kResetsCounters,  // its every second snapshot is after a boot: a new id,
                    // uptime 0, rates of QUALITY_RESET
  kFlaps,      // breaks its connection after each third snapshot, refuses the
               // next one, and is well again at the one after that
  kFloods,     // snapshots, and a command's output (with sequences that would
               // move a cursor), without pause and without end but for the
               // command's own time and output limits
  kNeverEnds,  // a command begins and then nothing comes, whatever its time
               // limit
};

// The snapshot that a host of the fleet gives: `host` counts from 0 on,
// `sequence` from 1. As of a healthy host, or of one that resets its counters.
v1::WatchResponse SimulatedSnapshot(Health health, size_t host,
                                    int64_t sequence);

class FleetSimulator {
 public:
  // In place of SimulatedSnapshot for all that speak Watch; must be
  // thread-safe.
  using Snapshot =
      std::function<v1::WatchResponse(size_t host, int64_t sequence)>;

  FleetSimulator(const Pki& pki, const std::vector<Health>& fleet,
                 Snapshot snapshot = nullptr);
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
