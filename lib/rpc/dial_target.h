#ifndef SPECULA_LIB_RPC_DIAL_TARGET_H_
#define SPECULA_LIB_RPC_DIAL_TARGET_H_

#include <string>

#include "lib/base/host_port.h"

namespace specula {

// The name by which gRPC dials an address: without a resolver for an IP
// address, by c-ares (/etc/hosts and DNS) for a name. Pure.
std::string DialTarget(const HostPort& address);

}  // namespace specula

#endif  // SPECULA_LIB_RPC_DIAL_TARGET_H_
