#include "ctl/bootstrap/agent_programs.h"

#include <filesystem>
#include <memory>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "ctl/bootstrap/elf.h"
#include "lib/base/file.h"
#include "lib/base/status_macros.h"

namespace specula::ctl {
namespace {

constexpr size_t kMostBytes = size_t{512} << 20;
constexpr char kProgram[] = "specula-agent";

// Where agents lie that nobody named.
std::vector<std::string> UsualFiles() {
  std::error_code error;
  const std::filesystem::path self =
      std::filesystem::read_symlink("/proc/self/exe", error);
  std::vector<std::string> files;
  if (error) return files;
  const std::filesystem::path here = self.parent_path();
  const auto add = [&](const std::filesystem::path& path) {
    if (std::filesystem::is_regular_file(path, error)) files.push_back(path);
  };
  add(here / kProgram);
  std::filesystem::directory_iterator folder(
      here.parent_path() / "lib/specula/agents", error);
  for (; !error && folder != std::filesystem::directory_iterator();
       folder.increment(error)) {
    add(folder->path() / kProgram);
  }
  return files;
}

}  // namespace

absl::Status AgentPrograms::Add(const std::string& path) {
  ASSIGN_OR_RETURN(std::string bytes, ReadFile(path, kMostBytes));
  absl::StatusOr<std::string> architecture = ElfArchitecture(bytes);
  if (!architecture.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, " ", architecture.status().message()));
  }
  Program program;
  program.path = path;
  program.file = MakeWantedFile(
      "agent", std::make_shared<const std::string>(std::move(bytes)));
  const auto [place, is_new] = programs_.emplace(*architecture, program);
  if (!is_new && place->second.file.sha256 != program.file.sha256) {
    return absl::InvalidArgumentError(
        absl::StrCat(place->second.path, " and ", path, " are both for ",
                     *architecture, "; name one by --agent"));
  }
  return absl::OkStatus();
}

absl::StatusOr<AgentPrograms> AgentPrograms::Load(
    const std::vector<std::string>& files) {
  AgentPrograms programs;
  for (const std::string& path : files.empty() ? UsualFiles() : files) {
    RETURN_IF_ERROR(programs.Add(path));
  }
  if (programs.programs_.empty()) {
    return absl::NotFoundError(
        "there is no agent to install: name it by --agent FILE, or put it "
        "beside this program or into "
        "../lib/specula/agents/<architecture>/specula-agent");
  }
  return programs;
}

absl::StatusOr<WantedFile> AgentPrograms::For(
    const std::string& machine) const {
  const auto found = programs_.find(MachineArchitecture(machine));
  if (found != programs_.end()) return found->second.file;
  const std::string have =
      absl::StrJoin(programs_, ", ", [](std::string* out, const auto& entry) {
        absl::StrAppend(out, entry.second.path, " (", entry.first, ")");
      });
  return absl::FailedPreconditionError(
      absl::StrCat("the host is ", machine, ", and there is only ", have,
                   "; give the right one by --agent"));
}

}  // namespace specula::ctl
