#include "ctl/hosts/inventory_files.h"

#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "ctl/hosts/inventory_formats.h"
#include "lib/base/file.h"
#include "lib/base/status_macros.h"

namespace specula::ctl {
namespace {

namespace fs = std::filesystem;

// Directories within directories; links may make a ring of them.
constexpr int kDeepest = 16;

// Ansible's INVENTORY_IGNORE_EXTS.
constexpr absl::string_view kIgnored[] = {
    ".pyc", ".pyo", ".swp",  ".bak", "~",    ".rpm",  ".md",
    ".txt", ".rst", ".orig", ".ini", ".cfg", ".retry"};

bool IsDirectory(const std::string& path) {
  std::error_code error;
  return fs::is_directory(path, error);
}

std::string Join(const std::string& directory, const std::string& name) {
  return absl::StrCat(directory, absl::EndsWith(directory, "/") ? "" : "/",
                      name);
}

// Returns the names in a directory in the order of their bytes.
absl::StatusOr<std::vector<std::string>> List(const std::string& directory) {
  std::vector<std::string> names;
  std::error_code error;
  fs::directory_iterator entry(directory, error);
  for (; !error && entry != fs::directory_iterator(); entry.increment(error)) {
    names.push_back(entry->path().filename().string());
  }
  if (error) {
    return absl::ErrnoToStatus(error.value(),
                               absl::StrCat("cannot list ", directory));
  }
  std::sort(names.begin(), names.end());
  return names;
}

bool IsProgram(absl::string_view text, const std::string& path) {
  return (absl::StartsWith(text, "#!") || absl::StartsWith(text,
                                                           "\x7f"
                                                           "ELF")) &&
         access(path.c_str(), X_OK) == 0;
}

// Reads a source of Ansible's that is no directory.
absl::Status AddSource(const std::string& text, const std::string& path,
                       AnsibleInventory& inventory) {
  const std::string where = absl::StrCat(path, ":1");
  constexpr absl::string_view kInstead =
      "make a file of what it gives by ansible-inventory --list --yaml "
      "--output FILE";
  if (IsProgram(text, path)) {
    return AnsibleError(where, "inventory not read", path,
                        absl::StrCat("this is a program, none of which is run "
                                     "here; ",
                                     kInstead));
  }
  if (absl::EndsWith(path, ".toml")) {
    return AnsibleError(where, "inventory not read", path,
                        absl::StrCat("TOML is not read beside sources of "
                                     "Ansible's; ",
                                     kInstead));
  }
  return ReadAnsibleSource(text, path, inventory);
}

// Reads all sources of a directory. Those that Ansible leaves out, though they
// may look like one, come into `left_out`.
absl::Status AddDirectory(const std::string& directory, int depth,
                          AnsibleInventory& inventory,
                          std::vector<std::string>& left_out) {
  if (depth > kDeepest) {
    return AnsibleError(directory, "inventory not read", directory,
                        "directories are nested too deep");
  }
  ASSIGN_OR_RETURN(const std::vector<std::string> names, List(directory));
  for (const std::string& name : names) {
    if (name.front() == '.' || name == "group_vars" || name == "host_vars" ||
        name == "vars_plugins") {
      continue;
    }
    const std::string path = Join(directory, name);
    if (std::any_of(std::begin(kIgnored), std::end(kIgnored),
                    [&](absl::string_view extension) {
                      return absl::EndsWith(name, extension);
                    })) {
      left_out.push_back(path);
    } else if (IsDirectory(path)) {
      RETURN_IF_ERROR(AddDirectory(path, depth + 1, inventory, left_out));
    } else {
      ASSIGN_OR_RETURN(const std::string text,
                       ReadFile(path, kMostInventoryBytes));
      RETURN_IF_ERROR(AddSource(text, path, inventory));
    }
  }
  return absl::OkStatus();
}

// Gives the files of one owner's variables in Ansible's order, when `path` is
// a directory of them or the one file.
absl::Status FindVarsFiles(const std::string& path, int depth,
                           std::vector<std::string>& files) {
  if (!IsDirectory(path)) {
    files.push_back(path);
    return absl::OkStatus();
  }
  if (depth > kDeepest) {
    return AnsibleError(path, "variables not read", path,
                        "directories are nested too deep");
  }
  ASSIGN_OR_RETURN(const std::vector<std::string> names, List(path));
  for (const std::string& name : names) {
    if (name.front() == '.' || name.back() == '~') continue;
    const std::string extension = fs::path(name).extension().string();
    const std::string full = Join(path, name);
    if (extension.empty() ||
        (!IsDirectory(full) && (extension == ".yml" || extension == ".yaml" ||
                                extension == ".json"))) {
      RETURN_IF_ERROR(FindVarsFiles(full, depth + 1, files));
    }
  }
  return absl::OkStatus();
}

enum class Owner { kGroup, kHost };

absl::Status AddVars(const std::string& owner, Owner kind,
                     const std::string& path, AnsibleInventory& inventory) {
  std::vector<std::string> files;
  RETURN_IF_ERROR(FindVarsFiles(path, 0, files));
  for (const std::string& file : files) {
    ASSIGN_OR_RETURN(const std::string text,
                     ReadFile(file, kMostInventoryBytes));
    if (IsVaulted(text)) {
      // Secrets of groups are no addresses.
      if (kind == Owner::kHost) {
        inventory.SealHost(owner, absl::StrCat(file, ":1"));
      }
      continue;
    }
    ASSIGN_OR_RETURN(const AnsibleVariables variables,
                     ReadAnsibleVariables(text, file));
    if (kind == Owner::kGroup) {
      inventory.SetGroupVariables(owner, AnsibleInventory::Place::kVarsFile,
                                  variables);
    } else {
      inventory.SetHostVariables(owner, AnsibleInventory::Place::kVarsFile,
                                 variables);
    }
  }
  return absl::OkStatus();
}

// Reads what is in `directory`, group_vars/ or host_vars/, of each owner.
absl::Status AddAllVars(const std::string& directory, Owner kind,
                        const std::vector<std::string>& owners,
                        AnsibleInventory& inventory) {
  if (!IsDirectory(directory)) return absl::OkStatus();
  ASSIGN_OR_RETURN(const std::vector<std::string> names, List(directory));
  const absl::flat_hash_set<std::string> there(names.begin(), names.end());
  for (const std::string& owner : owners) {
    // The first that is there hides the others.
    for (absl::string_view extension : {"", ".yml", ".yaml", ".json"}) {
      const std::string name = absl::StrCat(owner, extension);
      if (!there.contains(name)) continue;
      RETURN_IF_ERROR(AddVars(owner, kind, Join(directory, name), inventory));
      break;
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<Inventory> Finish(const std::string& directory,
                                 AnsibleInventory inventory,
                                 uint16_t default_port) {
  RETURN_IF_ERROR(AddAllVars(Join(directory, "group_vars"), Owner::kGroup,
                             inventory.GroupNames(), inventory));
  RETURN_IF_ERROR(AddAllVars(Join(directory, "host_vars"), Owner::kHost,
                             inventory.HostNames(), inventory));
  InventoryBuilder builder(default_port);
  RETURN_IF_ERROR(std::move(inventory).Build(builder));
  return std::move(builder).Build();
}

// Whether a list of plain names is to be read as Ansible's because variables
// of Ansible's are beside it. One with ranges or commas is ours.
bool HasVarsBeside(absl::string_view text, const std::string& directory) {
  return text.find_first_of("[,") == absl::string_view::npos &&
         (IsDirectory(Join(directory, "group_vars")) ||
          IsDirectory(Join(directory, "host_vars")));
}

}  // namespace

absl::StatusOr<Inventory> ReadInventory(const std::string& path,
                                        uint16_t default_port) {
  AnsibleInventory inventory;
  if (IsDirectory(path)) {
    std::vector<std::string> left_out;
    RETURN_IF_ERROR(AddDirectory(path, 0, inventory, left_out));
    if (inventory.HostNames().empty()) {
      return AnsibleError(
          path, "inventory not read", path,
          left_out.empty()
              ? "no source in the directory names a host"
              : absl::StrCat("no source in the directory names a host, and "
                             "Ansible leaves out ",
                             absl::StrJoin(left_out, ", "),
                             "; name that file itself"));
    }
    return Finish(path, std::move(inventory), default_port);
  }
  ASSIGN_OR_RETURN(const std::string text, ReadFile(path, kMostInventoryBytes));
  const size_t slash = path.rfind('/');
  const std::string directory =
      slash == std::string::npos ? "." : path.substr(0, slash + 1);
  if (!IsProgram(text, path) &&
      (absl::EndsWith(path, ".toml") ||
       (!IsAnsibleSource(text, path) && !HasVarsBeside(text, directory)))) {
    return ParseInventory(text, path, default_port);
  }
  RETURN_IF_ERROR(AddSource(text, path, inventory));
  return Finish(directory, std::move(inventory), default_port);
}

}  // namespace specula::ctl
