#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/string_view.h"
#include "agent/proc/counters.h"
#include "agent/proc/parse.h"
#include "agent/proc/text.h"

namespace specula::agent {
namespace {

bool IsOctal(char c) { return c >= '0' && c <= '7'; }

// Undoes the kernel's mangling, such as \040 for a space. \000 stays as it is:
// a path with a NUL in it would be another path to the C library.
std::string Unescape(absl::string_view text) {
  std::string plain;
  plain.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 3 < text.size() && text[i + 1] <= '3' &&
        IsOctal(text[i + 1]) && IsOctal(text[i + 2]) && IsOctal(text[i + 3])) {
      const int code = (text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 +
                       (text[i + 3] - '0');
      if (code != 0) {
        plain += static_cast<char>(code);
        i += 3;
        continue;
      }
    }
    plain += text[i];
  }
  return plain;
}

// Calls see(option) for each of a list parted by commas, from left to right.
template <typename See>
void ForEachOption(absl::string_view options, See see) {
  while (!options.empty()) see(TakeUntil(&options, ','));
}

void ReadSuperBlock(absl::string_view options, Mount* mount) {
  ForEachOption(options, [mount](absl::string_view option) {
    if (option == "emergency_ro" || option == "shutdown") {
      mount->super_block = SuperBlock::kFailed;
    } else if (option == "ro" && mount->super_block != SuperBlock::kFailed) {
      mount->super_block = SuperBlock::kReadOnly;
    } else if (option == "errors=remount-ro") {
      mount->remounts_on_error = true;
    }
  });
}

// Fields are parted by exactly one space: the source may be an empty string.
bool ParseMount(absl::string_view line, Mount* mount) {
  if (!ParseCount(TakeUntil(&line, ' '), &mount->id)) return false;
  TakeUntil(&line, ' ');  // id of the parent
  const absl::string_view device = TakeUntil(&line, ' ');
  const absl::string_view root = TakeUntil(&line, ' ');
  const absl::string_view mount_point = TakeUntil(&line, ' ');
  const absl::string_view options = TakeUntil(&line, ' ');
  // Any number of optional fields stands before the dash.
  while (TakeUntil(&line, ' ') != "-") {
    if (line.empty()) return false;
  }
  const absl::string_view type = TakeUntil(&line, ' ');
  if (mount_point.empty() || type.empty()) return false;
  mount->device = std::string(device);
  mount->root = Unescape(root);
  mount->mount_point = Unescape(mount_point);
  mount->type = Unescape(type);
  mount->source = Unescape(TakeUntil(&line, ' '));
  ForEachOption(options, [mount](absl::string_view option) {
    if (option == "ro") mount->own_read_only = true;
  });
  ReadSuperBlock(line, mount);
  mount->read_only =
      mount->own_read_only || mount->super_block != SuperBlock::kWritable;
  return true;
}

// The last of ro and rw counts, as for mount(8).
bool ParseFstabLine(absl::string_view line, FstabEntry* entry) {
  TakeField(&line);  // what is mounted
  std::string point = Unescape(TakeField(&line));
  if (point.empty() || point.front() != '/') return false;
  while (point.size() > 1 && point.back() == '/') point.pop_back();
  entry->mount_point = std::move(point);
  TakeField(&line);  // type
  ForEachOption(TakeField(&line), [entry](absl::string_view option) {
    if (option == "ro") entry->read_only = true;
    if (option == "rw") entry->read_only = false;
    if (option == "noauto") entry->at_boot = false;
  });
  return true;
}

bool ParseDisk(absl::string_view line, DiskCounters* disk) {
  TakeField(&line);  // major
  TakeField(&line);  // minor
  const absl::string_view name = TakeField(&line);
  int64_t unused = 0;  // requests merged, requests in flight
  // Kernels append fields, and Linux 2.6 gave partitions four only, which are
  // not these.
  int64_t* const fields[] = {&disk->reads,
                             &unused,
                             &disk->sectors_read,
                             &disk->read_milliseconds,
                             &disk->writes,
                             &unused,
                             &disk->sectors_written,
                             &disk->write_milliseconds,
                             &unused,
                             &disk->busy_milliseconds};
  for (int64_t* field : fields) {
    if (!TakeCount(&line, field)) return false;
  }
  disk->name = std::string(name);
  return true;
}

}  // namespace

std::vector<Mount> ParseMountInfo(absl::string_view text) {
  std::vector<Mount> mounts;
  absl::string_view line;
  while (TakeLine(&text, &line)) {
    Mount mount;
    if (ParseMount(line, &mount)) mounts.push_back(std::move(mount));
  }
  return mounts;
}

std::vector<FstabEntry> ParseFstab(absl::string_view text) {
  std::vector<FstabEntry> entries;
  absl::string_view line;
  // What was read so far is understood; a comment's first field starts with #.
  while (TakeLine(&text, &line)) {
    line = absl::StripAsciiWhitespace(line);
    FstabEntry entry;
    if (!absl::StartsWith(line, "#") && ParseFstabLine(line, &entry)) {
      entries.push_back(std::move(entry));
    }
  }
  return entries;
}

std::vector<DiskCounters> ParseDiskStats(absl::string_view text) {
  std::vector<DiskCounters> disks;
  absl::string_view line;
  while (TakeLine(&text, &line)) {
    DiskCounters disk;
    if (ParseDisk(line, &disk)) disks.push_back(std::move(disk));
  }
  return disks;
}

}  // namespace specula::agent
