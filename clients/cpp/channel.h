#ifndef SPECULA_CLIENTS_CPP_CHANNEL_H_
#define SPECULA_CLIENTS_CPP_CHANNEL_H_

#include <grpcpp/channel.h>

#include <cstdint>
#include <memory>
#include <string>

#include "clients/cpp/credentials.h"
#include "lib/base/host_port.h"

namespace specula {

// Where agents serve unless they are told otherwise.
inline constexpr uint16_t kAgentPort = 60120;

// What may be under way of a stream, and so what piles up at the caller while
// its reader is slow: 400 MB/s at 5 ms. gRPC would find a window by itself from
// how fast the bytes come, far beyond, and keep it when the reader falls
// asleep. Who carries the streams of many readers takes less.
inline constexpr int kStreamWindowBytes = 2 << 20;

// An agent as it is dialled and as it must prove to be.
struct Endpoint {
  HostPort address;
  // The DNS name or IP address that its certificate must be for. Empty:
  // address.host.
  std::string certificate_name;
};

// Makes the channel to an agent; the only place where one is made. It connects
// at the first call, by mutual TLS 1.3 (see EnforceTlsPolicy), and refuses a
// server whose certificate is not that of an agent of the caller's trust domain
// with the right name. Answers may be as long as the contract allows (see
// message_limits.h), and an address of several that is silent is passed over
// (see PassSilentAddresses). Of each stream at most `window_bytes` and a
// message wait here for a slow reader. A channel costs a handshake: keep it,
// and make one for each host. Its last owner may be a callback of gRPC (see
// KeepCallbackThreads).
std::shared_ptr<grpc::Channel> MakeChannel(
    const Endpoint& endpoint, const Credentials& credentials,
    int window_bytes = kStreamWindowBytes);

}  // namespace specula

#endif  // SPECULA_CLIENTS_CPP_CHANNEL_H_
