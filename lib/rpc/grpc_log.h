#ifndef SPECULA_LIB_RPC_GRPC_LOG_H_
#define SPECULA_LIB_RPC_GRPC_LOG_H_

namespace specula {

// Makes what gRPC says lines of our log. By itself it writes errors to standard
// error in a form of its own, as many as strangers cause, and its threads wait
// until they are read. From now on it is a limited number of lines, and without
// those that say nothing: that a caller has dialled by an address or a name
// which is not in the certificate, as all do who dial the addresses behind
// a service's name. Whom the certificate is for is the caller's to check.
void TakeGrpcLog();

}  // namespace specula

#endif  // SPECULA_LIB_RPC_GRPC_LOG_H_
