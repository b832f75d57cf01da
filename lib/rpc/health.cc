#include "lib/rpc/health.h"

#include <string>
#include <vector>

namespace specula {

grpc::ByteBuffer HealthCheckRequest() {
  // Its only field, the service, is empty: no bytes.
  const grpc::Slice empty;
  return grpc::ByteBuffer(&empty, 1);
}

bool SaysServing(const grpc::ByteBuffer& response) {
  std::vector<grpc::Slice> slices;
  std::string bytes;
  if (!response.Dump(&slices).ok()) return false;
  for (const grpc::Slice& slice : slices) {
    bytes.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
  }
  // The only field, status, is 1.
  return bytes == std::string("\x08\x01");
}

}  // namespace specula
