#ifndef SPECULA_LIB_RPC_SILENT_ADDRESS_H_
#define SPECULA_LIB_RPC_SILENT_ADDRESS_H_

#include <grpcpp/channel.h>

#include <memory>

#include "lib/base/host_port.h"

namespace specula {

// Keeps a channel from waiting for one address of a name while another of them
// answers (RFC 8305). gRPC 1.51 tries them one after the other, and each for as
// long as a call waits for the host.
//
// Where an attempt has been silent for 250 ms, the name's other addresses are
// tried beside it, by a TCP connection that is closed at once. As soon as one
// is accepted, the silent attempt is ended, and gRPC goes on to its next
// address. So a channel speaks to one address as ever, its name is resolved as
// ever, and a host that answers at once, or has one address only, costs
// nothing.
//
// Does nothing for an IP address. Does not keep the channel. Thread-safe.
void PassSilentAddresses(const std::shared_ptr<grpc::Channel>& channel,
                         const HostPort& address);

}  // namespace specula

#endif  // SPECULA_LIB_RPC_SILENT_ADDRESS_H_
