#ifndef SPECULA_CTL_RUN_BATCH_H_
#define SPECULA_CTL_RUN_BATCH_H_

#include <optional>
#include <string>

#include "CLI/CLI.hpp"
#include "ctl/fleet.h"
#include "ctl/interrupt.h"
#include "specula/v1/specula.pb.h"

// A batch as commands run it: from its options to its exit code.
namespace specula::ctl {

// How it is to go and to be shown. Not set is not the same as set to the
// default.
struct BatchOptions {
  bool raw = false;
  std::optional<bool> fold = {};
  std::optional<bool> live = {};
  bool diff = false;
  bool forget = false;       // keep it in no ledger
  bool reads_stdin = false;  // ours was for the command: no keys are read
  std::string directory = {};
  size_t width = 0;
  std::string canary = {};
  std::string group = {};
  std::string most_failed = {};
};

void DeclareBatchOptions(CLI::App* command, BatchOptions& options);

// Whether it is said that the form of a batch is wanted, also for one host.
bool AsksForBatch(const BatchOptions& options, const FleetOptions& fleet);

// Runs it to its end, shows it and keeps it in the ledger. Gives the exit code.
int RunBatch(const BatchOptions& options, const FleetOptions& fleet_options,
             ClosedFleet& fleet, const v1::ExecRequest& request,
             Interrupt& interrupt);

}  // namespace specula::ctl

#endif  // SPECULA_CTL_RUN_BATCH_H_
