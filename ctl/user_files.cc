#include "ctl/user_files.h"

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

}  // namespace specula::ctl
