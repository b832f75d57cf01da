#ifndef SPECULA_AGENT_FRONT_STREAM_SET_H_
#define SPECULA_AGENT_FRONT_STREAM_SET_H_

#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "agent/border/trust.h"

namespace specula::agent {

// A streaming call that is open. Loop thread only.
class Stream {
 public:
  // Who opened it.
  virtual const Caller& caller() const = 0;
  // Ends it with `status`, soon; may be called more than once.
  virtual void End(const absl::Status& status) = 0;

 protected:
  ~Stream() = default;
};

// All open streams, so that they can be ended from outside: when the agent
// stops, or when a caller is not trusted any more. Loop thread only.
class StreamSet {
 public:
  void Add(Stream* stream) { streams_.insert(stream); }
  void Remove(Stream* stream) { streams_.erase(stream); }
  size_t size() const { return streams_.size(); }

  // Ends every stream for which `judge` (absl::Status(const Caller&)) gives an
  // error.
  template <typename Judge>
  void EndIf(Judge judge) {
    // End takes the stream out of the set.
    const absl::flat_hash_set<Stream*> all = streams_;
    for (Stream* stream : all) {
      absl::Status verdict = judge(stream->caller());
      if (!verdict.ok()) stream->End(verdict);
    }
  }

 private:
  absl::flat_hash_set<Stream*> streams_;
};

}  // namespace specula::agent

#endif  // SPECULA_AGENT_FRONT_STREAM_SET_H_
