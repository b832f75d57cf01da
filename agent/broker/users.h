#ifndef SPECULA_AGENT_BROKER_USERS_H_
#define SPECULA_AGENT_BROKER_USERS_H_

#include <sys/stat.h>
#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

// Users without NSS: the program is static, and libc's lookups would want to
// load libraries. Names that are not in the files are asked of getent; see
// user_lookup.h.
namespace specula::agent {

// A user as a child becomes him.
struct User {
  std::string name;
  uid_t uid = 0;
  gid_t gid = 0;
  std::vector<gid_t> groups;  // all, the first one too, in ascending order
  std::string home;
  std::string shell;
};

// INVALID_ARGUMENT unless it can be the name of a user: 1 to 256 bytes, none of
// them ':', '/', ',', white space or a control, and no '-' in front. Pure.
absl::Status CheckUserName(absl::string_view name);

// A line of passwd(5), without its groups. NOT_FOUND. Lines that are odd, as
// those of NIS with '+', are passed over. Pure.
absl::StatusOr<User> FindUser(absl::string_view passwd, absl::string_view name);
absl::StatusOr<User> FindUser(absl::string_view passwd, uid_t uid);

// Adds the groups of group(5) that name him as a member. Pure.
void AddGroups(absl::string_view group, User& user);

// Reads what `getent passwd NAME` and `getent initgroups NAME` print, one after
// the other: "bob:x:1001:100:…\nbob   100 27 4\n". NOT_FOUND. Pure.
absl::StatusOr<User> ParseGetent(absl::string_view output,
                                 absl::string_view name);

// /etc/passwd and /etc/group, read again only when they change. Not
// thread-safe.
class UserFiles {
 public:
  explicit UserFiles(std::string passwd = "/etc/passwd",
                     std::string group = "/etc/group");

  absl::StatusOr<User> Find(absl::string_view name);
  absl::StatusOr<User> Find(uid_t uid);

 private:
  struct File {
    std::string path;
    std::string text;
    struct stat seen = {};
    void Refresh();
  };

  File passwd_;
  File group_;
};

}  // namespace specula::agent

#endif  // SPECULA_AGENT_BROKER_USERS_H_
