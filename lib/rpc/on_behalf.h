#ifndef SPECULA_LIB_RPC_ON_BEHALF_H_
#define SPECULA_LIB_RPC_ON_BEHALF_H_

#include <grpcpp/support/string_ref.h>

#include <map>
#include <string>

namespace specula {

// The key of the request metadata in which a shim says for whom it calls: the
// name of a token, never its value. The agent's audit tells it.
inline constexpr char kOnBehalfKey[] = "specula-on-behalf";

// What stands there in the metadata of a request, several joined by ", "; empty
// if nothing does. It is what the caller says: see Gate for who may.
inline std::string OnBehalfIn(
    const std::multimap<grpc::string_ref, grpc::string_ref>& metadata) {
  std::string names;
  const auto [begin, end] = metadata.equal_range(kOnBehalfKey);
  for (auto it = begin; it != end; ++it) {
    if (!names.empty()) names += ", ";
    names.append(it->second.data(), it->second.size());
  }
  return names;
}

}  // namespace specula

#endif  // SPECULA_LIB_RPC_ON_BEHALF_H_
