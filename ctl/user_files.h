#ifndef SPECULA_CTL_USER_FILES_H_
#define SPECULA_CTL_USER_FILES_H_

#include <string>

#include "absl/strings/string_view.h"

namespace specula::ctl {

// Where a user's own file `name` of ours is kept: $XDG_CONFIG_HOME/specula, or
// ~/.config/specula.
std::string UserConfigFile(absl::string_view name);

// Where what we keep by ourselves under `name` is: $XDG_STATE_HOME/specula, or
// ~/.local/state/specula.
std::string UserStateFile(absl::string_view name);

// Makes the folders above an absolute path that are not there, 0700. False if
// that cannot be.
bool MakeFoldersOf(const std::string& path);

// As UserStateFile, and what is above it is made if it is not there, 0700.
// Empty if that cannot be.
std::string MakeUserStateFile(absl::string_view name);

}  // namespace specula::ctl

#endif  // SPECULA_CTL_USER_FILES_H_
