#include "agent/broker/preparer.h"

#include <unistd.h>

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"

namespace specula::agent {

Preparer::Users Preparer::ReadUsers(UserFiles& files,
                                    const std::string& wanted) {
  Users users;
  if (auto own = files.Find(geteuid()); own.ok()) {
    users.own = *std::move(own);
  } else {
    // A container may run under any number.
    users.own.name = absl::StrCat(geteuid());
    users.own.uid = geteuid();
    users.own.gid = getegid();
  }
  if (wanted.empty() || wanted == users.own.name) return users;
  if (auto user = files.Find(wanted); user.ok())
    users.wanted = *std::move(user);
  return users;
}

void Preparer::Prepare(const broker::Spawn& command,
                       const std::optional<broker::StartedJob>& record,
                       Done done) {
  const std::string& asked = command.user();
  const Found<Users> users;
  const Found<absl::StatusOr<UniqueFd>> log;
  std::vector<OffLoop::Call> calls;
  calls.push_back({MayHang::kUsers, "users",
                   [files = files_, users,
                    wanted = asked.empty() ? ceiling_->default_user : asked] {
                     users.Set(ReadUsers(*files, wanted));
                   }});
  const bool start = record.has_value();
  if (start) calls.push_back(store_->Begin(*record, log));
  off_loop_->Run(std::move(calls), [this, start, asked, users, log,
                                    done = std::move(done)] {
    Ready ready;
    if (start) {
      auto opened = log.Take();
      if (!opened) return done(store_->Silent());
      if (!opened->ok()) return done(opened->status());
      ready.log = off_loop_->Held(**std::move(opened));
    }
    auto found = users.Take();
    if (!found) {
      return done(absl::DeadlineExceededError(
          "user: /etc/passwd and /etc/group do not answer; look at the file "
          "system they are on"));
    }
    OnUsers(asked, *std::move(found), std::move(ready), done);
  });
}

void Preparer::OnUsers(const std::string& asked, Users users, Ready ready,
                       Done done) {
  auto name = AllowedUser(*ceiling_, asked, users.own.name);
  if (!name.ok()) return done(name.status());
  if (name->empty()) {
    ready.user = std::move(users.own);
    return done(std::move(ready));
  }
  if (geteuid() != 0) {
    return done(absl::PermissionDeniedError(
        absl::StrCat("user(", *name, "): the agent runs as ", users.own.name,
                     " and cannot become another")));
  }
  ready.becomes = true;
  if (users.wanted) {
    ready.user = *std::move(users.wanted);
    return done(std::move(ready));
  }
  absl::Status asking =
      lookup_.Start(*name, [ready, done](absl::StatusOr<User> user) mutable {
        if (!user.ok()) return done(user.status());
        ready.user = *std::move(user);
        done(std::move(ready));
      });
  if (!asking.ok()) done(asking);
}

}  // namespace specula::agent
