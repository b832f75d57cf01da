#ifndef SPECULA_CTL_BOOTSTRAP_PROOF_H_
#define SPECULA_CTL_BOOTSTRAP_PROOF_H_

#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "clients/cpp/channel.h"
#include "clients/cpp/outcome.h"

namespace specula::ctl {

// What an agent proved by answering over mutual TLS.
struct Proof {
  Ending ending;             // ok: it answered
  std::string serial;        // of the certificate it showed
  std::string version;       // of the agent
  std::string reload_error;  // why what lies on its disk is not in use
};

// Asks an agent for its status over a connection of its own, so that the
// certificate it shows is the one it has now. Blocks, at most `limit`.
Proof AskForProof(const Endpoint& endpoint, const Credentials& credentials,
                  absl::Duration limit);

}  // namespace specula::ctl

#endif  // SPECULA_CTL_BOOTSTRAP_PROOF_H_
