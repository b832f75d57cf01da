#include "clients/cpp/callback_threads.h"

#include <grpcpp/create_channel.h>
#include <grpcpp/generic/generic_stub.h>

#include <memory>

namespace specula {
namespace {

// A channel that cannot connect, and one call on it, which fails at once.
struct Keeper {
  Keeper() : stub(grpc::CreateChannel("", nullptr)) {
    const grpc::Slice empty;
    request = grpc::ByteBuffer(&empty, 1);
    stub.UnaryCall(&context, "/none", grpc::StubOptions(), &request, &response,
                   [](const grpc::Status&) {});
  }
  grpc::ClientContext context;
  grpc::GenericStub stub;
  grpc::ByteBuffer request;
  grpc::ByteBuffer response;
};

}  // namespace

void KeepCallbackThreads() {
  [[maybe_unused]] static const Keeper* const keeper = new Keeper;
}

}  // namespace specula
