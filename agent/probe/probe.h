#ifndef SPECULA_AGENT_PROBE_PROBE_H_
#define SPECULA_AGENT_PROBE_PROBE_H_

#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "lib/base/host_port.h"
#include "lib/base/secret_file.h"

// Asks the agent that runs on this machine whether it serves, for whoever
// watches over it: a container's health check, a kubelet. "The process is up"
// says too little: a listener can be deaf. So the probe goes the way of every
// caller, through TLS on the real port to grpc.health.v1.
//
// It shows the agent's own certificate, which may ask for health and nothing
// else, so that a container needs no second one.
namespace specula::agent {

struct ProbeOptions {
  HostPort address;
  // The agent's own files.
  std::string ca;
  std::string certificate;
  std::string key;
  // The user that reads them in the agent, if it is not that of this process.
  std::optional<FileReader> reader = {};
  // For all of it.
  absl::Duration timeout = absl::Seconds(5);
};

// Where a listener on `listen` answers on this machine: every address becomes
// loopback. INVALID_ARGUMENT for port 0, which says nothing. Pure.
absl::StatusOr<HostPort> ProbeAddress(const HostPort& listen);

// OK if the port answers, as this very agent (the identity in its certificate
// is that of ours), that it serves. Else why not, in one line. Blocks until
// then. The process must have called EnforceTlsPolicy.
absl::Status Probe(const ProbeOptions& options);

}  // namespace specula::agent

#endif  // SPECULA_AGENT_PROBE_PROBE_H_
