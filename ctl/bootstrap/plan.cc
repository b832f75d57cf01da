#include "ctl/bootstrap/plan.h"

#include <algorithm>
#include <utility>

#include "lib/audit/sha256.h"

namespace specula::ctl {
namespace {

bool IsOneOf(absl::string_view name,
             std::initializer_list<absl::string_view> names) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

bool IsCertificate(absl::string_view name) {
  return IsOneOf(name, {"ca", "cert", "key", "denylist"});
}

bool IsOfSystemd(absl::string_view name) {
  return IsOneOf(name, {"unit", "sysusers", "tmpfiles"});
}

// The agent reads its certificates again by itself, and nothing else.
bool NeedsRestart(absl::string_view name) {
  return IsOneOf(name, {"agent", "config", "unit"});
}

absl::Status CheckPossible(const Facts& facts, const PlanOptions& options) {
  const bool installed = facts.files.contains("agent");
  if (options.certificates_only) {
    if (installed || facts.packaged) return absl::OkStatus();
    return absl::FailedPreconditionError(
        "no agent is installed there whose certificate could be renewed; "
        "leave --renew out to install one");
  }
  if (!facts.packaged) return absl::OkStatus();
  return absl::FailedPreconditionError(
      "a package put an agent there (/usr/bin/specula-agent): upgrade the "
      "package, or remove it first; --renew works with it");
}

std::string WordFor(const Facts& facts, const Plan& plan) {
  const auto sends = [&](absl::string_view name) {
    return std::any_of(
        plan.send.begin(), plan.send.end(),
        [&](const WantedFile& file) { return file.name == name; });
  };
  const Supervisor before = facts.agent.supervisor;
  if (sends("agent")) {
    return facts.files.contains("agent") ? "upgraded" : "installed";
  }
  if (plan.restart) {
    if (sends("config") || sends("unit")) return "reconfigured";
    if (before == Supervisor::kNone) return "started";
    return before != plan.supervisor ? "moved" : "restarted";
  }
  if (std::any_of(
          plan.send.begin(), plan.send.end(),
          [](const WantedFile& file) { return IsCertificate(file.name); })) {
    return "renewed";
  }
  return plan.send.empty() ? "unchanged" : "refreshed";
}

}  // namespace

WantedFile MakeWantedFile(absl::string_view name,
                          std::shared_ptr<const std::string> content) {
  WantedFile file;
  file.name = std::string(name);
  file.sha256 = audit::Sha256().Of(*content);
  file.content = std::move(content);
  return file;
}

absl::StatusOr<Plan> MakePlan(const Facts& facts,
                              const std::vector<WantedFile>& wanted,
                              const PlanOptions& options) {
  absl::Status possible = CheckPossible(facts, options);
  if (!possible.ok()) return possible;
  Plan plan;
  const bool systemd = facts.systemd && !options.no_systemd;
  plan.supervisor = systemd ? Supervisor::kSystemd : Supervisor::kPlain;
  for (const WantedFile& file : wanted) {
    const bool certificate = IsCertificate(file.name);
    if (options.certificates_only && !certificate) continue;
    if (IsOfSystemd(file.name) && !systemd) continue;
    const auto there = facts.files.find(file.name);
    if (there != facts.files.end()) {
      if (there->second == file.sha256) continue;
      // What the host may be asked for is the host's own matter.
      if (file.name == "config" && !options.replace_config) continue;
    }
    plan.restart = plan.restart || NeedsRestart(file.name);
    plan.send.push_back(file);
  }
  if (!options.certificates_only) {
    const auto agent = std::find_if(
        wanted.begin(), wanted.end(),
        [](const WantedFile& file) { return file.name == "agent"; });
    const bool other_program = agent != wanted.end() &&
                               !facts.agent.sha256.empty() &&
                               facts.agent.sha256 != agent->sha256;
    plan.restart = plan.restart || other_program ||
                   facts.agent.supervisor != plan.supervisor;
  }
  plan.word = WordFor(facts, plan);
  return plan;
}

}  // namespace specula::ctl
