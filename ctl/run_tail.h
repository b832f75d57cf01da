#ifndef SPECULA_CTL_RUN_TAIL_H_
#define SPECULA_CTL_RUN_TAIL_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "ctl/interrupt.h"
#include "ctl/tail_fleet.h"
#include "ctl/target.h"
#include "specula/v1/specula.pb.h"

namespace specula::ctl {

// Shows a file of hosts, to its end or to Ctrl-C: of one host byte by byte, of
// many (or with lines left out) as TailFleet does. Gives the exit code.
int RunTailOn(const std::vector<Target>& targets,
              const v1::TailRequest& request, const TailFleetOptions& options,
              Interrupt& interrupt);

// INVALID_ARGUMENT unless `path` can be that of a file on a host: absolute, and
// UTF-8, which the contract asks for.
absl::Status CheckTailPath(const std::string& path);

}  // namespace specula::ctl

#endif  // SPECULA_CTL_RUN_TAIL_H_
