#include "ctl/user_files.h"

#include <sys/stat.h>

#include <cerrno>
#include <cstdlib>

#include "absl/strings/str_cat.h"

namespace specula::ctl {

std::string UserConfigFile(absl::string_view name) {
  const char* base = getenv("XDG_CONFIG_HOME");
  if (base != nullptr && *base == '/')
    return absl::StrCat(base, "/specula/", name);
  const char* home = getenv("HOME");
  return absl::StrCat(home == nullptr ? "" : home, "/.config/specula/", name);
}

std::string MakeUserStateFile(absl::string_view name) {
  const char* base = getenv("XDG_STATE_HOME");
  const char* home = getenv("HOME");
  std::string directory;
  if (base != nullptr && *base == '/') {
    directory = absl::StrCat(base, "/specula");
  } else if (home != nullptr && *home == '/') {
    directory = absl::StrCat(home, "/.local/state/specula");
  } else {
    return "";
  }
  for (size_t slash = directory.find('/', 1);;
       slash = directory.find('/', slash + 1)) {
    const std::string part = directory.substr(0, slash);
    if (mkdir(part.c_str(), 0700) != 0 && errno != EEXIST) return "";
    if (slash == std::string::npos) break;
  }
  return absl::StrCat(directory, "/", name);
}

}  // namespace specula::ctl
