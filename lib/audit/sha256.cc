#include "lib/audit/sha256.h"

#include <openssl/evp.h>

#include <array>
#include <cstdlib>

#include "absl/strings/escaping.h"

namespace specula::audit {
namespace {

// Only want of memory or an OpenSSL without SHA-256 can make these fail.
void Must(int result) {
  if (result != 1) abort();
}

// Fetched once: an implicit fetch for each digest costs more than the digest of
// a line.
const EVP_MD* Algorithm() {
  static const EVP_MD* const algorithm =
      EVP_MD_fetch(nullptr, "SHA256", nullptr);
  return algorithm;
}

}  // namespace

void Sha256::Free::operator()(evp_md_ctx_st* context) const {
  EVP_MD_CTX_free(context);
}

Sha256::Sha256() : context_(EVP_MD_CTX_new()) {
  Must(EVP_DigestInit_ex2(context_.get(), Algorithm(), nullptr));
}

void Sha256::Update(absl::string_view bytes) {
  Must(EVP_DigestUpdate(context_.get(), bytes.data(), bytes.size()));
}

std::string Sha256::Finish() {
  std::array<unsigned char, 32> digest;
  Must(EVP_DigestFinal_ex(context_.get(), digest.data(), nullptr));
  Must(EVP_DigestInit_ex2(context_.get(), nullptr, nullptr));
  return absl::BytesToHexString(absl::string_view(
      reinterpret_cast<const char*>(digest.data()), digest.size()));
}

std::string Sha256::Of(absl::string_view bytes) {
  Update(bytes);
  return Finish();
}

}  // namespace specula::audit
