#ifndef SPECULA_AGENT_BORDER_PEERS_H_
#define SPECULA_AGENT_BORDER_PEERS_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "agent/border/trust.h"

namespace specula::agent {

// Who is at the other end of a connection. Immutable.
struct Peer {
  std::shared_ptr<const Caller> caller;  // null: on a port without certificates
  std::string address;  // "192.0.2.1:4711", "[2001:db8::1]:4711"
};

// The connections that are open, by the name that gRPC knows each under. A name
// is given once in the life of the process: a call that comes late finds
// nothing, and never the caller who came after. Thread-safe.
class Peers {
 public:
  Peers();

  // A name that never was: a socket's in the abstract namespace, without its
  // leading zero byte, of at most 64 bytes.
  std::string NewName();

  // Makes `peer` known under `name`, which NewName gave.
  void Add(const std::string& name, std::shared_ptr<const Peer> peer)
      ABSL_LOCKS_EXCLUDED(mutex_);
  void Remove(const std::string& name) ABSL_LOCKS_EXCLUDED(mutex_);

  // Whose connection gRPC means by `grpc_peer`, as ServerContext::peer() gives
  // it; null if it is closed.
  std::shared_ptr<const Peer> Find(absl::string_view grpc_peer) const
      ABSL_LOCKS_EXCLUDED(mutex_);

  // How many connections are open.
  size_t size() const ABSL_LOCKS_EXCLUDED(mutex_);

  // Calls `see` for each that is open, with its name. It must not call back.
  void ForEach(
      const std::function<void(const std::string& name, const Peer& peer)>& see)
      const ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  const std::string prefix_;  // of this process; not to be guessed
  mutable absl::Mutex mutex_;
  uint64_t count_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::flat_hash_map<std::string, std::shared_ptr<const Peer>> peers_
      ABSL_GUARDED_BY(mutex_);
};

}  // namespace specula::agent

#endif  // SPECULA_AGENT_BORDER_PEERS_H_
