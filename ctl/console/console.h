#ifndef SPECULA_CTL_CONSOLE_CONSOLE_H_
#define SPECULA_CTL_CONSOLE_CONSOLE_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "ctl/console/line.h"
#include "ctl/fleet.h"
#include "ctl/hosts/inventory.h"
#include "ctl/interrupt.h"
#include "ctl/target.h"

namespace specula::ctl {

// The commands of a session, on a fleet whose channels stay open from the first
// use on. What each does and shows is as by itself (`specula status`, …). One
// thread.
class Console {
 public:
  // Reads the inventory and the TLS files; dials nobody yet. Only the fleet and
  // the time limit of the options count.
  static absl::StatusOr<std::unique_ptr<Console>> Open(
      const FleetOptions& options);

  // Does what a line says; gives the exit code of it. What is wrong with the
  // line is said on standard error.
  int Run(absl::string_view line, Interrupt& interrupt);

  // Whether BYE was said.
  bool over() const { return over_; }
  size_t size() const { return fleet_.size(); }
  // Ids, names and groups, for completion.
  std::vector<std::string> HostWords() const;

 private:
  Console() = default;
  bool IsHost(absl::string_view word) const;
  // The hosts of an expression, on the channels that are kept; empty: all.
  absl::StatusOr<std::vector<Target>> Resolve(
      const std::string& expression) const;
  int Act(const ConsoleLine& line, Interrupt& interrupt);
  int ActOn(const ConsoleLine& line, std::vector<Target> targets,
            Interrupt& interrupt);

  FleetOptions options_;
  Inventory inventory_;
  Credentials credentials_;
  std::vector<Target> fleet_;
  bool over_ = false;
};

}  // namespace specula::ctl

#endif  // SPECULA_CTL_CONSOLE_CONSOLE_H_
