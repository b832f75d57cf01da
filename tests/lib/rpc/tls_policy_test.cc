#include "lib/rpc/tls_policy.h"

#include <grpc/grpc_security.h>
#include <openssl/bio.h>
#include <openssl/decoder.h>
#include <openssl/evp.h>
#include <openssl/provider.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdio>
#include <string>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "ctl/pki/authority.h"
#include "gtest/gtest.h"
#include "lib/rpc/openssl_ptr.h"

namespace specula {
namespace {

// The policy holds for a whole process and for good, so each test is a process
// of its own: it runs the test again up to this line ("threadsafe" death tests)
// and tells by its exit code.
class TlsPolicyTest : public ::testing::Test {
 protected:
  TlsPolicyTest() { GTEST_FLAG_SET(death_test_style, "threadsafe"); }
};

[[noreturn]] void Fail(const std::string& why) {
  std::fprintf(stderr, "%s\n", why.c_str());
  _exit(1);
}

void Enforce() {
  const absl::Status status = EnforceTlsPolicy();
  if (!status.ok()) Fail(status.ToString());
}

SSL_CTX* NewContext(const SSL_METHOD* method, const ctl::KeyPair* pair) {
  SSL_CTX* context = SSL_CTX_new(method);
  if (context == nullptr) Fail("SSL_CTX_new");
  if (pair == nullptr) return context;
  BIO* bio = BIO_new_mem_buf(pair->certificate_pem.data(), -1);
  X509* certificate = PEM_read_bio_X509(bio, nullptr, nullptr, nullptr);
  BIO_free(bio);
  bio = BIO_new_mem_buf(pair->key_pem.data(), -1);
  EVP_PKEY* key = PEM_read_bio_PrivateKey(bio, nullptr, nullptr, nullptr);
  BIO_free(bio);
  if (SSL_CTX_use_certificate(context, certificate) != 1 ||
      SSL_CTX_use_PrivateKey(context, key) != 1) {
    Fail("certificate");
  }
  X509_free(certificate);
  EVP_PKEY_free(key);
  return context;
}

struct Handshake {
  bool done = false;
  std::string version;
  std::string cipher;
  int tickets = 0;
  int certificates = 0;  // that the server sent
};

int CountTicket(SSL* ssl, SSL_SESSION*) {
  ++*static_cast<int*>(SSL_get_app_data(ssl));
  return 0;
}

// Lets a client whose greatest version is `client_max` talk to a server, over
// pipes of OpenSSL.
Handshake Shake(int client_max) {
  const absl::Time now = absl::Now();
  ctl::CertificateRequest request;
  request.common_name = "server";
  request.server_auth = true;
  request.not_before = now - absl::Hours(1);
  request.not_after = now + absl::Hours(1);
  const ctl::KeyPair authority =
      ctl::MakeAuthority("d.example", request.not_before, request.not_after)
          .value();
  const ctl::KeyPair pair = ctl::Issue(authority, request).value();
  SSL_CTX* server_context = NewContext(TLS_server_method(), &pair);
  // A server that asks for certificates knows its own issuer.
  BIO* roots = BIO_new_mem_buf(authority.certificate_pem.data(), -1);
  X509* root = PEM_read_bio_X509(roots, nullptr, nullptr, nullptr);
  X509_STORE_add_cert(SSL_CTX_get_cert_store(server_context), root);
  X509_free(root);
  BIO_free(roots);
  SSL_CTX* client_context = NewContext(TLS_client_method(), nullptr);
  // As gRPC does, after the defaults.
  SSL_CTX_set_min_proto_version(server_context, TLS1_2_VERSION);
  SSL_CTX_set_min_proto_version(client_context, TLS1_2_VERSION);
  if (client_max == TLS1_2_VERSION) {
    // A client that is not under the policy.
    SSL_CTX_clear_options(client_context, SSL_OP_NO_TLSv1_2);
    SSL_CTX_set_max_proto_version(client_context, TLS1_2_VERSION);
  }
  Handshake result;
  SSL_CTX_set_session_cache_mode(
      client_context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
  SSL_CTX_sess_set_new_cb(client_context, CountTicket);
  SSL* server = SSL_new(server_context);
  SSL* client = SSL_new(client_context);
  SSL_set_app_data(client, &result.tickets);
  BIO* server_end = nullptr;
  BIO* client_end = nullptr;
  BIO_new_bio_pair(&server_end, 1 << 16, &client_end, 1 << 16);
  SSL_set_bio(server, server_end, server_end);
  SSL_set_bio(client, client_end, client_end);
  SSL_set_accept_state(server);
  SSL_set_connect_state(client);
  for (int i = 0; i < 20; ++i) {
    const int at_client = SSL_do_handshake(client);
    const int at_server = SSL_do_handshake(server);
    if (at_client == 1 && at_server == 1) {
      result.done = true;
      break;
    }
  }
  // Tickets come after the handshake.
  char byte = 0;
  SSL_write(server, "x", 1);
  SSL_read(client, &byte, 1);
  result.version = SSL_get_version(client);
  result.cipher = SSL_get_cipher_name(client);
  result.certificates = sk_X509_num(SSL_get_peer_cert_chain(client));
  SSL_free(server);
  SSL_free(client);
  SSL_CTX_free(server_context);
  SSL_CTX_free(client_context);
  return result;
}

[[noreturn]] void CheckOptions() {
  Enforce();
  for (const SSL_METHOD* method :
       {TLS_method(), TLS_server_method(), TLS_client_method()}) {
    SSL_CTX* context = SSL_CTX_new(method);
    constexpr uint64_t kOld = SSL_OP_NO_SSLv3 | SSL_OP_NO_TLSv1 |
                              SSL_OP_NO_TLSv1_1 | SSL_OP_NO_TLSv1_2;
    if ((SSL_CTX_get_options(context) & kOld) != kOld) Fail("old versions");
    if ((SSL_CTX_get_options(context) & SSL_OP_NO_TLSv1_3) != 0) {
      Fail("TLS 1.3 is off");
    }
    // Only servers send tickets.
    if (method != TLS_client_method() &&
        SSL_CTX_get_num_tickets(context) != 0) {
      Fail("tickets");
    }
    SSL_CTX_free(context);
  }
  _exit(0);
}

TEST_F(TlsPolicyTest, EveryContextHasTls13OnlyAndNoTickets) {
  EXPECT_EXIT(CheckOptions(), ::testing::ExitedWithCode(0), "");
}

[[noreturn]] void CheckHandshakes() {
  Enforce();
  const Handshake with_13 = Shake(TLS1_3_VERSION);
  if (!with_13.done || with_13.version != "TLSv1.3") {
    Fail(absl::StrCat("TLS 1.3 failed: ", with_13.version));
  }
  if (with_13.tickets != 0) Fail("the server sent tickets");
  if (with_13.certificates != 1) Fail("the server sent what it was not given");
  if (with_13.cipher != "TLS_AES_128_GCM_SHA256") {
    Fail(absl::StrCat("the cipher is ", with_13.cipher));
  }
  if (Shake(TLS1_2_VERSION).done) Fail("TLS 1.2 was accepted");
  _exit(0);
}

TEST_F(TlsPolicyTest, HandshakesAreTls13WithOneCertificateAndNoTickets) {
  EXPECT_EXIT(CheckHandshakes(), ::testing::ExitedWithCode(0), "");
}

// What the other tests see is the policy and not this machine's default.
[[noreturn]] void CheckDefaults() {
  const Handshake with_13 = Shake(TLS1_3_VERSION);
  if (!with_13.done || with_13.tickets == 0) Fail("no tickets by default");
  if (with_13.certificates != 2) Fail("no root is sent by default");
  if (!Shake(TLS1_2_VERSION).done) Fail("TLS 1.2 is not on by default");
  _exit(0);
}

TEST_F(TlsPolicyTest, WithoutItThereIsTls12AndTicketsAndARoot) {
  EXPECT_EXIT(CheckDefaults(), ::testing::ExitedWithCode(0), "");
}

[[noreturn]] void CheckEnvironment() {
  const char* const kGone[] = {"GRPC_DEFAULT_SSL_ROOTS_FILE_PATH",
                               "GRPC_SSL_CIPHER_SUITES",
                               "GRPC_TRACE",
                               "GRPC_VERBOSITY",
                               "OPENSSL_CONF",
                               "OPENSSL_MODULES",
                               "SSL_CERT_FILE",
                               "SSL_CERT_DIR"};
  const char* const kStay[] = {"PATH_OF_TEST", "SPECULA_CA", "MY_GRPC_TRACE",
                               "GRPCX", "SSL_CERTX"};
  for (const char* name : kGone) setenv(name, "x", 1);
  for (const char* name : kStay) setenv(name, "x", 1);
  Enforce();
  for (const char* name : kGone) {
    if (getenv(name) != nullptr) Fail(absl::StrCat(name, " is still there"));
  }
  for (const char* name : kStay) {
    if (getenv(name) == nullptr) Fail(absl::StrCat(name, " is gone"));
  }
  _exit(0);
}

TEST_F(TlsPolicyTest, TheEnvironmentIsCleanedOfWhatWouldChangeIt) {
  EXPECT_EXIT(CheckEnvironment(), ::testing::ExitedWithCode(0), "");
}

// A file that goes with its process: the children of these tests never come
// back to remove one.
std::string InMemory(const std::string& content) {
  const int fd = memfd_create("openssl.cnf", 0);
  EXPECT_EQ(write(fd, content.data(), content.size()),
            static_cast<ssize_t>(content.size()));
  return absl::StrCat("/proc/self/fd/", fd);
}

[[noreturn]] void CheckForeignConfiguration(const std::string& path) {
  setenv("OPENSSL_CONF", path.c_str(), 1);
  CheckOptions();
}

TEST_F(TlsPolicyTest, AConfigurationOfTheUserDoesNotCount) {
  const std::string path = InMemory(
      "openssl_conf=d\n[d]\nssl_conf=s\n[s]\nsystem_default=x\n[x]\n"
      "MinProtocol=TLSv1\nNumTickets=2\n");
  EXPECT_EXIT(CheckForeignConfiguration(path), ::testing::ExitedWithCode(0),
              "");
}

[[noreturn]] void CheckTooLate(const std::string& path) {
  // OpenSSL reads its configuration once; whoever used it before us has won.
  setenv("OPENSSL_CONF", path.c_str(), 1);
  SSL_CTX_free(SSL_CTX_new(TLS_method()));
  const absl::Status status = EnforceTlsPolicy();
  if (status.code() != absl::StatusCode::kInternal) Fail(status.ToString());
  _exit(0);
}

// A private key of a kind in PEM, made where the policy does not hold.
std::string MakeKey(const char* kind, bool traditional) {
  static OSSL_LIB_CTX* const elsewhere = OSSL_LIB_CTX_new();
  EVP_PKEY_CTX* context = EVP_PKEY_CTX_new_from_name(elsewhere, kind, nullptr);
  EVP_PKEY* key = nullptr;
  if (EVP_PKEY_keygen_init(context) != 1 ||
      (kind == std::string("EC") &&
       EVP_PKEY_CTX_set_group_name(context, "P-256") != 1) ||
      EVP_PKEY_generate(context, &key) != 1) {
    Fail(absl::StrCat("cannot make a key of ", kind));
  }
  EVP_PKEY_CTX_free(context);
  BIO* bio = BIO_new(BIO_s_mem());
  const int written =
      traditional ? PEM_write_bio_PrivateKey_traditional(
                        bio, key, nullptr, nullptr, 0, nullptr, nullptr)
                  : PEM_write_bio_PKCS8PrivateKey(bio, key, nullptr, nullptr, 0,
                                                  nullptr, nullptr);
  if (written != 1) Fail(absl::StrCat("cannot write a key of ", kind));
  std::string pem = BioText(bio);
  BIO_free(bio);
  EVP_PKEY_free(key);
  return pem;
}

[[noreturn]] void CheckProvider() {
  Enforce();
  if (OSSL_PROVIDER_available(nullptr, "specula-tls") != 1 ||
      OSSL_PROVIDER_available(nullptr, "default") != 0) {
    Fail("OpenSSL's default provider is there");
  }
  const std::pair<const char*, bool> kinds[] = {{"EC", false},
                                                {"EC", true},
                                                {"RSA", false},
                                                {"RSA", true},
                                                {"ED25519", false}};
  for (const auto& [kind, traditional] : kinds) {
    const absl::Status read = ReadKeyPem(MakeKey(kind, traditional)).status();
    if (!read.ok()) Fail(absl::StrCat(kind, " is not read: ", read.message()));
  }
  const absl::Status other = ReadKeyPem(MakeKey("ED448", false)).status();
  if (!absl::StrContains(other.message(), "no private key of EC, RSA or Ed")) {
    Fail(absl::StrCat("ED448 is said to be ", other.ToString()));
  }
  if (OSSL_DECODER_fetch(nullptr, "DSA", nullptr) != nullptr ||
      EVP_PKEY_CTX_new_from_name(nullptr, "DH", nullptr) != nullptr ||
      EVP_MD_fetch(nullptr, "SM3", nullptr) != nullptr ||
      EVP_CIPHER_fetch(nullptr, "SM4-CBC", nullptr) != nullptr) {
    Fail("what TLS 1.3 does not have is there");
  }
  _exit(0);
}

TEST_F(TlsPolicyTest, WhatTls13NeedsIsThereAndNothingElse) {
  EXPECT_EXIT(CheckProvider(), ::testing::ExitedWithCode(0), "");
}

[[noreturn]] void CheckGroups() {
  Enforce();
  SSL_CTX* context = SSL_CTX_new(TLS_method());
  for (const char* group : {"P-256", "P-384", "P-521", "X25519", "X448"}) {
    if (SSL_CTX_set1_groups_list(context, group) != 1) {
      Fail(absl::StrCat(group, " is no group"));
    }
  }
  for (const char* group : {"ffdhe2048", "brainpoolP256r1", "sect163k1"}) {
    SSL* ssl = SSL_new(context);
    if (SSL_set1_groups_list(ssl, group) == 1) {
      Fail(absl::StrCat(group, " is a group"));
    }
    SSL_free(ssl);
  }
  _exit(0);
}

TEST_F(TlsPolicyTest, TheGroupsAreThoseWhosePointsNeedNoCheckOfTheirOrder) {
  EXPECT_EXIT(CheckGroups(), ::testing::ExitedWithCode(0), "");
}

// What a peer gets for its half of a key exchange: 1 it is taken, 0 it is not.
int Derive(const std::string& peer_point) {
  EVP_PKEY* ours = EVP_EC_gen("P-256");
  EVP_PKEY* peer = EVP_PKEY_new();
  EVP_PKEY_CTX* derive = EVP_PKEY_CTX_new_from_pkey(nullptr, ours, nullptr);
  const int taken =
      EVP_PKEY_copy_parameters(peer, ours) == 1 &&
      EVP_PKEY_set1_encoded_public_key(
          peer, reinterpret_cast<const unsigned char*>(peer_point.data()),
          peer_point.size()) == 1 &&
      EVP_PKEY_derive_init(derive) == 1 &&
      EVP_PKEY_derive_set_peer(derive, peer) == 1;
  EVP_PKEY_CTX_free(derive);
  EVP_PKEY_free(peer);
  EVP_PKEY_free(ours);
  return taken;
}

[[noreturn]] void CheckPoints() {
  Enforce();
  EVP_PKEY* key = EVP_EC_gen("P-256");
  unsigned char* encoded = nullptr;
  const size_t size = EVP_PKEY_get1_encoded_public_key(key, &encoded);
  const std::string good(reinterpret_cast<char*>(encoded), size);
  OPENSSL_free(encoded);
  EVP_PKEY_free(key);
  if (Derive(good) != 1) Fail("a good point is not taken");
  std::string beside = good;
  beside.back() = static_cast<char>(beside.back() ^ 1);
  if (Derive(beside) != 0) Fail("a point that is not on the curve is taken");
  if (Derive(std::string(1, '\0')) != 0) Fail("infinity is taken");
  std::string beyond = good;  // x = 2^256 - 1, greater than the field
  for (size_t i = 1; i <= 32; ++i) beyond[i] = '\xff';
  if (Derive(beyond) != 0) Fail("a coordinate out of range is taken");
  _exit(0);
}

TEST_F(TlsPolicyTest, APointOfAStrangerIsChecked) {
  EXPECT_EXIT(CheckPoints(), ::testing::ExitedWithCode(0), "");
}

TEST_F(TlsPolicyTest, ItSaysThatItCameTooLate) {
  const std::string path = InMemory("");
  EXPECT_EXIT(CheckTooLate(path), ::testing::ExitedWithCode(0), "");
}

TEST_F(TlsPolicyTest, ThePeerCheckDecidesAndItsWordsAreKept) {
  std::string seen_target, seen_pem;
  auto verifier =
      MakePeerVerifier([&](absl::string_view target, absl::string_view pem) {
        seen_target = std::string(target);
        seen_pem = std::string(pem);
        return pem == "good" ? absl::OkStatus()
                             : absl::PermissionDeniedError("not that one");
      });
  grpc_tls_custom_verification_check_request raw = {};
  raw.target_name = "vm1";
  raw.peer_info.peer_cert = "good";
  grpc::experimental::TlsCustomVerificationCheckRequest request(&raw);
  grpc::Status status;  // is left alone by success
  EXPECT_TRUE(verifier->Verify(
      &request, [](grpc::Status) {}, &status));
  EXPECT_TRUE(status.ok());
  EXPECT_EQ(seen_target, "vm1");
  EXPECT_EQ(seen_pem, "good");
  raw.peer_info.peer_cert = "bad";
  EXPECT_TRUE(verifier->Verify(
      &request, [](grpc::Status) {}, &status));
  EXPECT_EQ(status.error_code(), grpc::StatusCode::PERMISSION_DENIED);
  EXPECT_EQ(status.error_message(), "not that one");
}

}  // namespace
}  // namespace specula
