#ifndef SPECULA_LIB_RPC_HEALTH_H_
#define SPECULA_LIB_RPC_HEALTH_H_

#include <grpcpp/support/byte_buffer.h>

// The two messages of grpc.health.v1 for whoever asks. gRPC serves them and
// installs no stub for them; two bytes do not ask for one of our own.
namespace specula {

inline constexpr char kHealthCheckPath[] = "/grpc.health.v1.Health/Check";

// A HealthCheckRequest for the server as a whole.
grpc::ByteBuffer HealthCheckRequest();

// Whether a HealthCheckResponse says SERVING.
bool SaysServing(const grpc::ByteBuffer& response);

}  // namespace specula

#endif  // SPECULA_LIB_RPC_HEALTH_H_
