#include "ctl/doctor.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <optional>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "ctl/from_proto.h"
#include "ctl/table.h"
#include "ctl/ui/columns.h"
#include "ctl/ui/host_values.h"
#include "lib/base/format.h"

namespace specula::ctl {
namespace {

constexpr char kNone[] = "-";

const v1::Agent& AgentOf(const HostResult<CheckUp>& result) {
  return result.response.status.agent();
}

bool Answered(const HostResult<CheckUp>& result) {
  return result.ending.outcome == Outcome::kOk;
}

// What most hosts say of themselves; "" if nobody says anything.
template <typename Read>
std::string Usual(absl::Span<const HostResult<CheckUp>> results, Read read) {
  std::map<std::string, int> counts;
  std::string most;
  for (const HostResult<CheckUp>& result : results) {
    if (Answered(result) && !read(AgentOf(result)).empty())
      ++counts[read(AgentOf(result))];
  }
  for (const HostResult<CheckUp>& result : results) {
    if (!Answered(result)) continue;
    const auto found = counts.find(read(AgentOf(result)));
    if (found != counts.end() &&
        (most.empty() || found->second > counts[most])) {
      most = found->first;
    }
  }
  return most;
}

const std::string& VersionOf(const v1::Agent& agent) { return agent.version(); }
const std::string& CeilingOf(const v1::Agent& agent) {
  return agent.ceiling_hash();
}
const std::string& ConfigurationOf(const v1::Agent& agent) {
  return agent.configuration_hash();
}
const std::string& SupervisionOf(const v1::Agent& agent) {
  return agent.supervision();
}

// Whole days, rounded down: what is left is at least that.
int64_t DaysLeft(const v1::Agent& agent, absl::Time now) {
  const absl::Duration left = FromProto(agent.certificate_expire_time()) - now;
  return absl::ToInt64Hours(absl::Floor(left, absl::Hours(24))) / 24;
}

std::string SkewText(absl::Duration skew) {
  if (skew == absl::ZeroDuration()) return "0";
  return absl::StrCat(skew > absl::ZeroDuration() ? "+" : "-",
                      FormatElapsed(absl::AbsDuration(skew)));
}

bool IsCritical(double fraction) { return fraction * 100 >= kCriticalPercent; }

// What top calls critical, and what is not there to be called anything.
void FindDisks(const v1::Disk& disk, std::vector<std::string>& findings) {
  for (const v1::Filesystem& row : disk.filesystems()) {
    if (row.quality() == v1::QUALITY_STALLED) {
      findings.push_back(
          absl::StrCat("file system does not answer: ", row.mount_point()));
      continue;
    }
    const std::optional<double> fill = FillOf(row);
    if (!fill.has_value()) continue;
    if (IsCritical(*fill)) {
      findings.push_back(absl::StrFormat("file system %.0f %% full: %s",
                                         *fill * 100, row.mount_point()));
    }
    const double inodes =
        row.inodes_total_count() <= 0
            ? 0
            : static_cast<double>(row.inodes_used_count()) /
                  static_cast<double>(row.inodes_total_count());
    if (IsFraction(inodes) && IsCritical(inodes)) {
      findings.push_back(absl::StrFormat("%.0f %% of the inodes in use: %s",
                                         inodes * 100, row.mount_point()));
    }
  }
}

void FindReadOnly(const v1::Disk& disk, std::vector<std::string>& findings) {
  for (const v1::Filesystem& row : disk.filesystems()) {
    if (!row.turned_read_only()) continue;
    findings.push_back(
        absl::StrCat("file system turned read-only: ", row.mount_point(),
                     ": the kernel's log says why; check the disk, fsck"));
  }
}

void FindOwn(const CheckUp& check_up, absl::Time now,
             std::vector<std::string>& findings) {
  const v1::Agent& agent = check_up.status.agent();
  if (!agent.reload_error().empty()) {
    findings.push_back(
        absl::StrCat("new TLS files not in use: ", agent.reload_error()));
  }
  findings.insert(findings.end(), agent.problems().begin(),
                  agent.problems().end());
  if (agent.has_certificate_expire_time()) {
    const absl::Duration left =
        FromProto(agent.certificate_expire_time()) - now;
    if (left <= absl::ZeroDuration()) {
      findings.push_back("certificate has expired");
    } else if (left < kLeastCertificateTime) {
      findings.push_back(absl::StrCat("certificate ends in ",
                                      DaysLeft(agent, now),
                                      " d: specula bootstrap --renew"));
    }
  }
  const absl::Duration skew = ClockSkew(check_up);
  if (absl::AbsDuration(skew) >= kMostClockSkew) {
    findings.push_back(absl::StrCat("clock is off by ", SkewText(skew)));
  }
  if (agent.has_state_available_bytes() &&
      agent.state_available_bytes() < kLeastStateBytes) {
    findings.push_back(absl::StrCat("only ",
                                    FormatBytes(agent.state_available_bytes()),
                                    " free for audit and logs"));
  }
}

void FindUnlike(const std::string& what, const std::string& own,
                const std::string& usual, std::vector<std::string>& findings) {
  if (own == usual || usual.empty()) return;
  findings.push_back(absl::StrCat(what, " ", own.empty() ? "unknown" : own,
                                  ", most have ", usual));
}

}  // namespace

absl::Duration ClockSkew(const CheckUp& check_up) {
  if (!check_up.status.has_time()) return absl::ZeroDuration();
  const absl::Time there = FromProto(check_up.status.time());
  if (there < check_up.asked) return there - check_up.asked;
  if (there > check_up.answered) return there - check_up.answered;
  return absl::ZeroDuration();
}

std::vector<Diagnosis> Diagnose(absl::Span<const HostResult<CheckUp>> results,
                                absl::Time now) {
  const std::string version = Usual(results, VersionOf);
  const std::string ceiling = Usual(results, CeilingOf);
  const std::string configuration = Usual(results, ConfigurationOf);
  const std::string supervision = Usual(results, SupervisionOf);
  std::vector<Diagnosis> diagnoses(results.size());
  for (size_t i = 0; i < results.size(); ++i) {
    std::vector<std::string>& findings = diagnoses[i].findings;
    if (!Answered(results[i])) {
      findings.push_back(EndingText(results[i].ending));
      continue;
    }
    const v1::Agent& agent = AgentOf(results[i]);
    const v1::Disk& disk = results[i].response.status.disk();
    FindReadOnly(disk, findings);
    FindOwn(results[i].response, now, findings);
    FindDisks(disk, findings);
    FindUnlike("version", agent.version(), version, findings);
    // A ceiling that differs makes the whole differ: said once.
    FindUnlike("ceiling", agent.ceiling_hash(), ceiling, findings);
    if (agent.ceiling_hash() == ceiling) {
      FindUnlike("configuration", agent.configuration_hash(), configuration,
                 findings);
    }
    FindUnlike("trees owned by", agent.supervision(), supervision, findings);
  }
  return diagnoses;
}

std::string ViewDoctor(const std::vector<Target>& targets,
                       const Results<CheckUp>& results,
                       const std::vector<Diagnosis>& diagnoses,
                       absl::Time now) {
  Table table({{"HOST"},
               {"VERSION"},
               {"CEILING"},
               {"CONFIG"},
               {"TREES"},
               {"CLOCK", Table::Align::kRight},
               {"CERT", Table::Align::kRight},
               {"FREE", Table::Align::kRight},
               {"NEEDS A HAND"}});
  std::vector<size_t> order(targets.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    const auto rank = [&](size_t i) {
      return !Answered(results[i]) ? 0 : diagnoses[i].findings.empty() ? 2 : 1;
    };
    return rank(a) < rank(b);
  });
  for (const size_t i : order) {
    if (!Answered(results[i])) {
      table.AddNote({HostLabel(targets[i]), diagnoses[i].findings.front()});
      continue;
    }
    const v1::Agent& agent = AgentOf(results[i]);
    const auto known = [](const std::string& text) {
      return text.empty() ? kNone : text;
    };
    table.AddNote(
        {HostLabel(targets[i]), known(agent.version()),
         known(agent.ceiling_hash()), known(agent.configuration_hash()),
         known(agent.supervision()), SkewText(ClockSkew(results[i].response)),
         agent.has_certificate_expire_time()
             ? absl::StrCat(DaysLeft(agent, now), "d")
             : kNone,
         agent.has_state_available_bytes()
             ? FormatBytes(agent.state_available_bytes())
             : kNone,
         absl::StrJoin(diagnoses[i].findings, "; ")});
  }
  return table.Render();
}

}  // namespace specula::ctl
