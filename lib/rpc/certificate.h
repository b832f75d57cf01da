#ifndef SPECULA_LIB_RPC_CERTIFICATE_H_
#define SPECULA_LIB_RPC_CERTIFICATE_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

// X.509 certificates as plain values; OpenSSL stays behind this header. All
// functions are pure and thread-safe.
namespace specula {

// What a certificate says.
struct Certificate {
  std::string
      serial;  // hex, upper case, without leading zeros: "0A1B" is "A1B"
  std::string subject;            // RFC 2253, for display only: never parse it
  std::string common_name;        // for display only: it may hold anything
  std::string issuer;             // RFC 2253, for display only
  std::vector<std::string> uris;  // URI SANs
  std::vector<std::string> dns_names;     // DNS SANs
  std::vector<std::string> ip_addresses;  // IP SANs as text
  absl::Time not_before;
  absl::Time not_after;
  bool is_authority = false;  // basicConstraints CA
  bool client_auth = false;   // extendedKeyUsage is there and has clientAuth
  bool server_auth = false;   // extendedKeyUsage is there and has serverAuth
  std::string sha256;         // fingerprint, lower-case hex
};

// Reads the first certificate of a PEM text. INVALID_ARGUMENT says what is
// wrong. Also refused, as its meaning would be a matter of opinion: a name that
// holds a NUL byte, an extension that is there twice, a serial that is not
// positive.
absl::StatusOr<Certificate> ParseCertificatePem(absl::string_view pem);

// As ParseCertificatePem, of a certificate in DER; bytes after it do not
// matter.
absl::StatusOr<Certificate> ParseCertificateDer(absl::string_view der);

// Reads every certificate of a PEM text, at least one, in order.
absl::StatusOr<std::vector<Certificate>> ParseCertificatesPem(
    absl::string_view pem);

// Checks that material can be served or presented: at least one root and one
// certificate parse, the key parses and belongs to the first certificate, the
// certificate is valid at `now` and chains up to a root (further certificates
// of the PEM may be intermediates) with keys as strong as TLS asks for
// (OpenSSL's security level 2). INVALID_ARGUMENT (does not parse),
// FAILED_PRECONDITION (does not fit or is out of its time) say which and why.
absl::Status CheckMaterial(absl::string_view roots_pem,
                           absl::string_view certificate_pem,
                           absl::string_view key_pem, absl::Time now);

// A server's certificate, and whether it is for the host that was asked for.
struct ServerCertificate {
  Certificate certificate;
  bool is_for_host = false;
};

// As ParseCertificatePem, and compares with `host`: a DNS name (wildcards as in
// RFC 6125, as a whole leftmost label) or the text of an IP address, which only
// an IP SAN can match. Only SANs count, never the common name.
absl::StatusOr<ServerCertificate> ParseServerCertificatePem(
    absl::string_view pem, const std::string& host);

// Normalises a serial as people write it ("0a:1b", "0x0A1B", "0A1B") to the
// form of Certificate::serial. INVALID_ARGUMENT if it is not a hex number or is
// 0, or if colons do not part it into bytes.
absl::StatusOr<std::string> NormalizeSerial(absl::string_view text);

}  // namespace specula

#endif  // SPECULA_LIB_RPC_CERTIFICATE_H_
