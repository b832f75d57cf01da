#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "absl/strings/string_view.h"
#include "lib/rpc/certificate.h"
#include "lib/rpc/identity.h"

// What decides about power must read every URI in one way only: what is read
// and written again is what was there. Serials and PEM come along.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view text(reinterpret_cast<const char*>(data), size);

  const auto identity = specula::ParseIdentityUri(text);
  if (identity.ok() && specula::IdentityUri(*identity) != text) abort();

  const auto serial = specula::NormalizeSerial(text);
  if (serial.ok()) {
    const auto again = specula::NormalizeSerial(*serial);
    if (!again.ok() || *again != *serial) abort();
  }

  const auto certificate = specula::ParseCertificatePem(text);
  if (certificate.ok()) {
    if (certificate->serial.empty()) abort();
    (void)specula::IdentityOf(*certificate);
  }
  return 0;
}
