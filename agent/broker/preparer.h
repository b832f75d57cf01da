#ifndef SPECULA_AGENT_BROKER_PREPARER_H_
#define SPECULA_AGENT_BROKER_PREPARER_H_

#include <sys/types.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "agent/broker/broker.pb.h"
#include "agent/broker/ceiling.h"
#include "agent/broker/loop.h"
#include "agent/broker/off_loop.h"
#include "agent/broker/started_store.h"
#include "agent/broker/user_lookup.h"
#include "agent/broker/users.h"
#include "lib/base/unique_fd.h"

namespace specula::agent {

// Gets what a child needs before it can be made and what may hang: its user
// and, for a Start, its record and its log. All in one go, as an Exec has no
// time to lose. Loop thread only.
class Preparer {
 public:
  struct Ready {
    User user;
    bool becomes = false;                 // it is not the broker's own
    std::shared_ptr<const UniqueFd> log;  // Start only
  };
  using Done = std::function<void(absl::StatusOr<Ready>)>;

  // All pointers must outlive this.
  Preparer(const Ceiling* ceiling, Loop* loop, OffLoop* off_loop,
           StartedStore* store)
      : ceiling_(ceiling), off_loop_(off_loop), store_(store), lookup_(loop) {}
  Preparer(const Preparer&) = delete;

  // Calls `done` once, never before this returns. `record` is what a Start is
  // recorded by before it is made; the caller's to remove. DEADLINE_EXCEEDED if
  // the files of users, getent or the state directory do not answer; what the
  // state directory says if the Start cannot be recorded; else what the ceiling
  // and UserLookup say.
  void Prepare(const broker::Spawn& command,
               const std::optional<broker::StartedJob>& record, Done done);

  // Whether it is a child that was made here and may still run.
  bool Owns(pid_t pid) const { return lookup_.Owns(pid); }

 private:
  // What the files of users say.
  struct Users {
    User own;
    std::optional<User> wanted;  // absent: it is not in them
  };

  static Users ReadUsers(UserFiles& files, const std::string& wanted);

  void OnUsers(const std::string& asked, Users users, Ready ready, Done done);

  const Ceiling* ceiling_;
  OffLoop* off_loop_;
  StartedStore* store_;
  UserLookup lookup_;
  // Touched by one call at a time, off the loop.
  std::shared_ptr<UserFiles> files_ = std::make_shared<UserFiles>();
};

}  // namespace specula::agent

#endif  // SPECULA_AGENT_BROKER_PREPARER_H_
