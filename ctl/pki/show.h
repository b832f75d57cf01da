#ifndef SPECULA_CTL_PKI_SHOW_H_
#define SPECULA_CTL_PKI_SHOW_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "lib/rpc/certificate.h"

namespace specula::ctl {

// A certificate as lines of "what  value" for people: who it is for, what it
// may do or why it may not, and how long it lasts as seen at `now`. Safe for a
// terminal, whatever the certificate holds.
std::string DescribeCertificate(const Certificate& certificate, absl::Time now);

// Describes every certificate of a PEM file, parted by empty lines. Errors
// carry the path; INVALID_ARGUMENT if it has none or one does not parse.
absl::StatusOr<std::string> Show(const std::string& path, absl::Time now);

}  // namespace specula::ctl

#endif  // SPECULA_CTL_PKI_SHOW_H_
