#ifndef SPECULA_AGENT_OPTIONS_H_
#define SPECULA_AGENT_OPTIONS_H_

#include <string>
#include <variant>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "agent/border/places.h"
#include "agent/broker/ceiling.h"
#include "agent/front/tls_material.h"
#include "lib/base/host_port.h"

namespace specula::agent {

// Everything that can be set from outside; docs are in options.cc, where --help
// gets them from.
struct Options {
  HostPort listen{"0.0.0.0", 60120};
  // The listener without TLS that knows nothing but health; no host: none.
  HostPort health_listen;
  TlsPaths tls;
  PlaceLimits limits;
  absl::Duration handshake_timeout = absl::Seconds(10);
  absl::Duration reload_interval =
      absl::Seconds(1);  // how often TLS files are looked at
  std::string
      proc_root;  // where the host's /proc, /sys and /etc are: "" or /host
  // What the host is called; empty: as the kernel has it. In a container that
  // is the container's name.
  std::string hostname;
  bool check_config = false;
  // Ask the agent that runs here, with its own options, and leave.
  bool probe = false;
  absl::Duration probe_timeout;
  // How often the front tells the broker that it serves, beside the first time.
  absl::Duration serving_interval = absl::InfiniteDuration();

  // Of the broker.
  std::string front_user;  // empty: as whom the program was started
  // The directory of the namespaces that commands run in, or empty.
  std::string host_namespaces;
  std::string state_directory;  // job logs, their records, and the audit log
  std::string audit_log;        // empty: STATE/audit/audit.jsonl
  Ceiling ceiling;
};

// Reads command line, environment and configuration file. Gives the options, or
// the exit code with which to leave at once: 0 after --help, 2 after an error,
// which was then printed.
std::variant<Options, int> ParseOptions(int argc, char** argv);

}  // namespace specula::agent

#endif  // SPECULA_AGENT_OPTIONS_H_
