#ifndef SPECULA_CTL_BOOTSTRAP_HOST_BOOTSTRAP_H_
#define SPECULA_CTL_BOOTSTRAP_HOST_BOOTSTRAP_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "clients/cpp/channel.h"
#include "clients/cpp/credentials.h"
#include "clients/cpp/outcome.h"
#include "ctl/bootstrap/agent_certificate.h"
#include "ctl/bootstrap/agent_programs.h"
#include "ctl/bootstrap/plan.h"
#include "ctl/bootstrap/proof.h"
#include "ctl/bootstrap/ssh_session.h"
#include "ctl/bootstrap/ssh_target.h"

namespace specula::ctl {

// What is the same for all hosts of a bootstrap.
struct BootstrapSettings {
  SshOptions ssh;
  PlanOptions plan;
  std::string pki;                // directory of the authority
  std::vector<std::string> sans;  // that each certificate is to have as well
  absl::Duration within;          // certificates that end sooner are reissued
  int days = 397;
  // Where agents are to serve; %h in the host stands for the host's address.
  // Port 0: that of the inventory, else the usual one.
  HostPort listen{"0.0.0.0", 0};
  std::string config;  // further lines of agent.toml
  AgentPrograms programs;
  std::shared_ptr<const std::string> roots_pem;
  std::shared_ptr<const std::string> denylist;
  Credentials credentials;  // as whom the agents are asked
  absl::Duration wait;      // how long a new agent may take to answer
  bool dry_run = false;
};

// What became of one host.
struct HostReport {
  Ending ending = {Outcome::kSkipped, ""};
  std::string word;      // as in Plan, or "" where it did not come to that
  std::string detail;    // more for a person: version, what was undone
  bool settled = false;  // what was begun was ended, or undone: it is known
  absl::Duration elapsed;
  Endpoint endpoint;  // of the agent
};

// The bootstrap of one host, from the first byte over ssh to the proof by
// mutual TLS. What does not come up is undone. One thread.
class HostBootstrap {
 public:
  // All must outlive it. Once `stop` is true what was begun is undone.
  HostBootstrap(const BootstrapSettings& settings, const SshTarget& target,
                const std::atomic<bool>& stop);

  // Blocks until all is done, or undone.
  HostReport Run();

 private:
  absl::Status Converse(HostReport& report);
  absl::Status FindAddress();
  absl::StatusOr<Facts> AskFacts();
  absl::StatusOr<std::vector<WantedFile>> Want(const Facts& facts);
  absl::Status Put(const WantedFile& file);
  // Puts in place, and keeps or undoes it.
  absl::Status Switch(const Facts& facts, const Plan& plan, HostReport& report);
  absl::Status Undo(const Facts& facts, const Plan& plan, const Ending& why,
                    HostReport& report);
  // Asks until the agent answers as it shall, or cannot be expected to.
  Proof Prove(const std::string& serial, absl::Duration limit, bool watch);
  absl::StatusOr<std::vector<Reply>> Order(const std::string& order,
                                           absl::Duration limit);
  std::string ConfigText() const;
  Ending EndingOf(const absl::Status& status) const;

  const BootstrapSettings& settings_;
  const SshTarget& target_;
  const std::atomic<bool>& stop_;
  Endpoint endpoint_;
  std::unique_ptr<SshSession> session_;
  AgentCertificate certificate_;
  std::vector<std::string> notes_;
};

}  // namespace specula::ctl

#endif  // SPECULA_CTL_BOOTSTRAP_HOST_BOOTSTRAP_H_
