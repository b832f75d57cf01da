#ifndef SPECULA_LIB_RPC_RESOLVE_H_
#define SPECULA_LIB_RPC_RESOLVE_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace specula {

// All addresses of a name, such as that of a headless service, sorted. By
// c-ares, as gRPC does it: /etc/hosts and DNS, also in a static program.
// NOT_FOUND or UNAVAILABLE says what the name server said; DEADLINE_EXCEEDED
// after `timeout`.
absl::StatusOr<std::vector<std::string>> ResolveAll(const std::string& name,
                                                    absl::Duration timeout);

}  // namespace specula

#endif  // SPECULA_LIB_RPC_RESOLVE_H_
