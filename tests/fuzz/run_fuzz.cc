#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "absl/strings/string_view.h"
#include "ctl/ledger/run.h"
#include "ctl/ledger/run_diff.h"

// A run that is read has all its views, differs from itself in nothing, and is
// the same when it is written and read again.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace specula::ctl;
  const auto run =
      ParseRun(absl::string_view(reinterpret_cast<const char*>(data), size));
  if (!run.ok()) return 0;
  const Gather gather = GatherOf(*run);
  gather.ViewFolded(true);
  gather.ViewDiff(true);
  gather.ViewSummary();
  gather.Remarks();
  CommandLine(run->command());
  MissingToRepeat(*run, false, {});
  if (!DiffRuns(*run, *run, true).empty()) abort();
  const auto again = ParseRun(FormatRun(*run));
  if (!again.ok() || again->hosts_size() != run->hosts_size()) abort();
  return 0;
}
