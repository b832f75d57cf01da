#ifndef SPECULA_CTL_BOOTSTRAP_ELF_H_
#define SPECULA_CTL_BOOTSTRAP_ELF_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace specula::ctl {

// For which machine a program is, in the words of `uname -m`: "x86_64",
// "aarch64", … INVALID_ARGUMENT unless `bytes` begin like a Linux program in
// ELF; 20 bytes are enough. Pure.
absl::StatusOr<std::string> ElfArchitecture(absl::string_view bytes);

// The word for what `uname -m` says of a machine, as ElfArchitecture has it:
// "armv7l" is "arm", "i686" is "i386". What is not known stays as it is. Pure.
std::string MachineArchitecture(absl::string_view uname);

}  // namespace specula::ctl

#endif  // SPECULA_CTL_BOOTSTRAP_ELF_H_
