#ifndef SPECULA_TESTS_CTL_UI_SCRIPTED_FLEET_H_
#define SPECULA_TESTS_CTL_UI_SCRIPTED_FLEET_H_

#include <string>

#include "ctl/ui/top_state.h"

// A fleet whose every number is known, for tests of the table.
namespace specula::ctl {

// 2026-11-25 14:32:10 UTC.
absl::Time ScriptedNow();

// A snapshot of a host with `cores` = 4; fractions 0 to 1.
struct ScriptedHost {
  double cpu = 0.1;
  double memory = 0.3;
  double disk = 0.2;
  int processes = 0;
  std::string command = "sleep 100";
  std::string boot_id = "b1";
};
std::shared_ptr<const v1::WatchResponse> Snapshot(const ScriptedHost& host);

FleetEvent Heard(size_t host, absl::Time time, const ScriptedHost& snapshot);
FleetEvent Gone(size_t host, absl::Time time, Outcome outcome,
                std::string reason);

// A table of hosts by these names, of whom nothing is known yet.
TopState Table(const std::vector<std::string>& names,
               const TopState::Options& options = {});

// Twelve hosts: busy ones, one stale, one down, one not heard of, one whose
// name and processes try to move the cursor.
TopState ScriptedFleet(const TopState::Options& options = {});

}  // namespace specula::ctl

#endif  // SPECULA_TESTS_CTL_UI_SCRIPTED_FLEET_H_
