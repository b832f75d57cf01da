#ifndef SPECULA_AGENT_FRONT_GRPC_LOG_H_
#define SPECULA_AGENT_FRONT_GRPC_LOG_H_

namespace specula::agent {

// gRPC writes errors to standard error in a form of its own, as many as
// strangers cause. From now on they are lines of our log, a limited number of
// them, and without those that say nothing: that a caller has dialled by an
// address or a name which is not in the certificate, as all do who dial the
// addresses behind a service's name. Whom the certificate is for is the
// caller's to check.
void TakeGrpcLog();

}  // namespace specula::agent

#endif  // SPECULA_AGENT_FRONT_GRPC_LOG_H_
