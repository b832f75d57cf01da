#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "ctl/ui/filter.h"

// A filter that is read can be asked about any host, and reads back from its
// text as a filter.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace specula::ctl;
  const absl::string_view text(reinterpret_cast<const char*>(data), size);
  const auto filter = Filter::Parse(text, {"rack", "group"});
  if (!filter.ok()) return 0;
  HostRow row;
  row.host = {"vm1", "10.0.0.1:60120", {{"rack", "a"}, {"group", "web,db"}}};
  row.values.cpu = 0.5;
  for (const HostState state : {HostState::kUp, HostState::kDown}) {
    const bool matches = filter->Matches(row, state, absl::UnixEpoch());
    const auto again = Filter::Parse(filter->text(), {"rack", "group"});
    if (!again.ok() ||
        again->Matches(row, state, absl::UnixEpoch()) != matches) {
      abort();
    }
  }
  return 0;
}
