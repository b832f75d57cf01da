#include "ctl/bootstrap/elf.h"

#include <elf.h>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace specula::ctl {

absl::StatusOr<std::string> ElfArchitecture(absl::string_view bytes) {
  // Up to here 32 and 64 bits look alike.
  constexpr size_t kType = 16;
  constexpr size_t kMachine = 18;
  if (!absl::StartsWith(bytes, ELFMAG) || bytes.size() < kMachine + 2) {
    return absl::InvalidArgumentError("is not a program in ELF");
  }
  const bool big = bytes[EI_DATA] == ELFDATA2MSB;
  const auto half = [&](size_t at) {
    const unsigned first = static_cast<unsigned char>(bytes[at]);
    const unsigned second = static_cast<unsigned char>(bytes[at + 1]);
    return big ? first << 8 | second : second << 8 | first;
  };
  if (half(kType) != ET_EXEC && half(kType) != ET_DYN) {
    return absl::InvalidArgumentError("is in ELF, but not a program");
  }
  const bool wide = bytes[EI_CLASS] == ELFCLASS64;
  switch (half(kMachine)) {
    case EM_X86_64:
      return wide ? "x86_64" : "x32";
    case EM_386:
      return "i386";
    case EM_AARCH64:
      return "aarch64";
    case EM_ARM:
      return "arm";
    case EM_RISCV:
      return wide ? "riscv64" : "riscv32";
    case EM_PPC64:
      return big ? "ppc64" : "ppc64le";
    case EM_S390:
      return "s390x";
    default:
      return absl::StrCat("machine ", half(kMachine));
  }
}

std::string MachineArchitecture(absl::string_view uname) {
  if (uname.size() == 4 && uname[0] == 'i' && absl::EndsWith(uname, "86")) {
    return "i386";
  }
  if (absl::StartsWith(uname, "armv")) return "arm";
  return std::string(uname);
}

}  // namespace specula::ctl
