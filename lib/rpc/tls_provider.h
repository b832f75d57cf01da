#ifndef SPECULA_LIB_RPC_TLS_PROVIDER_H_
#define SPECULA_LIB_RPC_TLS_PROVIDER_H_

#include "absl/status/status.h"

namespace specula {

// OpenSSL 3.0 sets up every decoder that its providers have for each key and
// certificate that it reads, and goes through all algorithms that it ever saw
// to find them. With the 40 decoders and 150 ciphers and digests of its default
// provider that took two thirds of the time in which a connection's key is
// read, and half of that for a certificate; both sides read several for each
// connection.
//
// So there is a provider which is the default one without what neither TLS 1.3
// nor its certificates use (keys of DSA, DH, SM2 and Ed448, most groups, old
// ciphers, …), but for what costs more to be looked for in vain. It also leaves
// less to be tried on a stranger's bytes.
inline constexpr char kTlsProvider[] = "specula-tls";

// Makes the provider known to OpenSSL by its name; an OpenSSL configuration
// then activates it. While nothing else activates the default provider, this
// one stands in its place. Before any other use of OpenSSL and a second thread;
// a second call does nothing.
absl::Status AddTlsProvider();

}  // namespace specula

#endif  // SPECULA_LIB_RPC_TLS_PROVIDER_H_
