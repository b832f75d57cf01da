#include "lib/rpc/denylist.h"

#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "lib/rpc/certificate.h"

namespace specula {

absl::StatusOr<Denylist> ParseDenylist(absl::string_view text) {
  Denylist serials;
  int number = 0;
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    ++number;
    line = absl::StripAsciiWhitespace(line.substr(0, line.find('#')));
    if (line.empty()) continue;
    absl::StatusOr<std::string> serial = NormalizeSerial(line);
    if (!serial.ok()) {
      return absl::InvalidArgumentError(absl::StrCat(
          "line ", number, " of the denylist: ", serial.status().message()));
    }
    serials.insert(*std::move(serial));
  }
  return serials;
}

}  // namespace specula
