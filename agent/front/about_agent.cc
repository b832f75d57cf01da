#include "agent/front/about_agent.h"

#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "agent/metrics/to_proto.h"
#include "agent/proc/parse.h"
#include "lib/base/log.h"
#include "lib/base/version.h"

namespace specula::agent {
AboutAgent::AboutAgent(Facts facts, const TlsMaterial& material,
                       const AuditQueue& audit)
    : facts_(std::move(facts)), material_(material), audit_(audit) {}

void AboutAgent::set_supervision(std::string supervision) {
  absl::MutexLock lock(&mutex_);
  supervision_ = std::move(supervision);
}

void AboutAgent::Fill(v1::StatusResponse* status) const {
  v1::Agent& agent = *status->mutable_agent();
  const TlsMaterial::State state = material_.state();
  if (!facts_.hostname.empty())
    status->mutable_host()->set_hostname(facts_.hostname);
  agent.set_version(kVersion);
  *agent.mutable_certificate_expire_time() = ToProto(state.expire_time);
  agent.set_certificate_generation(state.generation);
  agent.set_reload_error(state.error);
  agent.set_commands_allowed(facts_.commands_allowed);
  agent.set_ceiling_hash(facts_.ceiling_hash);
  agent.set_configuration_hash(facts_.configuration_hash);
  if (std::string problem = audit_.problem(); !problem.empty())
    agent.add_problems(std::move(problem));
  if (const int64_t dropped = LogDropped(); dropped > 0) {
    agent.add_problems(absl::StrCat(
        dropped, " lines of the log were dropped: standard error is not read"));
  }
  // No call of its own to a file system that may not answer: this was asked.
  const v1::Filesystem* home =
      FilesystemOf(status->disk(), facts_.state_directory);
  if (home != nullptr && (home->quality() == v1::QUALITY_OK ||
                          home->quality() == v1::QUALITY_CLAMPED)) {
    agent.set_state_available_bytes(home->available_bytes());
  }
  absl::MutexLock lock(&mutex_);
  agent.set_supervision(supervision_);
}

const v1::Filesystem* FilesystemOf(const v1::Disk& disk,
                                   absl::string_view path) {
  const v1::Filesystem* nearest = nullptr;
  for (const v1::Filesystem& row : disk.filesystems()) {
    if (IsWithin(path, row.mount_point()) &&
        (nearest == nullptr ||
         row.mount_point().size() > nearest->mount_point().size())) {
      nearest = &row;
    }
  }
  return nearest;
}

}  // namespace specula::agent
