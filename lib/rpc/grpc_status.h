#ifndef SPECULA_LIB_RPC_GRPC_STATUS_H_
#define SPECULA_LIB_RPC_GRPC_STATUS_H_

#include <grpcpp/support/status.h>

#include <string>

#include "absl/status/status.h"

// The border between absl::Status, used everywhere, and grpc::Status, used in
// code that speaks gRPC. The codes are numerically the same list.
namespace specula {

inline grpc::Status ToGrpc(const absl::Status& status) {
  return grpc::Status(static_cast<grpc::StatusCode>(status.code()),
                      std::string(status.message()));
}

inline absl::Status FromGrpc(const grpc::Status& status) {
  return absl::Status(static_cast<absl::StatusCode>(status.error_code()),
                      status.error_message());
}

}  // namespace specula

#endif  // SPECULA_LIB_RPC_GRPC_STATUS_H_
