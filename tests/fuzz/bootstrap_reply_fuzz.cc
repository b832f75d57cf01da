#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <vector>

#include "absl/strings/string_view.h"
#include "ctl/bootstrap/elf.h"
#include "ctl/bootstrap/reply.h"

// What a host says over ssh gives the same replies however it is cut, and facts
// or an error.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view text(reinterpret_cast<const char*>(data), size);

  specula::ctl::ReplyReader whole;
  const std::vector<specula::ctl::Reply> replies = whole.Feed(text);
  specula::ctl::ReplyReader halves;
  std::vector<specula::ctl::Reply> again =
      halves.Feed(text.substr(0, size / 2));
  for (specula::ctl::Reply& reply : halves.Feed(text.substr(size / 2))) {
    again.push_back(reply);
  }
  if (again.size() != replies.size()) abort();
  for (size_t i = 0; i < replies.size(); ++i) {
    if (again[i].key != replies[i].key || again[i].value != replies[i].value)
      abort();
  }
  const auto facts = specula::ctl::ParseFacts(replies);
  if (facts.ok() && facts->architecture.empty()) abort();
  (void)specula::ctl::ElfArchitecture(text);
  return 0;
}
