#ifndef SPECULA_AGENT_BROKER_NAMESPACES_H_
#define SPECULA_AGENT_BROKER_NAMESPACES_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "lib/base/unique_fd.h"

namespace specula::agent {

// The way from a container's namespaces into the host's and back.
//
// An agent in a container is there for the host: what it runs, follows and ends
// is the host's. So the broker leaves the container, with every child it makes
// from then on; the front, which holds the listening port and reads the mounted
// certificates, stays in it.
//
// Both directions hold for the whole process, which must have one thread.
class HostNamespaces {
 public:
  // `directory` is that of a process of the host: /proc/1/ns. Nothing is
  // entered yet. FAILED_PRECONDITION if that process has another PID namespace:
  // nobody gets out of his own, so the container must share the host's.
  // PERMISSION_DENIED and others name the namespace.
  static absl::StatusOr<HostNamespaces> Open(const std::string& directory);

  // Enters those of the mounts, network, IPC, host name and control groups; the
  // root and working directory are the host's then.
  absl::Status Enter() const;

  // Back to where Open was called, with its root. For the child that becomes
  // the front, before it gives its rights up.
  absl::Status Leave() const;

 private:
  struct Namespace {
    const char* name;
    UniqueFd host;
    UniqueFd own;
  };
  HostNamespaces() = default;

  std::vector<Namespace> namespaces_;  // in the order of entering
  UniqueFd own_root_;
};

}  // namespace specula::agent

#endif  // SPECULA_AGENT_BROKER_NAMESPACES_H_
