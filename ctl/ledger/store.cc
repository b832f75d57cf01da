#include "ctl/ledger/store.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <ctime>
#include <memory>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "ctl/ledger/run.h"
#include "ctl/user_files.h"
#include "lib/base/directory.h"
#include "lib/base/file.h"
#include "lib/base/format.h"
#include "lib/base/status_macros.h"

namespace specula::ctl {
namespace {

constexpr absl::string_view kSuffix = ".run";
// More than any run has: its outputs are cut to 8 MiB, its reasons are short.
constexpr size_t kMostRunBytes = 64 << 20;
// What a controller that was killed while it wrote has left.
constexpr time_t kStaleSeconds = 3600;
// How often an id may be taken by somebody else before we could.
constexpr int kMostTries = 1000;

struct CloseDirectory {
  void operator()(DIR* directory) const { closedir(directory); }
};
using Directory = std::unique_ptr<DIR, CloseDirectory>;

// The id of a file of ours; 0: none of ours.
int64_t IdOf(absl::string_view name) {
  if (!absl::ConsumeSuffix(&name, kSuffix)) return 0;
  const absl::StatusOr<int64_t> id = ParseRunId(name);
  return id.ok() ? *id : 0;
}

}  // namespace

absl::StatusOr<int64_t> ParseRunId(absl::string_view text) {
  int64_t id = 0;
  const bool digits = !text.empty() && text.size() <= 15 && text[0] != '0' &&
                      text.find_first_not_of("0123456789") == text.npos;
  if (digits && absl::SimpleAtoi(text, &id)) return id;
  return absl::InvalidArgumentError(
      absl::StrCat("'", EscapeControls(text),
                   "' is not the id of a run; 'specula runs' shows them"));
}

LedgerStore::LedgerStore() : LedgerStore(UserStateFile("runs"), Limits()) {}

LedgerStore::LedgerStore(std::string directory, Limits limits)
    : directory_(std::move(directory)), limits_(limits) {}

std::string LedgerStore::PathOf(int64_t id) const {
  return absl::StrCat(directory_, "/", id, kSuffix);
}

absl::StatusOr<std::vector<LedgerStore::File>> LedgerStore::Files() const {
  const Directory directory(opendir(directory_.c_str()));
  std::vector<File> files;
  if (directory == nullptr) {
    if (errno == ENOENT) return files;
    return absl::ErrnoToStatus(errno, absl::StrCat("cannot read ", directory_));
  }
  while (const dirent* entry = readdir(directory.get())) {
    struct stat info;
    if (fstatat(dirfd(directory.get()), entry->d_name, &info,
                AT_SYMLINK_NOFOLLOW) != 0 ||
        !S_ISREG(info.st_mode)) {
      continue;
    }
    const int64_t id = IdOf(entry->d_name);
    if (id > 0) {
      files.push_back({id, static_cast<size_t>(info.st_size)});
    } else if (absl::StrContains(entry->d_name, ".run.tmp.") &&
               info.st_mtime < time(nullptr) - kStaleSeconds) {
      unlinkat(dirfd(directory.get()), entry->d_name, 0);
    }
  }
  std::sort(files.begin(), files.end(),
            [](const File& a, const File& b) { return a.id > b.id; });
  return files;
}

absl::StatusOr<std::vector<int64_t>> LedgerStore::Ids() const {
  ASSIGN_OR_RETURN(std::vector<File> files, Files());
  std::vector<int64_t> ids;
  ids.reserve(files.size());
  for (const File& file : files) ids.push_back(file.id);
  return ids;
}

absl::StatusOr<int64_t> LedgerStore::Add(ledger::Run run) const {
  RETURN_IF_ERROR(MakeDirectories(directory_, 0700, 0700).status());
  ASSIGN_OR_RETURN(std::vector<File> files, Files());
  int64_t id = files.empty() ? 0 : files.front().id;
  for (int i = 0; i < kMostTries; ++i) {
    run.set_id(++id);
    // Does not replace: of two controllers one gets the next id.
    const absl::Status written = WriteFileAtomically(PathOf(id), FormatRun(run),
                                                     0600, /*replace=*/false);
    if (absl::IsAlreadyExists(written)) continue;
    RETURN_IF_ERROR(written);
    Prune();
    return id;
  }
  return absl::AbortedError(
      absl::StrCat("no free id in ", directory_, ": others take them all"));
}

void LedgerStore::Prune() const {
  const absl::StatusOr<std::vector<File>> files = Files();
  if (!files.ok()) return;
  size_t bytes = 0;
  size_t runs = 0;
  for (const File& file : *files) {
    bytes += file.bytes;
    ++runs;
    // The newest stays, whatever its size: its id has been told.
    if (runs > 1 && (runs > limits_.runs || bytes > limits_.bytes)) {
      unlink(PathOf(file.id).c_str());
    }
  }
}

absl::StatusOr<ledger::Run> LedgerStore::Get(int64_t id) const {
  absl::StatusOr<std::string> bytes = ReadFile(PathOf(id), kMostRunBytes);
  if (absl::IsNotFound(bytes.status())) {
    const absl::StatusOr<std::vector<int64_t>> ids = Ids();
    const std::string range =
        !ids.ok() || ids->empty()
            ? "none is kept yet"
            : absl::StrCat("kept are ", ids->back(), " to ", ids->front());
    return absl::NotFoundError(absl::StrCat("there is no run ", id, ": ", range,
                                            "; 'specula runs' shows them"));
  }
  RETURN_IF_ERROR(bytes.status());
  absl::StatusOr<ledger::Run> run = ParseRun(*bytes);
  if (!run.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat(PathOf(id), ": ", run.status().message()));
  }
  // The name counts: a file may have been copied.
  run->set_id(id);
  return run;
}

}  // namespace specula::ctl
