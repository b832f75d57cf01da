#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <set>
#include <string>

#include "absl/strings/string_view.h"
#include "ctl/hosts/fold.h"
#include "ctl/hosts/host_set.h"
#include "ctl/hosts/pattern.h"

// A set that is read is within its bound, has no host twice, and reads back
// from its folded form as the same hosts.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace specula::ctl;
  static const HostCatalog catalog = {
      .hosts = {"vm1", "vm2", "db1:7000", "web.example.com"},
      .groups = {{"web", {"web.example.com"}}, {"db", {"db1:7000"}}}};
  // Longer texts find nothing new, but may take the greatest set many times.
  const absl::string_view text(reinterpret_cast<const char*>(data),
                               size < 256 ? size : 256);
  const auto hosts = EvaluateHostSet(text, catalog, 60120);
  if (!hosts.ok()) return 0;
  if (hosts->size() > kMostHosts) abort();
  const std::set<std::string> names(hosts->begin(), hosts->end());
  if (names.size() != hosts->size()) abort();
  if (hosts->empty() || hosts->size() > 2000) return 0;
  const auto again = EvaluateHostSet(FoldHosts(*hosts), catalog, 60120);
  if (!again.ok() ||
      std::set<std::string>(again->begin(), again->end()) != names) {
    abort();
  }
  return 0;
}
