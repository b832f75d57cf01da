#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/strings/match.h"
#include "absl/strings/string_view.h"
#include "lib/config/settings.h"

// Whatever is in a configuration file, it is taken or refused with its name.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view text(reinterpret_cast<const char*>(data), size);
  std::string listen;
  std::vector<std::string> hosts;
  int connections = 7;
  double timeout = 1;
  bool verbose = false;
  CLI::App app;
  app.add_option("--listen", listen);
  app.add_option("--hosts", hosts);
  app.add_option("--max-connections", connections)->check(CLI::Range(1, 1000));
  app.add_option("--timeout", timeout);
  app.add_flag("--verbose", verbose);
  app.parse(std::vector<std::string>());
  const absl::Status status = specula::ApplyToml(app, text, "f.toml");
  if (!status.ok() && !absl::StartsWith(status.message(), "f.toml:")) abort();
  if (connections < 1 || connections > 1000) abort();
  return 0;
}
