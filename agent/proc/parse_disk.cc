#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

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

// ext4 says emergency_ro after an error while the option remains rw.
bool HasReadOnly(absl::string_view options) {
  while (!options.empty()) {
    const absl::string_view option = TakeUntil(&options, ',');
    if (option == "ro" || option == "emergency_ro") return true;
  }
  return false;
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
  mount->read_only = HasReadOnly(options) || HasReadOnly(line);
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
