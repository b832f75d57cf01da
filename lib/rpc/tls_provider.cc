#include "lib/rpc/tls_provider.h"

#include <openssl/core_dispatch.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/provider.h>

#include <algorithm>
#include <iterator>
#include <map>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/string_view.h"
#include "lib/rpc/openssl_ptr.h"

namespace specula {
namespace {

// OpenSSL's tables end with an entry of nulls.
using Algorithms = std::vector<OSSL_ALGORITHM>;

// The default provider in a library context of its own, and what we show of
// those of its operations of which we do not show all. OpenSSL asks by plain
// functions whose context belongs to the inner provider, so there is one for
// the process; it is never freed, for gRPC's threads may use it to the last.
struct Inner {
  OSSL_PROVIDER* provider = nullptr;
  std::map<int, Algorithms> shown;
  std::vector<OSSL_DISPATCH> ec_key_manager;
  OSSL_FUNC_keymgmt_validate_fn* validate_ec = nullptr;
};

Inner& TheInner() {
  static Inner* const inner = new Inner;
  return *inner;
}

template <size_t kCount>
bool IsOneOf(absl::string_view name, const absl::string_view (&names)[kCount]) {
  return std::find(std::begin(names), std::end(names), name) != std::end(names);
}

// "EC:id-ecPublicKey:1.2.840.10045.2.1" is EC.
absl::string_view FirstName(const OSSL_ALGORITHM& algorithm) {
  const absl::string_view names(algorithm.algorithm_names);
  return names.substr(0, names.find(':'));
}

bool IsWantedDecoder(const OSSL_ALGORITHM& algorithm) {
  // Those of certificates' keys. For each key all of them are set up and
  // compared with each other. Private keys are few, and are read as OpenSSL did
  // it before it had decoders.
  static constexpr absl::string_view kKinds[] = {"EC", "ED25519", "RSA"};
  return IsOneOf(FirstName(algorithm), kKinds) &&
         absl::StrContains(algorithm.property_definition,
                           "structure=SubjectPublicKeyInfo");
}

bool IsWantedKeyManager(const OSSL_ALGORITHM& algorithm) {
  // DSA, and DH below: libssl asks for them with every SSL_CTX, and to look for
  // one in vain is what costs most. Nothing reads such keys.
  static constexpr absl::string_view kNames[] = {"EC",   "ED25519", "ED448",
                                                 "RSA",  "RSA-PSS", "X25519",
                                                 "X448", "HMAC",    "DSA"};
  return IsOneOf(FirstName(algorithm), kNames);
}

bool IsWantedKeyExchange(const OSSL_ALGORITHM& algorithm) {
  static constexpr absl::string_view kNames[] = {"ECDH", "X25519", "X448",
                                                 "DH"};
  return IsOneOf(FirstName(algorithm), kNames);
}

bool IsWantedSignature(const OSSL_ALGORITHM& algorithm) {
  static constexpr absl::string_view kNames[] = {"ECDSA", "ED25519", "ED448",
                                                 "RSA", "DSA"};
  return IsOneOf(FirstName(algorithm), kNames);
}

bool IsWantedDerivation(const OSSL_ALGORITHM& algorithm) {
  static constexpr absl::string_view kNames[] = {"HKDF", "TLS13-KDF"};
  return IsOneOf(FirstName(algorithm), kNames);
}

bool IsWantedMac(const OSSL_ALGORITHM& algorithm) {
  return FirstName(algorithm) == "HMAC";
}

bool IsWantedRandom(const OSSL_ALGORITHM& algorithm) {
  static constexpr absl::string_view kNames[] = {"CTR-DRBG", "SEED-SRC"};
  return IsOneOf(FirstName(algorithm), kNames);
}

bool IsWantedDigest(const OSSL_ALGORITHM& algorithm) {
  const absl::string_view name = FirstName(algorithm);
  return absl::StartsWith(name, "SHA1") || absl::StartsWith(name, "SHA2-") ||
         absl::StartsWith(name, "MD5");
}

bool IsWantedCipher(const OSSL_ALGORITHM& algorithm) {
  // More than TLS 1.3 has, for the same reason. Not AES in CBC and Camellia:
  // without them two thirds of the older ciphers are none, which libssl puts
  // into order with every SSL_CTX, and that costs more.
  static constexpr absl::string_view kNames[] = {
      "AES-128-GCM",  "AES-256-GCM",  "ChaCha20-Poly1305",
      "AES-128-CCM",  "AES-256-CCM",  "ARIA-128-GCM",
      "ARIA-256-GCM", "DES-EDE3-CBC", "NULL"};
  return IsOneOf(FirstName(algorithm), kNames);
}

using Wanted = bool (*)(const OSSL_ALGORITHM&);

Algorithms Select(int operation, Wanted is_wanted) {
  Algorithms selected;
  int no_store = 0;
  const OSSL_ALGORITHM* all =
      OSSL_PROVIDER_query_operation(TheInner().provider, operation, &no_store);
  for (; all != nullptr && all->algorithm_names != nullptr; ++all) {
    if (is_wanted(*all)) selected.push_back(*all);
  }
  selected.push_back({});
  return selected;
}

const OSSL_ALGORITHM* QueryOperation(void* /*context*/, int operation,
                                     int* no_store) {
  *no_store = 0;
  const auto shown = TheInner().shown.find(operation);
  if (shown != TheInner().shown.end()) return shown->second.data();
  return OSSL_PROVIDER_query_operation(TheInner().provider, operation,
                                       no_store);
}

const OSSL_PARAM* GettableParameters(void* /*context*/) {
  return OSSL_PROVIDER_gettable_params(TheInner().provider);
}

int GetParameters(void* /*context*/, OSSL_PARAM* parameters) {
  return OSSL_PROVIDER_get_params(TheInner().provider, parameters);
}

// Groups of TLS 1.3 as IANA numbers them: the NIST curves, X25519 and X448.
bool IsWantedGroup(unsigned id) {
  return (id >= 23 && id <= 25) || id == 29 || id == 30;
}

struct GroupReceiver {
  OSSL_CALLBACK* callback;
  void* argument;
};

int PassWantedGroup(const OSSL_PARAM* group, void* argument) {
  const auto* const receiver = static_cast<const GroupReceiver*>(argument);
  const OSSL_PARAM* const id =
      OSSL_PARAM_locate_const(group, OSSL_CAPABILITY_TLS_GROUP_ID);
  unsigned number = 0;
  if (id == nullptr || OSSL_PARAM_get_uint(id, &number) != 1 ||
      !IsWantedGroup(number)) {
    return 1;
  }
  return receiver->callback(group, receiver->argument);
}

// libssl asks for the groups with every SSL_CTX, and looks for the algorithm of
// each.
int GetCapabilities(void* /*context*/, const char* capability,
                    OSSL_CALLBACK* callback, void* argument) {
  GroupReceiver receiver{callback, argument};
  if (absl::string_view(capability) != "TLS-GROUP") {
    return OSSL_PROVIDER_get_capabilities(TheInner().provider, capability,
                                          callback, argument);
  }
  return OSSL_PROVIDER_get_capabilities(TheInner().provider, capability,
                                        PassWantedGroup, &receiver);
}

// What a peer sends as its half of the key exchange is checked as RFC 8446
// wants it in section 4.2.8.2: not infinity, coordinates in range, on the
// curve. OpenSSL 3.0 multiplies it by the group's order besides, which can tell
// nothing of a curve whose cofactor is 1, as that of each group above is, and
// costs a twelfth of a server's handshake.
int ValidateEc(const void* key, int selection, int how) {
  if (selection == OSSL_KEYMGMT_SELECT_PUBLIC_KEY) {
    how = OSSL_KEYMGMT_VALIDATE_QUICK_CHECK;
  }
  return TheInner().validate_ec(key, selection, how);
}

// False if OpenSSL's EC has no check that could be replaced.
bool ReplaceEcCheck() {
  for (OSSL_ALGORITHM& algorithm : TheInner().shown[OSSL_OP_KEYMGMT]) {
    if (algorithm.algorithm_names == nullptr || FirstName(algorithm) != "EC") {
      continue;
    }
    std::vector<OSSL_DISPATCH>& ours = TheInner().ec_key_manager;
    for (const OSSL_DISPATCH* entry = algorithm.implementation;
         entry->function_id != 0; ++entry) {
      ours.push_back(*entry);
      if (entry->function_id != OSSL_FUNC_KEYMGMT_VALIDATE) continue;
      TheInner().validate_ec = OSSL_FUNC_keymgmt_validate(entry);
      ours.back().function = reinterpret_cast<void (*)()>(ValidateEc);
    }
    ours.push_back({0, nullptr});
    algorithm.implementation = ours.data();
  }
  return TheInner().validate_ec != nullptr;
}

template <typename Function>
OSSL_DISPATCH Entry(int id, Function* function) {
  return {id, reinterpret_cast<void (*)()>(function)};
}

int StartProvider(const OSSL_CORE_HANDLE* /*handle*/,
                  const OSSL_DISPATCH* /*core*/, const OSSL_DISPATCH** offered,
                  void** context) {
  static const OSSL_DISPATCH kOffered[] = {
      Entry(OSSL_FUNC_PROVIDER_GETTABLE_PARAMS, GettableParameters),
      Entry(OSSL_FUNC_PROVIDER_GET_PARAMS, GetParameters),
      Entry(OSSL_FUNC_PROVIDER_QUERY_OPERATION, QueryOperation),
      Entry(OSSL_FUNC_PROVIDER_GET_CAPABILITIES, GetCapabilities),
      {0, nullptr}};
  *offered = kOffered;
  // Its algorithms are called with this.
  *context = OSSL_PROVIDER_get0_provider_ctx(TheInner().provider);
  return 1;
}

}  // namespace

// OpenSSL fills its table of names with all ciphers and digests that it knows
// by itself, and goes through that table for each key that it reads. Of these
// it needs the digests of certificates' signatures.
void LeaveNamesOut() {
  OPENSSL_init_crypto(
      OPENSSL_INIT_NO_ADD_ALL_CIPHERS | OPENSSL_INIT_NO_ADD_ALL_DIGESTS,
      nullptr);
  for (const EVP_MD* digest : {EVP_sha1(), EVP_sha224(), EVP_sha256(),
                               EVP_sha384(), EVP_sha512(), EVP_md5()}) {
    EVP_add_digest(digest);
  }
}

absl::Status AddTlsProvider() {
  Inner& inner = TheInner();
  if (inner.provider != nullptr) return absl::OkStatus();
  LeaveNamesOut();
  inner.provider = OSSL_PROVIDER_load(OSSL_LIB_CTX_new(), "default");
  if (inner.provider == nullptr) return OpenSslInternal("default provider");
  const std::pair<int, Wanted> selections[] = {
      {OSSL_OP_DECODER, IsWantedDecoder},
      {OSSL_OP_KEYMGMT, IsWantedKeyManager},
      {OSSL_OP_KEYEXCH, IsWantedKeyExchange},
      {OSSL_OP_SIGNATURE, IsWantedSignature},
      {OSSL_OP_KDF, IsWantedDerivation},
      {OSSL_OP_MAC, IsWantedMac},
      {OSSL_OP_RAND, IsWantedRandom},
      {OSSL_OP_DIGEST, IsWantedDigest},
      {OSSL_OP_CIPHER, IsWantedCipher}};
  for (const auto& [operation, is_wanted] : selections) {
    inner.shown[operation] = Select(operation, is_wanted);
  }
  if (!ReplaceEcCheck()) return absl::InternalError("OpenSSL's EC is unknown");
  if (OSSL_PROVIDER_add_builtin(nullptr, kTlsProvider, StartProvider) != 1) {
    return OpenSslInternal("provider");
  }
  return absl::OkStatus();
}

}  // namespace specula
