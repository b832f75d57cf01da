#include "agent/border/peers.h"

#include <openssl/rand.h>

#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace specula::agent {
namespace {

// How gRPC 1.51 writes the name of a socket in the abstract namespace; a test
// of the whole agent would fail with another spelling.
constexpr absl::string_view kScheme = "unix-abstract:";

// Names are of all processes on the host: one that is guessed could be taken
// before, and the connection would be refused.
std::string RandomPrefix() {
  unsigned char bytes[12] = {};
  RAND_bytes(bytes, sizeof bytes);
  return absl::StrCat("specula-",
                      absl::BytesToHexString(absl::string_view(
                          reinterpret_cast<const char*>(bytes), sizeof bytes)),
                      "-");
}

}  // namespace

Peers::Peers() : prefix_(RandomPrefix()) {}

std::string Peers::NewName() {
  absl::MutexLock lock(&mutex_);
  return absl::StrCat(prefix_, ++count_);
}

void Peers::Add(const std::string& name, std::shared_ptr<const Peer> peer) {
  absl::MutexLock lock(&mutex_);
  peers_[name] = std::move(peer);
}

void Peers::Remove(const std::string& name) {
  absl::MutexLock lock(&mutex_);
  peers_.erase(name);
}

std::shared_ptr<const Peer> Peers::Find(absl::string_view grpc_peer) const {
  if (!absl::ConsumePrefix(&grpc_peer, kScheme)) return nullptr;
  absl::ReaderMutexLock lock(&mutex_);
  auto found = peers_.find(grpc_peer);
  return found == peers_.end() ? nullptr : found->second;
}

size_t Peers::size() const {
  absl::ReaderMutexLock lock(&mutex_);
  return peers_.size();
}

void Peers::ForEach(const std::function<void(const std::string& name,
                                             const Peer& peer)>& see) const {
  absl::ReaderMutexLock lock(&mutex_);
  for (const auto& [name, peer] : peers_) see(name, *peer);
}

}  // namespace specula::agent
