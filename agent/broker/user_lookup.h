#ifndef SPECULA_AGENT_BROKER_USER_LOOKUP_H_
#define SPECULA_AGENT_BROKER_USER_LOOKUP_H_

#include <sys/types.h>

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "agent/broker/given_up.h"
#include "agent/broker/loop.h"
#include "agent/broker/spawn.h"
#include "agent/broker/users.h"
#include "lib/base/unique_fd.h"

namespace specula::agent {

// Users that are not in /etc/passwd (LDAP, SSSD, systemd-homed): asks getent,
// in a child, because a directory that does not answer must hold up nobody but
// the one who asked. Loop thread only.
class UserLookup {
 public:
  using Done = std::function<void(absl::StatusOr<User>)>;

  explicit UserLookup(Loop* loop, std::string getent = "getent")
      : loop_(loop), given_up_(loop), getent_(std::move(getent)) {}
  ~UserLookup();

  // `done` gets the user, NOT_FOUND, or DEADLINE_EXCEEDED after 5 s; never
  // before this returns. `name` has passed CheckUserName. RESOURCE_EXHAUSTED
  // with 16 under way.
  absl::Status Start(const std::string& name, Done done);

  // Whether it is one of the children that were made here and may still run.
  bool Owns(pid_t pid) const;

 private:
  struct Asking {
    std::string name;
    std::unique_ptr<Spawning> child;
    UniqueFd pidfd;
    UniqueFd out;
    std::string output;
    Loop::TimerId timer;
    Done done;
  };

  void OnOutput(uint64_t id);
  void End(uint64_t id, absl::StatusOr<User> user);

  Loop* loop_;
  GivenUp given_up_;
  std::string getent_;
  uint64_t next_ = 1;
  std::map<uint64_t, Asking> asking_;
};

}  // namespace specula::agent

#endif  // SPECULA_AGENT_BROKER_USER_LOOKUP_H_
