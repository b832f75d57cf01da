#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "absl/strings/string_view.h"
#include "lib/base/format.h"
#include "lib/base/host_port.h"
#include "lib/base/log.h"

// What is shown or logged has no byte that a terminal obeys, what goes into a
// proto is UTF-8, and an address reads back as itself.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view text(reinterpret_cast<const char*>(data), size);

  const std::string safe = specula::EscapeControls(text);
  for (unsigned char byte : safe) {
    if (byte < 0x20 || byte == 0x7f) abort();
  }
  // C1 controls are two bytes in UTF-8.
  for (size_t i = 0; i + 1 < safe.size(); ++i) {
    const auto next = static_cast<unsigned char>(safe[i + 1]);
    if (safe[i] == '\xc2' && next < 0xa0) abort();
  }
  if (specula::ToUtf8(safe) != safe) abort();
  if (specula::EscapeControls(safe) != safe) abort();

  const std::string valid = specula::ToUtf8(text);
  if (specula::ToUtf8(valid) != valid) abort();

  const std::string line = specula::FormatLogLine("T", specula::LogLevel::kInfo,
                                                  text, {{"k", text}});
  if (line.find('\n') != std::string::npos) abort();

  const auto address = specula::ParseHostPort(text, 60120);
  if (address.ok()) {
    const auto again =
        specula::ParseHostPort(specula::FormatHostPort(*address), 1);
    if (!again.ok() || !(*again == *address)) abort();
  }
  return 0;
}
