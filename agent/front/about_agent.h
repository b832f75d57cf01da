#ifndef SPECULA_AGENT_FRONT_ABOUT_AGENT_H_
#define SPECULA_AGENT_FRONT_ABOUT_AGENT_H_

#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "agent/front/audit_queue.h"
#include "agent/front/tls_material.h"
#include "specula/v1/specula.pb.h"

namespace specula::agent {

// What the agent says about itself, its problems among it, beside what is
// measured. Thread-safe.
class AboutAgent {
 public:
  // What its configuration makes of it; see v1::Agent.
  struct Facts {
    std::string ceiling_hash;
    std::string configuration_hash;
    bool commands_allowed = false;
    // What the host is called, if it is not to be what the kernel says.
    std::string hostname;
    // As the host sees it; empty: it lies where the host's mounts say nothing
    // of it, as in a container.
    std::string state_directory;
  };

  // `material` and `audit` must outlive it.
  AboutAgent(Facts facts, const TlsMaterial& material, const AuditQueue& audit);

  // What the broker says of itself.
  void set_supervision(std::string supervision);

  // Adds it to a status that has its file systems.
  void Fill(v1::StatusResponse* status) const;

 private:
  const Facts facts_;
  const TlsMaterial& material_;
  const AuditQueue& audit_;
  mutable absl::Mutex mutex_;
  std::string supervision_ ABSL_GUARDED_BY(mutex_);
};

// The file system among `disk`'s that holds the absolute `path`: that with the
// longest mount point above it; null if there is none. Pure.
const v1::Filesystem* FilesystemOf(const v1::Disk& disk,
                                   absl::string_view path);

}  // namespace specula::agent

#endif  // SPECULA_AGENT_FRONT_ABOUT_AGENT_H_
