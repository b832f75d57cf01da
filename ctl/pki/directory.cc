#include "ctl/pki/directory.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "lib/base/file.h"
#include "lib/base/status_macros.h"

namespace specula::ctl {
namespace {

constexpr int kMaxDays = 36500;
constexpr mode_t kKeyMode = 0600;

// Writes both files. The certificate is staged first, as after the key only a
// step that needs no space on the disk may be left: else a full disk would
// leave a new key beside an old certificate.
absl::Status WritePair(const PairPaths& paths, const KeyPair& pair,
                       bool force) {
  // The directory is locked, and a name's length may be all that a file's has.
  const std::string staged = absl::StrCat(
      paths.certificate.substr(0, paths.certificate.rfind('/') + 1),
      ".certificate.new");
  RETURN_IF_ERROR(WriteFileAtomically(staged, pair.certificate_pem, kPublicMode,
                                      /*replace=*/true));
  absl::Status status =
      WriteFileAtomically(paths.key, pair.key_pem, kKeyMode, force);
  if (status.ok() && rename(staged.c_str(), paths.certificate.c_str()) != 0) {
    status = absl::ErrnoToStatus(
        errno, absl::StrCat("cannot replace ", paths.certificate));
  }
  if (!status.ok()) unlink(staged.c_str());
  return status;
}

}  // namespace

absl::Status Prefixed(absl::string_view path, const absl::Status& status) {
  return absl::Status(status.code(),
                      absl::StrCat(path, ": ", status.message()));
}

absl::Status CheckDays(int days) {
  if (days >= 1 && days <= kMaxDays) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("days must be 1 to ", kMaxDays, ", not ", days));
}

PairPaths PathsOf(const std::string& dir, absl::string_view name) {
  return {absl::StrCat(dir, "/", name, ".crt"),
          absl::StrCat(dir, "/", name, ".key")};
}

std::string DenylistPath(const std::string& dir) {
  return absl::StrCat(dir, "/denylist");
}

absl::StatusOr<UniqueFd> LockDirectory(const std::string& dir) {
  UniqueFd fd(open(dir.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd.valid()) {
    return absl::ErrnoToStatus(errno, absl::StrCat("cannot open ", dir));
  }
  int locked = 0;
  do {
    locked = flock(fd.get(), LOCK_EX);
  } while (locked != 0 && errno == EINTR);
  // NFS knows no lock of a directory; to refuse to work there would be worse.
  return fd;
}

absl::StatusOr<Issued> WriteIssued(const PairPaths& paths, const KeyPair& pair,
                                   bool force) {
  ASSIGN_OR_RETURN(Certificate certificate,
                   ParseCertificatePem(pair.certificate_pem));
  RETURN_IF_ERROR(WritePair(paths, pair, force));
  return Issued{paths.certificate, paths.key, std::move(certificate)};
}

absl::StatusOr<Authority> LoadAuthority(const std::string& dir,
                                        absl::Time now) {
  const PairPaths paths = PathsOf(dir, "ca");
  Authority authority;
  ASSIGN_OR_RETURN(authority.pair.certificate_pem, ReadFile(paths.certificate));
  ASSIGN_OR_RETURN(authority.pair.key_pem, ReadSecretFile(paths.key));
  absl::StatusOr<Certificate> certificate =
      ParseCertificatePem(authority.pair.certificate_pem);
  if (!certificate.ok()) {
    return Prefixed(paths.certificate, certificate.status());
  }
  authority.certificate = *std::move(certificate);
  const std::vector<std::string>& uris = authority.certificate.uris;
  absl::string_view domain;
  if (uris.size() == 1) domain = uris.front();
  if (!absl::ConsumePrefix(&domain, "spiffe://")) {
    return absl::FailedPreconditionError(
        absl::StrCat(paths.certificate,
                     " names no trust domain: it must have one URI as a SAN, "
                     "spiffe://<trust domain>"));
  }
  authority.trust_domain = std::string(domain);
  if (now < authority.certificate.not_before ||
      now >= authority.certificate.not_after) {
    return absl::FailedPreconditionError(absl::StrCat(
        paths.certificate, " is valid from ",
        absl::FormatTime("%Y-%m-%d", authority.certificate.not_before,
                         absl::UTCTimeZone()),
        " to ",
        absl::FormatTime("%Y-%m-%d", authority.certificate.not_after,
                         absl::UTCTimeZone()),
        " only"));
  }
  return authority;
}

}  // namespace specula::ctl
