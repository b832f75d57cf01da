#include "ctl/pki/renew.h"

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "ctl/pki/authority.h"
#include "ctl/pki/directory.h"
#include "lib/base/file.h"
#include "lib/base/status_macros.h"
#include "lib/rpc/denylist.h"
#include "lib/rpc/identity.h"

namespace specula::ctl {
namespace {

constexpr char kAuthorityName[] = "ca";

// The names that have a certificate, in order.
absl::StatusOr<std::vector<std::string>> NamesIn(const std::string& dir) {
  std::vector<std::string> names;
  std::error_code error;
  for (std::filesystem::directory_iterator entry(dir, error), end;
       !error && entry != end; entry.increment(error)) {
    const std::filesystem::path& path = entry->path();
    if (path.extension() == ".crt" && path.stem() != kAuthorityName) {
      names.push_back(path.stem());
    }
  }
  if (error) {
    return absl::ErrnoToStatus(error.value(),
                               absl::StrCat("cannot read ", dir));
  }
  std::sort(names.begin(), names.end());
  return names;
}

// The authority may have renewed itself with the same key, so that the name and
// the key decide and not the certificate: CheckMaterial builds the chain.
absl::Status CheckOwn(const Authority& authority, const Denylist& revoked,
                      const Certificate& certificate, absl::string_view pem,
                      absl::string_view key_pem) {
  if (certificate.is_authority) {
    return absl::FailedPreconditionError("it is an authority");
  }
  ASSIGN_OR_RETURN(Identity identity, IdentityOf(certificate));
  if (identity.trust_domain != authority.trust_domain) {
    return absl::FailedPreconditionError(
        absl::StrCat("it is of another trust domain: ", identity.trust_domain));
  }
  if (revoked.contains(certificate.serial)) {
    return absl::FailedPreconditionError(absl::StrCat(
        "it is revoked (", certificate.serial, " is on the denylist)"));
  }
  // At a moment when it was valid, as it may have ended since.
  return CheckMaterial(
      authority.pair.certificate_pem, pem, key_pem,
      std::max(certificate.not_before, authority.certificate.not_before));
}

absl::Status RenewOne(const std::string& dir, const Authority& authority,
                      const Denylist& revoked, const std::string& pem,
                      const RenewOptions& options, Renewal& renewal) {
  const PairPaths paths = PathsOf(dir, renewal.name);
  ASSIGN_OR_RETURN(std::string key_pem, ReadSecretFile(paths.key));
  const Certificate& before = renewal.before;
  RETURN_IF_ERROR(CheckOwn(authority, revoked, before, pem, key_pem));
  CertificateRequest request;
  request.common_name = before.common_name;
  request.uris = before.uris;
  request.dns_names = before.dns_names;
  request.ip_addresses = before.ip_addresses;
  request.server_auth = before.server_auth;
  request.client_auth = before.client_auth;
  request.not_before =
      std::max(options.now - kClockSkew, authority.certificate.not_before);
  request.not_after = std::min(options.now + options.days * kDay,
                               authority.certificate.not_after);
  if (options.keep_key) request.key_pem = std::move(key_pem);
  if (request.not_after <= before.not_after) {
    return absl::FailedPreconditionError(
        "the new one would end no later: the authority or --days leaves no "
        "more");
  }
  if (options.dry_run) return absl::OkStatus();
  ASSIGN_OR_RETURN(KeyPair pair, Issue(authority.pair, request));
  ASSIGN_OR_RETURN(Issued issued, WriteIssued(paths, pair, /*force=*/true));
  renewal.after = std::move(issued.certificate);
  return absl::OkStatus();
}

absl::StatusOr<Denylist> RevokedIn(const std::string& dir) {
  absl::StatusOr<std::string> text = ReadFile(DenylistPath(dir));
  if (absl::IsNotFound(text.status())) return Denylist();
  RETURN_IF_ERROR(text.status());
  absl::StatusOr<Denylist> list = ParseDenylist(*text);
  if (!list.ok()) return Prefixed(DenylistPath(dir), list.status());
  return list;
}

}  // namespace

absl::StatusOr<std::vector<Renewal>> Renew(const std::string& dir,
                                           const RenewOptions& options) {
  RETURN_IF_ERROR(CheckDays(options.days));
  ASSIGN_OR_RETURN(UniqueFd lock, LockDirectory(dir));
  ASSIGN_OR_RETURN(Authority authority, LoadAuthority(dir, options.now));
  ASSIGN_OR_RETURN(Denylist revoked, RevokedIn(dir));
  ASSIGN_OR_RETURN(std::vector<std::string> names, NamesIn(dir));
  for (const std::string& name : options.names) {
    if (std::find(names.begin(), names.end(), name) == names.end()) {
      return absl::NotFoundError(
          absl::StrCat("there is no ", PathsOf(dir, name).certificate));
    }
  }
  if (!options.names.empty()) names = options.names;
  std::vector<Renewal> renewals;
  for (std::string& name : names) {
    Renewal renewal;
    renewal.name = std::move(name);
    const std::string path = PathsOf(dir, renewal.name).certificate;
    absl::StatusOr<std::string> pem = ReadFile(path);
    renewal.status = pem.status();
    if (pem.ok()) {
      absl::StatusOr<Certificate> before = ParseCertificatePem(*pem);
      renewal.status = before.status();
      if (before.ok()) {
        if (before->not_after - options.now > options.within) continue;
        renewal.before = *std::move(before);
        renewal.status =
            RenewOne(dir, authority, revoked, *pem, options, renewal);
      }
    }
    renewals.push_back(std::move(renewal));
  }
  return renewals;
}

}  // namespace specula::ctl
