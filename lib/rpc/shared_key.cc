#include "lib/rpc/shared_key.h"

// Engines are deprecated in OpenSSL 3 in favour of providers; gRPC knows no
// other way.
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/engine.h>
#include <openssl/evp.h>
#include <openssl/ui.h>

#include <map>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "lib/rpc/openssl_ptr.h"

namespace specula {
namespace {

constexpr char kEngine[] = "specula";
constexpr char kNoKey[] = "no private key";

class SharedKeys {
 public:
  // Never freed: gRPC's threads may ask to the last.
  static SharedKeys& Get() {
    static SharedKeys* const keys = new SharedKeys;
    return *keys;
  }

  std::string Share(absl::string_view pem) {
    const std::string digest = Digest(pem);
    absl::MutexLock lock(&mutex_);
    auto known = numbers_.find(digest);
    if (known == numbers_.end()) {
      absl::StatusOr<KeyPtr> key = ReadKeyPem(pem);
      if (!key.ok()) return kNoKey;
      // Without the engine gRPC would look for one in a file.
      if (!registered_ || digest.empty()) return std::string(pem);
      known = numbers_.emplace(digest, keys_.size()).first;
      keys_.push_back(*std::move(key));
    }
    return absl::StrCat("engine:", kEngine, ":", known->second);
  }

 private:
  SharedKeys() {
    ENGINE* engine = ENGINE_new();
    registered_ = engine != nullptr && ENGINE_set_id(engine, kEngine) == 1 &&
                  ENGINE_set_name(engine, "keys that have been read") == 1 &&
                  ENGINE_set_load_privkey_function(engine, Load) == 1 &&
                  ENGINE_add(engine) == 1;
    ENGINE_free(engine);
    ERR_clear_error();
  }

  // Instead of the text, so that it is not in memory once more.
  static std::string Digest(absl::string_view pem) {
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    if (EVP_Digest(pem.data(), pem.size(), digest, &size, EVP_sha256(),
                   nullptr) != 1) {
      return "";
    }
    return std::string(reinterpret_cast<char*>(digest), size);
  }

  static EVP_PKEY* Load(ENGINE* /*engine*/, const char* name, UI_METHOD* /*ui*/,
                        void* /*data*/) {
    SharedKeys& all = Get();
    absl::MutexLock lock(&all.mutex_);
    size_t number = 0;
    if (!absl::SimpleAtoi(name, &number) || number >= all.keys_.size()) {
      return nullptr;
    }
    EVP_PKEY* const key = all.keys_[number].get();
    EVP_PKEY_up_ref(key);
    return key;
  }

  absl::Mutex mutex_;
  bool registered_ = false;
  std::map<std::string, size_t> numbers_ ABSL_GUARDED_BY(mutex_);
  std::vector<KeyPtr> keys_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace

std::string ShareKey(absl::string_view pem) {
  return SharedKeys::Get().Share(pem);
}

}  // namespace specula
