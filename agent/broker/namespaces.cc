#include "agent/broker/namespaces.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "lib/base/status_macros.h"

namespace specula::agent {
namespace {

constexpr char kOwn[] = "/proc/self/ns";

// That of the mounts last: it takes the files away by which the others are
// found. That of the users is left alone: who may enter the rest is root in it
// already, or must not become so.
constexpr const char* kNames[] = {"cgroup", "ipc", "uts", "net", "mnt"};

absl::StatusOr<UniqueFd> OpenNamespace(const std::string& directory,
                                       absl::string_view name) {
  const std::string path = absl::StrCat(directory, "/", name);
  UniqueFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (fd.valid()) return fd;
  return absl::ErrnoToStatus(errno, absl::StrCat("open(", path, ")"));
}

absl::Status CheckSharesPids(const std::string& directory) {
  struct stat host, own;
  ASSIGN_OR_RETURN(const UniqueFd there, OpenNamespace(directory, "pid"));
  ASSIGN_OR_RETURN(const UniqueFd here, OpenNamespace(kOwn, "pid"));
  if (fstat(there.get(), &host) != 0 || fstat(here.get(), &own) != 0)
    return absl::ErrnoToStatus(errno, "fstat(pid namespace)");
  if (host.st_ino == own.st_ino && host.st_dev == own.st_dev)
    return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat(
      directory,
      ": has PIDs of its own, which cannot be entered; the container must "
      "share the host's (Kubernetes: hostPID: true; podman: --pid=host)"));
}

absl::Status Set(const UniqueFd& fd, absl::string_view name) {
  if (setns(fd.get(), 0) == 0) return absl::OkStatus();
  return absl::ErrnoToStatus(errno,
                             absl::StrCat("setns(", name,
                                          "): needs root with "
                                          "CAP_SYS_ADMIN and CAP_SYS_CHROOT"));
}

}  // namespace

absl::StatusOr<HostNamespaces> HostNamespaces::Open(
    const std::string& directory) {
  RETURN_IF_ERROR(CheckSharesPids(directory));
  HostNamespaces namespaces;
  for (const char* name : kNames) {
    Namespace found = {name, UniqueFd(), UniqueFd()};
    ASSIGN_OR_RETURN(found.host, OpenNamespace(directory, name));
    ASSIGN_OR_RETURN(found.own, OpenNamespace(kOwn, name));
    namespaces.namespaces_.push_back(std::move(found));
  }
  namespaces.own_root_.Reset(open("/", O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!namespaces.own_root_.valid())
    return absl::ErrnoToStatus(errno, "open(/)");
  return namespaces;
}

absl::Status HostNamespaces::Enter() const {
  for (const Namespace& each : namespaces_) {
    RETURN_IF_ERROR(Set(each.host, each.name));
  }
  return absl::OkStatus();
}

absl::Status HostNamespaces::Leave() const {
  for (const Namespace& each : namespaces_) {
    RETURN_IF_ERROR(Set(each.own, each.name));
  }
  // Who was chrooted within his mounts is so again.
  if (fchdir(own_root_.get()) != 0 || chroot(".") != 0 || chdir("/") != 0)
    return absl::ErrnoToStatus(errno, "chroot(own root)");
  return absl::OkStatus();
}

}  // namespace specula::agent
