// Lines that are typed into the console, or come out of a script.
#include <cstddef>
#include <cstdint>

#include "ctl/console/line.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view line(reinterpret_cast<const char*>(data), size);
  (void)specula::ctl::ParseConsoleLine(
      line, [](absl::string_view word) { return word.size() % 2 == 1; });

  specula::ctl::CompleteConsoleLine(line, {"vm1", "1", "@web"});
  return 0;
}
