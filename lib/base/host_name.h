#ifndef SPECULA_LIB_BASE_HOST_NAME_H_
#define SPECULA_LIB_BASE_HOST_NAME_H_

#include <cstddef>
#include <string>

#include "absl/strings/string_view.h"

// The one grammar of host names: of host sets, inventories, certificates and
// the identities of agents. All pure.
namespace specula {

// What DNS allows a name to have.
inline constexpr size_t kMostHostNameBytes = 253;

// Whether `name` can be a host's: 1 to 253 bytes, in labels of 1 to 63 letters,
// digits, '-' and '_' (which RFC 1123 has not, but many a network), none with a
// '-' at an end, and no '_' at the start of all. Numbers with dots are none,
// but an address, perhaps misspelt. A dot at the end of the whole is taken.
bool IsHostName(absl::string_view name);

// Whether `text` is an IPv4 or IPv6 address, without a zone.
bool IsIpAddress(absl::string_view text);

// The form in which names are written into certificates and compared (RFC
// 4343): lower case, without a dot at the end.
std::string CanonicalHostName(absl::string_view name);

}  // namespace specula

#endif  // SPECULA_LIB_BASE_HOST_NAME_H_
