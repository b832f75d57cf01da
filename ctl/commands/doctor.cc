#include "ctl/doctor.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "ctl/commands/commands.h"
#include "ctl/commands/read.h"

namespace specula::ctl {
namespace {

AgentClient::Call BeginCheckUp(AgentClient& client, absl::Duration timeout,
                               AgentClient::OnAnswer<CheckUp> done) {
  return client.Status({}, timeout,
                       [asked = absl::Now(), done = std::move(done)](
                           absl::StatusOr<v1::StatusResponse> status) {
                         if (!status.ok()) return done(status.status());
                         done(CheckUp{*std::move(status), asked, absl::Now()});
                       });
}

bool AllAreWell(const Results<CheckUp>& results) {
  const std::vector<Diagnosis> diagnoses = Diagnose(results, absl::Now());
  return std::all_of(
      diagnoses.begin(), diagnoses.end(),
      [](const Diagnosis& diagnosis) { return diagnosis.findings.empty(); });
}

std::vector<std::string> JsonFindings(const Results<CheckUp>& results) {
  std::vector<std::string> more;
  more.reserve(results.size());
  for (const Diagnosis& diagnosis : Diagnose(results, absl::Now())) {
    std::string list;
    for (const std::string& finding : diagnosis.findings) {
      absl::StrAppend(&list, list.empty() ? "" : ",", JsonString(finding));
    }
    more.push_back(absl::StrCat(",\"findings\":[", list, "]"));
  }
  return more;
}

}  // namespace

void AddDoctorCommand(CLI::App& app, CommandContext& context) {
  CLI::App* command = app.add_subcommand(
      "doctor",
      "What needs a hand: versions and configurations that differ, clocks, "
      "certificates, disks, what an agent cannot read");
  command->footer(
      "Of disks: file systems that turned read-only, that do not answer, and "
      "from 90 % on\nof their space or inodes.\n\n"
      "Hosts that need a hand come first. Exit code: 0 all is well, 1 "
      "something needs a hand,\n"
      "255 some host gave no result.\n\n"
      "Examples: specula doctor\n"
      "          specula doctor --json | jq 'select(.findings != [])'");
  command->callback([&context] {
    context.run = [&context](Interrupt& interrupt) {
      return RunRead<CheckUp>(
          context.options, interrupt,
          {"agent", BeginCheckUp,
           [](const std::vector<Target>& targets,
              const Results<CheckUp>& results) {
             const absl::Time now = absl::Now();
             return ViewDoctor(targets, results, Diagnose(results, now), now);
           },
           [](const CheckUp& check_up) -> const google::protobuf::Message* {
             return &check_up.status.agent();
           },
           JsonFindings, AllAreWell});
    };
  });
}

}  // namespace specula::ctl
