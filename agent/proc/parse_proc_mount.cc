#include <cstdint>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "agent/proc/counters.h"
#include "agent/proc/parse.h"
#include "agent/proc/text.h"

namespace specula::agent {
namespace {

void ReadOptions(absl::string_view options, ProcMount* mount) {
  while (!options.empty()) {
    absl::string_view value = TakeUntil(&options, ',');
    if (absl::ConsumePrefix(&value, "hidepid=")) {
      // Numbers until Linux 5.7, words since then.
      mount->hides = value == "0" || value == "off" ? ProcMount::Hides::kNothing
                     : value == "4" || value == "ptraceable"
                         ? ProcMount::Hides::kAllButTraceable
                         : ProcMount::Hides::kProcesses;
    } else if (absl::ConsumePrefix(&value, "gid=")) {
      int64_t group = 0;
      if (ParseCount(value, &group)) mount->group = group;
    } else if (value == "subset=pid") {
      mount->only_processes = true;
    }
  }
}

}  // namespace

bool IsWithin(absl::string_view path, absl::string_view directory) {
  return absl::StartsWith(path, directory) &&
         (directory == "/" || path.size() == directory.size() ||
          path[directory.size()] == '/');
}

ProcMount ParseProcMount(absl::string_view mountinfo, absl::string_view path) {
  ProcMount found;
  absl::string_view line;
  while (TakeLine(&mountinfo, &line)) {
    for (int field = 0; field < 4; ++field) TakeUntil(&line, ' ');
    if (TakeUntil(&line, ' ') != path) continue;
    // Any number of optional fields stands before the dash.
    while (!line.empty() && TakeUntil(&line, ' ') != "-") {
    }
    // Of several mounts on one point only the last can be seen.
    found = ProcMount();
    if (TakeUntil(&line, ' ') != "proc") continue;
    TakeUntil(&line, ' ');  // the source
    ReadOptions(line, &found);
  }
  return found;
}

}  // namespace specula::agent
