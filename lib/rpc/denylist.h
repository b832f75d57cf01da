#ifndef SPECULA_LIB_RPC_DENYLIST_H_
#define SPECULA_LIB_RPC_DENYLIST_H_

#include <string>

#include "absl/container/flat_hash_set.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace specula {

// Serials of certificates that are refused although they are valid, in the form
// of Certificate::serial.
using Denylist = absl::flat_hash_set<std::string>;

// Reads a denylist: one serial in hex on a line, '#' starts a comment, blank
// lines are fine. INVALID_ARGUMENT with the line's number if one is not a
// serial: a list that is only half understood is not a list.
absl::StatusOr<Denylist> ParseDenylist(absl::string_view text);

}  // namespace specula

#endif  // SPECULA_LIB_RPC_DENYLIST_H_
