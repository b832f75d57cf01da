#include "ctl/pki/show.h"

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "lib/base/file.h"
#include "lib/base/format.h"
#include "lib/base/status_macros.h"
#include "lib/rpc/identity.h"

namespace specula::ctl {
namespace {

constexpr absl::Duration kDay = absl::Hours(24);

std::string TimeText(absl::Time time) {
  return absl::FormatTime("%Y-%m-%d %H:%M:%S UTC", time, absl::UTCTimeZone());
}

std::string Days(absl::Duration duration) {
  const int64_t days = duration / kDay;
  if (days == 0) return "less than a day";
  return days == 1 ? "1 day" : absl::StrCat(days, " days");
}

std::string Role(const Certificate& certificate) {
  if (certificate.is_authority) return "authority";
  const absl::StatusOr<Identity> identity = IdentityOf(certificate);
  if (!identity.ok()) {
    return absl::StrCat("none: ", identity.status().message());
  }
  const std::string role(RoleName(identity->role));
  if (!certificate.client_auth) {
    return absl::StrCat(role, ", but not as a caller: no clientAuth");
  }
  return role;
}

std::string Usages(const Certificate& certificate) {
  std::vector<absl::string_view> usages;
  if (certificate.is_authority) usages.push_back("signs certificates");
  if (certificate.server_auth) usages.push_back("serverAuth");
  if (certificate.client_auth) usages.push_back("clientAuth");
  return usages.empty() ? "none" : absl::StrJoin(usages, ", ");
}

}  // namespace

std::string DescribeCertificate(const Certificate& certificate,
                                absl::Time now) {
  std::string text;
  auto line = [&](absl::string_view what, absl::string_view value) {
    absl::StrAppendFormat(&text, "%-12s %s\n", what, EscapeControls(value));
  };
  line("subject", certificate.subject);
  line("issuer", certificate.issuer);
  line("role", Role(certificate));
  for (const std::string& uri : certificate.uris) line("URI", uri);
  for (const std::string& name : certificate.dns_names) line("DNS name", name);
  for (const std::string& ip : certificate.ip_addresses) line("IP address", ip);
  line("usages", Usages(certificate));
  line("serial", certificate.serial);
  std::string begin = TimeText(certificate.not_before);
  if (now < certificate.not_before) {
    absl::StrAppend(&begin, " (not valid yet)");
  }
  line("not before", begin);
  const std::string end = TimeText(certificate.not_after);
  const absl::Duration left = certificate.not_after - now;
  line("not after",
       left > absl::ZeroDuration()
           ? absl::StrCat(end, " (", Days(left), " left)")
           : absl::StrCat(end, " (expired ", Days(-left), " ago)"));
  line("SHA-256", certificate.sha256);
  return text;
}

absl::StatusOr<std::string> Show(const std::string& path, absl::Time now) {
  ASSIGN_OR_RETURN(std::string pem, ReadFile(path));
  absl::StatusOr<std::vector<Certificate>> certificates =
      ParseCertificatesPem(pem);
  if (!certificates.ok()) {
    return absl::Status(
        certificates.status().code(),
        absl::StrCat(path, ": ", certificates.status().message()));
  }
  const size_t count = certificates->size();
  std::string text;
  for (size_t i = 0; i < count; ++i) {
    if (i > 0) absl::StrAppend(&text, "\n");
    if (count > 1) absl::StrAppend(&text, i + 1, " of ", count, "\n");
    absl::StrAppend(&text, DescribeCertificate((*certificates)[i], now));
  }
  return text;
}

}  // namespace specula::ctl
