#include "agent/broker/users.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "lib/base/file.h"
#include "lib/base/status_macros.h"

namespace specula::agent {
namespace {

constexpr size_t kMaxFileBytes = 16 << 20;

absl::Status NoSuchUser(absl::string_view name) {
  return absl::NotFoundError(
      absl::StrCat("user(", name, "): not known on this host"));
}

// -1 stands for "no change" in setresuid and chown; no user may have it.
template <typename Id>
bool ParseId(absl::string_view text, Id& id) {
  uint32_t number;
  if (!absl::SimpleAtoi(text, &number) || number == static_cast<uint32_t>(-1))
    return false;
  id = number;
  return true;
}

std::optional<User> ParsePasswdLine(absl::string_view line) {
  const std::vector<absl::string_view> fields = absl::StrSplit(line, ':');
  User user;
  if (fields.size() != 7 || !CheckUserName(fields[0]).ok() ||
      !ParseId(fields[2], user.uid) || !ParseId(fields[3], user.gid)) {
    return std::nullopt;
  }
  user.name = std::string(fields[0]);
  user.home = std::string(fields[5]);
  user.shell = std::string(fields[6]);
  user.groups = {user.gid};
  return user;
}

template <typename Matches>
std::optional<User> FindLine(absl::string_view passwd, Matches matches) {
  for (absl::string_view line : absl::StrSplit(passwd, '\n')) {
    std::optional<User> user = ParsePasswdLine(line);
    if (user && matches(*user)) return user;
  }
  return std::nullopt;
}

void SortGroups(User& user) {
  std::sort(user.groups.begin(), user.groups.end());
  user.groups.erase(std::unique(user.groups.begin(), user.groups.end()),
                    user.groups.end());
}

}  // namespace

absl::Status CheckUserName(absl::string_view name) {
  const bool fits = !name.empty() && name.size() <= 256 &&
                    name.front() != '-' && name.front() != '+';
  const bool plain = std::all_of(name.begin(), name.end(), [](unsigned char c) {
    return c > ' ' && c != 0x7f && c != ':' && c != '/' && c != ',';
  });
  if (fits && plain) return absl::OkStatus();
  return absl::InvalidArgumentError("this cannot be the name of a user");
}

absl::StatusOr<User> FindUser(absl::string_view passwd,
                              absl::string_view name) {
  auto user = FindLine(
      passwd, [&](const User& u) { return absl::string_view(u.name) == name; });
  if (!user) return NoSuchUser(name);
  return *std::move(user);
}

absl::StatusOr<User> FindUser(absl::string_view passwd, uid_t uid) {
  auto user = FindLine(passwd, [&](const User& u) { return u.uid == uid; });
  if (!user) return NoSuchUser(absl::StrCat(uid));
  return *std::move(user);
}

void AddGroups(absl::string_view group, User& user) {
  for (absl::string_view line : absl::StrSplit(group, '\n')) {
    const std::vector<absl::string_view> fields = absl::StrSplit(line, ':');
    gid_t gid;
    if (fields.size() != 4 || !ParseId(fields[2], gid)) continue;
    for (absl::string_view member : absl::StrSplit(fields[3], ',')) {
      if (member == absl::string_view(user.name)) user.groups.push_back(gid);
    }
  }
  SortGroups(user);
}

absl::StatusOr<User> ParseGetent(absl::string_view output,
                                 absl::string_view name) {
  const std::vector<absl::string_view> lines = absl::StrSplit(output, '\n');
  std::optional<User> user = ParsePasswdLine(lines[0]);
  if (!user || absl::string_view(user->name) != name) return NoSuchUser(name);
  if (lines.size() > 1) {
    std::vector<absl::string_view> fields =
        absl::StrSplit(lines[1], absl::ByAnyChar(" \t"), absl::SkipEmpty());
    for (size_t i = 1; i < fields.size(); ++i) {
      gid_t gid;
      if (ParseId(fields[i], gid)) user->groups.push_back(gid);
    }
  }
  SortGroups(*user);
  return *std::move(user);
}

UserFiles::UserFiles(std::string passwd, std::string group) {
  passwd_.path = std::move(passwd);
  group_.path = std::move(group);
}

void UserFiles::File::Refresh() {
  struct stat now = {};
  if (stat(path.c_str(), &now) != 0) {
    text.clear();
    seen = {};
    return;
  }
  const bool same = now.st_ino == seen.st_ino && now.st_size == seen.st_size &&
                    now.st_mtim.tv_sec == seen.st_mtim.tv_sec &&
                    now.st_mtim.tv_nsec == seen.st_mtim.tv_nsec;
  if (same) return;
  auto read = ReadFile(path, kMaxFileBytes);
  seen = read.ok() ? now : (struct stat){};
  text = read.ok() ? *std::move(read) : "";
}

absl::StatusOr<User> UserFiles::Find(absl::string_view name) {
  passwd_.Refresh();
  ASSIGN_OR_RETURN(User user, FindUser(passwd_.text, name));
  group_.Refresh();
  AddGroups(group_.text, user);
  return user;
}

absl::StatusOr<User> UserFiles::Find(uid_t uid) {
  passwd_.Refresh();
  ASSIGN_OR_RETURN(User user, FindUser(passwd_.text, uid));
  group_.Refresh();
  AddGroups(group_.text, user);
  return user;
}

}  // namespace specula::agent
