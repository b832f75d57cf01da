#include "ctl/pki/store.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "ctl/pki/authority.h"
#include "ctl/pki/directory.h"
#include "lib/base/file.h"
#include "lib/base/format.h"
#include "lib/base/host_name.h"
#include "lib/base/status_macros.h"
#include "lib/base/unique_fd.h"
#include "lib/rpc/denylist.h"

namespace specula::ctl {
namespace {

constexpr size_t kMostCommonNameBytes = 64;    // RFC 5280
constexpr size_t kMaxDenylistBytes = 1 << 20;  // what ReadFile gives an agent
constexpr absl::string_view kDenylistHeader =
    "# Revoked certificates: one serial (hex) per line, # begins a comment.\n"
    "# specula pki revoke adds to it; agents and shims read it again by "
    "themselves.\n";

// OK if both paths are free, or may be and can be replaced.
absl::Status CheckFree(const PairPaths& paths, bool force) {
  for (const std::string& path : {paths.certificate, paths.key}) {
    struct stat info;
    if (lstat(path.c_str(), &info) != 0) {
      if (errno == ENOENT) continue;
      return absl::ErrnoToStatus(errno, absl::StrCat("cannot look at ", path));
    }
    if (!force) {
      return absl::AlreadyExistsError(
          absl::StrCat(path, " exists already; use --force to replace it"));
    }
    if (S_ISDIR(info.st_mode)) {
      return absl::FailedPreconditionError(
          absl::StrCat(path, " is a directory"));
    }
  }
  return absl::OkStatus();
}

// A host name, or one with a wildcard as its whole first label.
bool IsDnsPattern(absl::string_view name) {
  // A wildcard for all of a top-level domain matches nothing in OpenSSL.
  if (absl::ConsumePrefix(&name, "*.") && !absl::StrContains(name, '.')) {
    return false;
  }
  return IsHostName(name);
}

void AddOnce(std::vector<std::string>* list, std::string value) {
  if (std::find(list->begin(), list->end(), value) == list->end()) {
    list->push_back(std::move(value));
  }
}

absl::Status AddAgentNames(const std::string& name,
                           const std::vector<std::string>& sans,
                           CertificateRequest* request) {
  std::vector<std::string> all = {name};
  all.insert(all.end(), sans.begin(), sans.end());
  for (const std::string& one : all) {
    if (IsIpAddress(one)) {
      AddOnce(&request->ip_addresses, absl::AsciiStrToLower(one));
    } else if (&one == &all.front() ? IsHostName(one) : IsDnsPattern(one)) {
      AddOnce(&request->dns_names, CanonicalHostName(one));
    } else {
      return absl::InvalidArgumentError(
          absl::StrCat("\"", EscapeControls(one.substr(0, 300)),
                       "\" is neither an IP address nor a DNS name"));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<Issued> IssueAs(const std::string& dir, const std::string& name,
                               Role role, CertificateRequest request,
                               const IssueOptions& options) {
  RETURN_IF_ERROR(CheckDays(options.days));
  // Else --force would replace the authority by what it issues.
  if (name == "ca") {
    return absl::InvalidArgumentError(
        "\"ca\" cannot be a name here: it is the authority's");
  }
  ASSIGN_OR_RETURN(UniqueFd lock, LockDirectory(dir));
  ASSIGN_OR_RETURN(Authority authority, LoadAuthority(dir, options.now));
  const std::string uri = IdentityUri({authority.trust_domain, role, name});
  RETURN_IF_ERROR(ParseIdentityUri(uri).status());
  const PairPaths paths = PathsOf(dir, name);
  RETURN_IF_ERROR(CheckFree(paths, options.force));
  // It is for display only, and X.509 gives it less room than a host's name
  // has.
  request.common_name =
      name.size() > kMostCommonNameBytes
          ? absl::StrCat(name.substr(0, kMostCommonNameBytes - 3), "...")
          : name;
  request.uris = {uri};
  request.not_before =
      std::max(options.now - kClockSkew, authority.certificate.not_before);
  request.not_after = std::min(options.now + options.days * kDay,
                               authority.certificate.not_after);
  absl::StatusOr<KeyPair> pair = Issue(authority.pair, request);
  if (!pair.ok()) return Prefixed(dir, pair.status());
  return WriteIssued(paths, *pair, options.force);
}

// The serial to revoke and whose it is, if that is known.
struct Target {
  std::string serial;
  std::string name;
};

absl::StatusOr<Target> FindTarget(const std::string& serial_or_file) {
  struct stat info;
  if (stat(serial_or_file.c_str(), &info) != 0 || S_ISDIR(info.st_mode)) {
    absl::StatusOr<std::string> serial = NormalizeSerial(serial_or_file);
    if (!serial.ok()) {
      return absl::InvalidArgumentError(
          absl::StrCat(serial.status().message(), "; nor is it a file"));
    }
    return Target{*std::move(serial), ""};
  }
  ASSIGN_OR_RETURN(std::string pem, ReadFile(serial_or_file));
  absl::StatusOr<Certificate> certificate = ParseCertificatePem(pem);
  if (!certificate.ok()) return Prefixed(serial_or_file, certificate.status());
  if (certificate->is_authority) {
    return absl::InvalidArgumentError(absl::StrCat(
        serial_or_file,
        " is an authority, which a denylist cannot revoke; make a new one"));
  }
  absl::StatusOr<Identity> identity = IdentityOf(*certificate);
  return Target{certificate->serial,
                identity.ok() ? identity->name : certificate->common_name};
}

}  // namespace

absl::StatusOr<Issued> InitAuthority(const std::string& dir,
                                     const AuthorityOptions& options) {
  RETURN_IF_ERROR(CheckDays(options.days));
  ASSIGN_OR_RETURN(KeyPair pair,
                   MakeAuthority(options.trust_domain, options.now - kClockSkew,
                                 options.now + options.days * kDay));
  if (mkdir(dir.c_str(), 0700) != 0 && errno != EEXIST) {
    return absl::ErrnoToStatus(errno, absl::StrCat("cannot create ", dir));
  }
  ASSIGN_OR_RETURN(UniqueFd lock, LockDirectory(dir));
  const PairPaths paths = PathsOf(dir, "ca");
  RETURN_IF_ERROR(CheckFree(paths, options.force));
  absl::Status denylist = WriteFileAtomically(
      DenylistPath(dir), kDenylistHeader, kPublicMode, /*replace=*/false);
  if (!denylist.ok() && !absl::IsAlreadyExists(denylist)) return denylist;
  return WriteIssued(paths, pair, options.force);
}

absl::StatusOr<Issued> IssueAgent(const std::string& dir,
                                  const std::string& name,
                                  const std::vector<std::string>& sans,
                                  const IssueOptions& options) {
  CertificateRequest request;
  request.server_auth = true;
  request.client_auth = true;
  RETURN_IF_ERROR(AddAgentNames(name, sans, &request));
  return IssueAs(dir, CanonicalHostName(name), Role::kAgent, std::move(request),
                 options);
}

absl::StatusOr<Issued> IssueClient(const std::string& dir,
                                   const std::string& name, Role role,
                                   const IssueOptions& options) {
  if (role != Role::kViewer && role != Role::kOperator &&
      role != Role::kAdmin) {
    return absl::InvalidArgumentError(
        absl::StrCat("a client cannot have the role ", RoleName(role),
                     "; it is viewer, operator or admin"));
  }
  CertificateRequest request;
  request.client_auth = true;
  return IssueAs(dir, name, role, std::move(request), options);
}

absl::StatusOr<Issued> IssueShim(const std::string& dir,
                                 const std::string& name,
                                 const IssueOptions& options) {
  CertificateRequest request;
  request.client_auth = true;
  return IssueAs(dir, name, Role::kShim, std::move(request), options);
}

absl::StatusOr<Revoked> Revoke(const std::string& dir,
                               const std::string& serial_or_file,
                               absl::Time now) {
  ASSIGN_OR_RETURN(Target target, FindTarget(serial_or_file));
  ASSIGN_OR_RETURN(UniqueFd lock, LockDirectory(dir));
  const std::string path = DenylistPath(dir);
  // A list that is gone is an error: a new one would bring all others back.
  ASSIGN_OR_RETURN(std::string list, ReadFile(path, kMaxDenylistBytes));
  absl::StatusOr<Denylist> known = ParseDenylist(list);
  if (!known.ok()) {
    return absl::FailedPreconditionError(
        absl::StrCat(path, ": ", known.status().message()));
  }
  if (known->contains(target.serial)) return Revoked{target.serial, false};
  if (!list.empty() && list.back() != '\n') list += '\n';
  absl::StrAppend(
      &list, target.serial, "  # ", EscapeControls(target.name),
      target.name.empty() ? "" : ", ", "revoked ",
      absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", now, absl::UTCTimeZone()), "\n");
  if (list.size() > kMaxDenylistBytes) {
    return absl::ResourceExhaustedError(absl::StrCat(
        path, " would be longer than the ", kMaxDenylistBytes,
        " bytes that agents read; take out certificates that have expired"));
  }
  RETURN_IF_ERROR(
      WriteFileAtomically(path, list, kPublicMode, /*replace=*/true));
  return Revoked{target.serial, true};
}

}  // namespace specula::ctl
