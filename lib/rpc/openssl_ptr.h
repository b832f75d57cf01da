#ifndef SPECULA_LIB_RPC_OPENSSL_PTR_H_
#define SPECULA_LIB_RPC_OPENSSL_PTR_H_

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

// Internal to the code that works with OpenSSL (lib/rpc, ctl/pki): who owns its
// objects, its errors, and how PEM gets in. Not for other headers to include.
namespace specula {

template <auto Free>
struct OpenSslFree {
  template <typename T>
  void operator()(T* object) const {
    Free(object);
  }
};

// Frees the stack, not the certificates: an X509Ptr elsewhere owns those.
struct X509StackFree {
  void operator()(STACK_OF(X509) * stack) const { sk_X509_free(stack); }
};

struct OpenSslTextFree {
  void operator()(void* text) const { OPENSSL_free(text); }
};

using BioPtr = std::unique_ptr<BIO, OpenSslFree<BIO_free_all>>;
using BignumPtr = std::unique_ptr<BIGNUM, OpenSslFree<BN_free>>;
using X509Ptr = std::unique_ptr<X509, OpenSslFree<X509_free>>;
using X509StackPtr = std::unique_ptr<STACK_OF(X509), X509StackFree>;
using X509StorePtr = std::unique_ptr<X509_STORE, OpenSslFree<X509_STORE_free>>;
using X509StoreCtxPtr =
    std::unique_ptr<X509_STORE_CTX, OpenSslFree<X509_STORE_CTX_free>>;
using X509ExtensionPtr =
    std::unique_ptr<X509_EXTENSION, OpenSslFree<X509_EXTENSION_free>>;
using KeyPtr = std::unique_ptr<EVP_PKEY, OpenSslFree<EVP_PKEY_free>>;
using GeneralNamePtr =
    std::unique_ptr<GENERAL_NAME, OpenSslFree<GENERAL_NAME_free>>;
using GeneralNamesPtr =
    std::unique_ptr<GENERAL_NAMES, OpenSslFree<GENERAL_NAMES_free>>;
using ExtendedKeyUsagePtr =
    std::unique_ptr<EXTENDED_KEY_USAGE, OpenSslFree<EXTENDED_KEY_USAGE_free>>;
using BasicConstraintsPtr =
    std::unique_ptr<BASIC_CONSTRAINTS, OpenSslFree<BASIC_CONSTRAINTS_free>>;
using OpenSslText = std::unique_ptr<char, OpenSslTextFree>;
using OpenSslBytes = std::unique_ptr<unsigned char, OpenSslTextFree>;

// What OpenSSL says about this thread's last failure; empties its error queue.
inline std::string OpenSslReason() {
  const unsigned long code = ERR_peek_last_error();
  ERR_clear_error();
  if (code == 0) return "OpenSSL gives no reason";
  if (const char* reason = ERR_reason_error_string(code)) return reason;
  char text[256];
  ERR_error_string_n(code, text, sizeof(text));
  return text;
}

// INTERNAL for what fails only when OpenSSL itself does (memory, randomness).
inline absl::Status OpenSslInternal(absl::string_view what) {
  return absl::InternalError(absl::StrCat(what, ": ", OpenSslReason()));
}

// A reader of `text`, which must outlive it. Null if `text` is absurdly long.
inline BioPtr ReadingBio(absl::string_view text) {
  if (text.size() > (1 << 24)) return nullptr;
  return BioPtr(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

// What was written into a memory BIO.
inline std::string BioText(BIO* bio) {
  char* data = nullptr;
  const long length = BIO_get_mem_data(bio, &data);
  return length > 0 ? std::string(data, static_cast<size_t>(length)) : "";
}

// Password callback for PEM: OpenSSL's own would ask on the terminal. Notes in
// *asked, a bool, that a password was wanted.
inline int RefusePassword(char* /*buffer*/, int /*size*/, int /*writing*/,
                          void* asked) {
  *static_cast<bool*>(asked) = true;
  return -1;
}

// Every certificate of a PEM text, in order, at least one; other blocks are
// skipped. INVALID_ARGUMENT otherwise.
inline absl::StatusOr<std::vector<X509Ptr>> ReadX509Pem(absl::string_view pem) {
  ERR_clear_error();
  BioPtr bio = ReadingBio(pem);
  if (bio == nullptr) return absl::InvalidArgumentError("PEM is too long");
  std::vector<X509Ptr> certificates;
  bool asked = false;
  while (true) {
    X509Ptr next(PEM_read_bio_X509(bio.get(), nullptr, RefusePassword, &asked));
    if (next != nullptr) {
      certificates.push_back(std::move(next));
      continue;
    }
    // "No start line" is how OpenSSL says that nothing more follows.
    const unsigned long code = ERR_peek_last_error();
    const bool at_end = ERR_GET_LIB(code) == ERR_LIB_PEM &&
                        ERR_GET_REASON(code) == PEM_R_NO_START_LINE;
    const std::string reason = OpenSslReason();
    if (!at_end) {
      return absl::InvalidArgumentError(
          absl::StrCat("certificate ", certificates.size() + 1,
                       " of the PEM does not parse: ", reason));
    }
    if (certificates.empty()) {
      return absl::InvalidArgumentError(
          absl::StrCat("holds no PEM certificate: ", reason));
    }
    return certificates;
  }
}

// The first private key of a PEM text. INVALID_ARGUMENT if there is none, it
// does not parse or wants a password.
inline absl::StatusOr<KeyPtr> ReadKeyPem(absl::string_view pem) {
  ERR_clear_error();
  BioPtr bio = ReadingBio(pem);
  if (bio == nullptr) return absl::InvalidArgumentError("PEM is too long");
  bool asked = false;
  KeyPtr key(
      PEM_read_bio_PrivateKey(bio.get(), nullptr, RefusePassword, &asked));
  if (key != nullptr) {
    ERR_clear_error();
    return key;
  }
  const std::string reason = OpenSslReason();
  if (asked) {
    return absl::InvalidArgumentError(
        "the key is encrypted; only keys without a password can be used");
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "holds no private key of EC, RSA or Ed25519 that parses: ", reason));
}

}  // namespace specula

#endif  // SPECULA_LIB_RPC_OPENSSL_PTR_H_
