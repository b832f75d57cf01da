#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/string_view.h"
#include "agent/proc/counters.h"
#include "agent/proc/parse.h"
#include "agent/proc/text.h"

namespace specula::agent {
namespace {

bool ParseInterface(absl::string_view line, InterfaceCounters* interface) {
  // The last colon, because old kernels allow one in the name (eth0:1); a space
  // need not follow it.
  const size_t colon = line.rfind(':');
  if (colon == absl::string_view::npos) return false;  // one of the headings
  const absl::string_view name =
      absl::StripAsciiWhitespace(line.substr(0, colon));
  if (name.empty()) return false;
  line.remove_prefix(colon + 1);
  int64_t unused = 0;  // packets, fifo, frame, compressed, multicast
  int64_t* const fields[] = {&interface->received_bytes,
                             &unused,
                             &interface->received_errors,
                             &interface->received_dropped,
                             &unused,
                             &unused,
                             &unused,
                             &unused,
                             &interface->transmitted_bytes,
                             &unused,
                             &interface->transmitted_errors,
                             &interface->transmitted_dropped};
  for (int64_t* field : fields) {
    if (!TakeCount(&line, field)) return false;
  }
  interface->name = std::string(name);
  return true;
}

}  // namespace

std::vector<InterfaceCounters> ParseNetDev(absl::string_view text) {
  std::vector<InterfaceCounters> interfaces;
  absl::string_view line;
  while (TakeLine(&text, &line)) {
    InterfaceCounters interface;
    if (ParseInterface(line, &interface)) {
      interfaces.push_back(std::move(interface));
    }
  }
  return interfaces;
}

}  // namespace specula::agent
