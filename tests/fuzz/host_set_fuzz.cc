#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "absl/strings/string_view.h"
#include "ctl/host_set.h"
#include "lib/base/host_port.h"

// A set that is read is within its bound, has no host twice, and each host
// reads back as itself.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  // Longer texts find nothing new, but may take the greatest set many times.
  const absl::string_view text(reinterpret_cast<const char*>(data),
                               size < 256 ? size : 256);
  const auto hosts = specula::ctl::ParseHostSet(text, 60120);
  if (!hosts.ok()) return 0;
  if (hosts->empty() || hosts->size() > specula::ctl::kMostHosts) abort();
  // Some of them, as there may be many.
  const size_t step = hosts->size() / 16 + 1;
  for (size_t i = 0; i < hosts->size(); i += step) {
    const specula::HostPort& host = (*hosts)[i];
    const auto again =
        specula::ctl::ParseHostSet(specula::FormatHostPort(host), 1);
    if (!again.ok() || again->size() != 1 || !(again->front() == host)) abort();
  }
  return 0;
}
