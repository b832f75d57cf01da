#include "ctl/bootstrap/agent_certificate.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "ctl/pki/directory.h"
#include "ctl/pki/store.h"
#include "lib/base/file.h"
#include "lib/base/host_name.h"
#include "lib/base/status_macros.h"
#include "lib/rpc/denylist.h"
#include "lib/rpc/identity.h"

namespace specula::ctl {
namespace {

bool Has(const std::vector<std::string>& list, const std::string& text) {
  return std::find(list.begin(), list.end(), text) != list.end();
}

bool CoversAll(const Certificate& certificate,
               const std::vector<std::string>& sans) {
  return std::all_of(sans.begin(), sans.end(), [&](const std::string& san) {
    const std::string canonical = CanonicalHostName(san);
    return Has(certificate.dns_names, canonical) ||
           Has(certificate.ip_addresses, canonical);
  });
}

// Whether what lies there will do.
bool IsGood(const std::string& roots_pem, const std::string& denylist,
            const Certificate& certificate, const std::string& pem,
            const absl::StatusOr<std::string>& key,
            const CertificateWish& wish) {
  const absl::StatusOr<Denylist> revoked = ParseDenylist(denylist);
  return key.ok() && revoked.ok() && !revoked->contains(certificate.serial) &&
         certificate.not_after - wish.now > wish.within &&
         CoversAll(certificate, wish.sans) &&
         CheckMaterial(roots_pem, pem, *key, wish.now).ok();
}

}  // namespace

absl::StatusOr<AgentCertificate> CertificateFor(const std::string& dir,
                                                const CertificateWish& wish,
                                                bool dry_run) {
  const PairPaths paths = PathsOf(dir, wish.name);
  AgentCertificate result;
  std::vector<std::string> sans = wish.sans;
  absl::StatusOr<std::string> pem = ReadFile(paths.certificate);
  if (!pem.ok() && !absl::IsNotFound(pem.status())) return pem.status();
  if (pem.ok()) {
    absl::StatusOr<Certificate> certificate = ParseCertificatePem(*pem);
    if (!certificate.ok()) {
      return Prefixed(paths.certificate, certificate.status());
    }
    absl::StatusOr<Identity> identity = IdentityOf(*certificate);
    if (!identity.ok() || identity->role != Role::kAgent ||
        identity->name != wish.name) {
      return absl::FailedPreconditionError(
          absl::StrCat(paths.certificate, " is not the certificate of agent ",
                       wish.name, "; it will not be replaced"));
    }
    ASSIGN_OR_RETURN(std::string roots,
                     ReadFile(PathsOf(dir, "ca").certificate));
    absl::StatusOr<std::string> key = ReadSecretFile(paths.key);
    if (IsGood(roots, ReadFile(DenylistPath(dir)).value_or(""), *certificate,
               *pem, key, wish)) {
      result.certificate_pem = *std::move(pem);
      result.key_pem = *std::move(key);
      result.serial = certificate->serial;
      return result;
    }
    sans.insert(sans.end(), certificate->dns_names.begin(),
                certificate->dns_names.end());
    sans.insert(sans.end(), certificate->ip_addresses.begin(),
                certificate->ip_addresses.end());
  }
  result.is_new = true;
  if (dry_run) return result;
  ASSIGN_OR_RETURN(Issued issued, IssueAgent(dir, wish.name, sans,
                                             {wish.days, true, wish.now}));
  ASSIGN_OR_RETURN(result.certificate_pem, ReadFile(issued.certificate_path));
  ASSIGN_OR_RETURN(result.key_pem, ReadSecretFile(issued.key_path));
  result.serial = issued.certificate.serial;
  return result;
}

}  // namespace specula::ctl
