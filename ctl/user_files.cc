#include "ctl/user_files.h"

#include <sys/stat.h>

#include <cerrno>
#include <cstdlib>

#include "absl/strings/str_cat.h"

namespace specula::ctl {
namespace {

std::string UserFile(const char* variable, absl::string_view under_home,
                     absl::string_view name) {
  const char* base = getenv(variable);
  if (base != nullptr && *base == '/')
    return absl::StrCat(base, "/specula/", name);
  const char* home = getenv("HOME");
  return absl::StrCat(home == nullptr ? "" : home, under_home, "/specula/",
                      name);
}

}  // namespace

std::string UserConfigFile(absl::string_view name) {
  return UserFile("XDG_CONFIG_HOME", "/.config", name);
}

std::string UserStateFile(absl::string_view name) {
  return UserFile("XDG_STATE_HOME", "/.local/state", name);
}

bool MakeFoldersOf(const std::string& path) {
  if (path.empty() || path.front() != '/') return false;
  for (size_t slash = path.find('/', 1); slash != std::string::npos;
       slash = path.find('/', slash + 1)) {
    if (mkdir(path.substr(0, slash).c_str(), 0700) != 0 && errno != EEXIST)
      return false;
  }
  return true;
}

std::string MakeUserStateFile(absl::string_view name) {
  std::string path = UserStateFile(name);
  return MakeFoldersOf(path) ? path : "";
}

}  // namespace specula::ctl
