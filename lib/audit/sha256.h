#ifndef SPECULA_LIB_AUDIT_SHA256_H_
#define SPECULA_LIB_AUDIT_SHA256_H_

#include <memory>
#include <string>

#include "absl/strings/string_view.h"

struct evp_md_ctx_st;

namespace specula::audit {

// SHA-256 of bytes given in parts, as 64 lower-case hex digits. Reusable: after
// Finish it starts anew. Not thread-safe.
class Sha256 {
 public:
  Sha256();
  void Update(absl::string_view bytes);
  std::string Finish();

  // Of one text.
  std::string Of(absl::string_view bytes);

 private:
  struct Free {
    void operator()(evp_md_ctx_st* context) const;
  };
  std::unique_ptr<evp_md_ctx_st, Free> context_;
};

}  // namespace specula::audit

#endif  // SPECULA_LIB_AUDIT_SHA256_H_
