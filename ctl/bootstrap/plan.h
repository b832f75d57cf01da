#ifndef SPECULA_CTL_BOOTSTRAP_PLAN_H_
#define SPECULA_CTL_BOOTSTRAP_PLAN_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "ctl/bootstrap/reply.h"

// What is to be done on a host, from what is there and what shall be. Pure.
namespace specula::ctl {

// A file as it shall be on the host; `name` is one of the script's.
struct WantedFile {
  std::string name;
  std::shared_ptr<const std::string> content;  // shared by all hosts
  std::string sha256;
};

WantedFile MakeWantedFile(absl::string_view name,
                          std::shared_ptr<const std::string> content);

struct PlanOptions {
  bool certificates_only = false;  // touch nothing else, restart nothing
  bool no_systemd = false;         // start it plainly, even where systemd is
  bool replace_config = false;     // else one that is there stays as it is
};

struct Plan {
  std::vector<WantedFile> send;  // only what is not there as it shall be
  bool restart = false;          // the agent is started, or started anew
  Supervisor supervisor = Supervisor::kSystemd;  // who starts it
  // What it comes to: "installed", "upgraded", "moved" (to another
  // supervisor), "reconfigured", "started", "renewed" (certificates),
  // "refreshed" (files that need no restart), "unchanged".
  std::string word;

  bool nothing_to_do() const { return send.empty() && !restart; }
};

// FAILED_PRECONDITION if it must not be done: a package looks after the agent
// there, or there is none whose certificates could be renewed. `wanted` may
// hold files that this plan has no use for.
absl::StatusOr<Plan> MakePlan(const Facts& facts,
                              const std::vector<WantedFile>& wanted,
                              const PlanOptions& options);

}  // namespace specula::ctl

#endif  // SPECULA_CTL_BOOTSTRAP_PLAN_H_
