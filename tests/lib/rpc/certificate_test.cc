#include "lib/rpc/certificate.h"

#include <openssl/rsa.h>

#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lib/rpc/openssl_ptr.h"

namespace specula {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::MatchesRegex;

const absl::Time kNow =
    absl::FromCivil(absl::CivilSecond(2026, 11, 20, 12), absl::UTCTimeZone());
const std::string kNul(1, '\0');

// What our own authority would never sign: certificates are made by hand here.
struct Spec {
  std::string common_name = "leaf";
  std::vector<std::pair<int, std::string>> sans;  // type, raw bytes
  std::string usages;  // extendedKeyUsage, none if empty
  bool authority = false;
  bool key_ids = true;  // subject and authority key identifiers
  bool sans_twice = false;
  std::string serial = "1234";  // hex, may be negative
  unsigned int rsa_bits = 0;    // 0: P-256
  absl::Time not_before = kNow - absl::Hours(1);
  absl::Time not_after = kNow + absl::Hours(24);
};

struct Made {
  KeyPtr key;
  X509Ptr x509;
  std::string pem;
  std::string key_pem;
};

absl::StatusOr<bool> CertificateIsFor(const std::string& pem,
                                      const std::string& host) {
  absl::StatusOr<ServerCertificate> server =
      ParseServerCertificatePem(pem, host);
  if (!server.ok()) return server.status();
  return server->is_for_host;
}

void Must(bool done) {
  if (done) return;
  ERR_print_errors_fp(stderr);
  abort();
}

void AddExtension(X509* x509, X509* issuer, int nid, const char* value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, x509, nullptr, nullptr, 0);
  X509ExtensionPtr extension(
      X509V3_EXT_conf_nid(nullptr, &context, nid, value));
  Must(extension != nullptr);
  Must(X509_add_ext(x509, extension.get(), -1) == 1);
}

void AddSans(X509* x509, const Spec& spec) {
  GeneralNamesPtr names(GENERAL_NAMES_new());
  for (const auto& [type, bytes] : spec.sans) {
    GENERAL_NAME* name = GENERAL_NAME_new();
    ASN1_STRING* text = ASN1_STRING_type_new(
        type == GEN_IPADD ? V_ASN1_OCTET_STRING : V_ASN1_IA5STRING);
    Must(ASN1_STRING_set(text, bytes.data(), static_cast<int>(bytes.size())) ==
         1);
    GENERAL_NAME_set0_value(name, type, text);
    Must(sk_GENERAL_NAME_push(names.get(), name) > 0);
  }
  for (int i = 0; i < (spec.sans_twice ? 2 : 1); ++i) {
    Must(X509_add1_ext_i2d(x509, NID_subject_alt_name, names.get(), 0,
                           X509V3_ADD_APPEND) == 1);
  }
}

// Signed by `issuer`, or by itself.
Made Make(const Spec& spec, const Made* issuer = nullptr) {
  Made made;
  made.key.reset(spec.rsa_bits == 0 ? EVP_EC_gen("P-256")
                                    : EVP_RSA_gen(spec.rsa_bits));
  made.x509.reset(X509_new());
  X509* x509 = made.x509.get();
  X509* by = issuer == nullptr ? x509 : issuer->x509.get();
  Must(X509_set_version(x509, X509_VERSION_3) == 1);
  Must(X509_set_pubkey(x509, made.key.get()) == 1);
  BIGNUM* number = nullptr;
  Must(BN_hex2bn(&number, spec.serial.c_str()) > 0);
  BignumPtr owner(number);
  Must(BN_to_ASN1_INTEGER(number, X509_get_serialNumber(x509)) != nullptr);
  Must(X509_NAME_add_entry_by_txt(
           X509_get_subject_name(x509), "CN", MBSTRING_UTF8,
           reinterpret_cast<const unsigned char*>(spec.common_name.data()),
           static_cast<int>(spec.common_name.size()), -1, 0) == 1);
  Must(X509_set_issuer_name(x509, X509_get_subject_name(by)) == 1);
  ASN1_TIME_set(X509_getm_notBefore(x509), absl::ToTimeT(spec.not_before));
  ASN1_TIME_set(X509_getm_notAfter(x509), absl::ToTimeT(spec.not_after));
  if (spec.authority) {
    AddExtension(x509, by, NID_basic_constraints, "critical,CA:TRUE");
  }
  if (!spec.usages.empty()) {
    AddExtension(x509, by, NID_ext_key_usage, spec.usages.c_str());
  }
  if (!spec.sans.empty()) AddSans(x509, spec);
  if (spec.key_ids) {
    AddExtension(x509, by, NID_subject_key_identifier, "hash");
    AddExtension(x509, by, NID_authority_key_identifier, "keyid:always");
  }
  EVP_PKEY* signer = issuer == nullptr ? made.key.get() : issuer->key.get();
  Must(X509_sign(x509, signer, EVP_sha256()) > 0);
  BioPtr bio(BIO_new(BIO_s_mem()));
  Must(PEM_write_bio_X509(bio.get(), x509) == 1);
  made.pem = BioText(bio.get());
  bio.reset(BIO_new(BIO_s_mem()));
  Must(PEM_write_bio_PrivateKey(bio.get(), made.key.get(), nullptr, nullptr, 0,
                                nullptr, nullptr) == 1);
  made.key_pem = BioText(bio.get());
  return made;
}

Spec AuthoritySpec(std::string name = "root") {
  Spec spec;
  spec.common_name = std::move(name);
  spec.authority = true;
  return spec;
}

Made MakeWithNames(std::vector<std::pair<int, std::string>> sans,
                   std::string common_name = "leaf") {
  Spec spec;
  spec.sans = std::move(sans);
  spec.common_name = std::move(common_name);
  return Make(spec);
}

std::string Message(const absl::Status& status) {
  return std::string(status.message());
}

TEST(CertificateTest, SaysWhatIsInIt) {
  const Made root = Make(AuthoritySpec());
  Spec spec;
  spec.common_name = "web-1";
  spec.sans = {{GEN_URI, "spiffe://d/specula/agent/web-1"},
               {GEN_DNS, "web-1"},
               {GEN_DNS, "*.example.org"},
               {GEN_EMAIL, "a@example.org"},
               {GEN_IPADD, std::string("\x0a\x00\x00\x05", 4)},
               {GEN_IPADD, std::string(15, '\0') + "\x01"}};
  spec.usages = "clientAuth,serverAuth";
  spec.serial = "0A1B";
  absl::StatusOr<Certificate> certificate =
      ParseCertificatePem(Make(spec, &root).pem);
  ASSERT_TRUE(certificate.ok()) << certificate.status();
  EXPECT_EQ(certificate->serial, "A1B");
  EXPECT_EQ(certificate->subject, "CN=web-1");
  EXPECT_EQ(certificate->common_name, "web-1");
  EXPECT_EQ(certificate->issuer, "CN=root");
  EXPECT_THAT(certificate->uris, ElementsAre("spiffe://d/specula/agent/web-1"));
  EXPECT_THAT(certificate->dns_names, ElementsAre("web-1", "*.example.org"));
  EXPECT_THAT(certificate->ip_addresses, ElementsAre("10.0.0.5", "::1"));
  EXPECT_EQ(certificate->not_before, kNow - absl::Hours(1));
  EXPECT_EQ(certificate->not_after, kNow + absl::Hours(24));
  EXPECT_FALSE(certificate->is_authority);
  EXPECT_TRUE(certificate->client_auth);
  EXPECT_TRUE(certificate->server_auth);
  EXPECT_THAT(certificate->sha256, MatchesRegex("[0-9a-f]{64}"));
}

TEST(CertificateTest, UsagesCountOnlyIfTheyAreNamed) {
  const struct {
    const char* usages;
    bool client;
    bool server;
  } cases[] = {{"", false, false},
               {"clientAuth", true, false},
               {"serverAuth", false, true},
               {"codeSigning", false, false},
               {"anyExtendedKeyUsage", false, false},
               {"codeSigning,clientAuth", true, false}};
  for (const auto& c : cases) {
    Spec spec;
    spec.usages = c.usages;
    absl::StatusOr<Certificate> certificate =
        ParseCertificatePem(Make(spec).pem);
    ASSERT_TRUE(certificate.ok()) << certificate.status();
    EXPECT_EQ(certificate->client_auth, c.client) << c.usages;
    EXPECT_EQ(certificate->server_auth, c.server) << c.usages;
  }
}

TEST(CertificateTest, KnowsAnAuthority) {
  absl::StatusOr<Certificate> certificate =
      ParseCertificatePem(Make(AuthoritySpec()).pem);
  ASSERT_TRUE(certificate.ok()) << certificate.status();
  EXPECT_TRUE(certificate->is_authority);
  EXPECT_THAT(certificate->uris, IsEmpty());
}

TEST(CertificateTest, FirstCertificateOfThePemCounts) {
  const Made first = MakeWithNames({}, "first");
  const Made second = MakeWithNames({}, "second");
  for (const std::string& pem :
       {first.pem + second.pem, first.key_pem + first.pem + second.pem,
        "some words\n" + first.pem, first.pem + "trailing words"}) {
    absl::StatusOr<Certificate> certificate = ParseCertificatePem(pem);
    ASSERT_TRUE(certificate.ok()) << certificate.status();
    EXPECT_EQ(certificate->common_name, "first");
  }
}

TEST(CertificateTest, AllCertificatesOfThePemAreRead) {
  const Made first = MakeWithNames({}, "first");
  const Made second = MakeWithNames({}, "second");
  absl::StatusOr<std::vector<Certificate>> all =
      ParseCertificatesPem(first.pem + first.key_pem + second.pem);
  ASSERT_TRUE(all.ok()) << all.status();
  ASSERT_EQ(all->size(), 2u);
  EXPECT_EQ((*all)[0].common_name, "first");
  EXPECT_EQ((*all)[1].common_name, "second");
}

TEST(CertificateTest, BadCertificateAmongGoodOnesIsNamed) {
  const Made good = MakeWithNames({}, "good");
  const absl::Status status =
      ParseCertificatesPem(good.pem + good.pem.substr(0, good.pem.size() / 2))
          .status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(Message(status), HasSubstr("certificate 2"));
}

TEST(CertificateTest, WhatIsNoCertificateIsRefused) {
  const Made good = Make(Spec());
  std::string flipped = good.pem;
  flipped.replace(flipped.find("\nMII") + 1, 3, "AAA");
  const std::string cases[] = {
      "",
      "garbage",
      kNul,
      good.key_pem,
      good.pem.substr(0, 20),
      good.pem.substr(0, good.pem.size() / 2),
      good.pem.substr(0, good.pem.size() - 10),
      "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n",
      "-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----\n",
      "-----BEGIN CERTIFICATE-----\nProc-Type: 4,ENCRYPTED\n"
      "DEK-Info: AES-128-CBC,00112233445566778899AABBCCDDEEFF\n\n"
      "AAAAAAAAAAAAAAAAAAAAAA==\n-----END CERTIFICATE-----\n",
      flipped,
  };
  for (const std::string& pem : cases) {
    EXPECT_EQ(ParseCertificatePem(pem).status().code(),
              absl::StatusCode::kInvalidArgument)
        << pem;
    EXPECT_EQ(ParseCertificatesPem(pem).status().code(),
              absl::StatusCode::kInvalidArgument)
        << pem;
    EXPECT_EQ(CertificateIsFor(pem, "leaf").status().code(),
              absl::StatusCode::kInvalidArgument)
        << pem;
  }
}

TEST(CertificateTest, NulInANameIsNeverAShorterName) {
  for (const std::string& name :
       {"good.example.org" + kNul, "good.example.org" + kNul + ".evil.org",
        kNul + "good.example.org", kNul}) {
    for (int type : {GEN_DNS, GEN_URI}) {
      const Made made =
          MakeWithNames({{GEN_DNS, "good.example.org"}, {type, name}});
      const absl::Status status = ParseCertificatePem(made.pem).status();
      EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
      EXPECT_THAT(Message(status), HasSubstr("NUL"));
      EXPECT_FALSE(CertificateIsFor(made.pem, "good.example.org").ok());
    }
  }
}

TEST(CertificateTest, CommonNameMayHoldAnything) {
  for (const std::string& name :
       {std::string("bob,OU=admin"), std::string("bob/OU=admin"),
        "bob" + kNul + "admin", std::string("\x1b[2J"),
        std::string("spiffe://d/specula/admin/bob")}) {
    absl::StatusOr<Certificate> certificate =
        ParseCertificatePem(MakeWithNames({}, name).pem);
    ASSERT_TRUE(certificate.ok()) << certificate.status();
    EXPECT_EQ(certificate->common_name, name);
    EXPECT_THAT(certificate->uris, IsEmpty());
    EXPECT_EQ(certificate->subject.find('\0'), std::string::npos);
    EXPECT_EQ(certificate->subject.find('\x1b'), std::string::npos);
  }
  EXPECT_EQ(ParseCertificatePem(MakeWithNames({}, "bob,OU=admin").pem)->subject,
            "CN=bob\\,OU=admin");
}

TEST(CertificateTest, EveryUriIsKept) {
  absl::StatusOr<Certificate> certificate = ParseCertificatePem(
      MakeWithNames({{GEN_URI, "spiffe://d/specula/viewer/bob"},
                     {GEN_URI, "spiffe://d/specula/admin/bob"},
                     {GEN_URI, ""}})
          .pem);
  ASSERT_TRUE(certificate.ok()) << certificate.status();
  EXPECT_THAT(certificate->uris,
              ElementsAre("spiffe://d/specula/viewer/bob",
                          "spiffe://d/specula/admin/bob", ""));
}

TEST(CertificateTest, SansThatAreThereTwiceAreRefused) {
  Spec spec;
  spec.sans = {{GEN_URI, "spiffe://d/specula/viewer/bob"}};
  spec.sans_twice = true;
  const absl::Status status = ParseCertificatePem(Make(spec).pem).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(Message(status), HasSubstr("more than once"));
}

TEST(CertificateTest, AddressOfOddLengthIsRefused) {
  for (size_t length : {0u, 3u, 5u, 8u, 17u, 32u}) {
    const absl::Status status =
        ParseCertificatePem(
            MakeWithNames({{GEN_IPADD, std::string(length, 'a')}}).pem)
            .status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << length;
  }
}

TEST(CertificateTest, SerialThatNoDenylistCanNameIsRefused) {
  for (const char* serial : {"0", "-1", "-1234"}) {
    Spec spec;
    spec.serial = serial;
    const absl::Status status = ParseCertificatePem(Make(spec).pem).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << serial;
    EXPECT_THAT(Message(status), HasSubstr("serial"));
  }
}

TEST(CertificateTest, SerialsComeInOneForm) {
  const struct {
    const char* text;
    const char* serial;
  } cases[] = {{"0a:1b", "A1B"},
               {"0x0A1B", "A1B"},
               {"0X0a1b", "A1B"},
               {"0A1B", "A1B"},
               {"a1b", "A1B"},
               {"a:1b", "A1B"},
               {" a1b\n", "A1B"},
               {"1", "1"},
               {"0001", "1"},
               {"00:00:01", "1"},
               {"10", "10"},
               {"ffffffffffffffffffffffffffffffffffffffff",
                "FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF"}};
  for (const auto& c : cases) {
    absl::StatusOr<std::string> serial = NormalizeSerial(c.text);
    ASSERT_TRUE(serial.ok()) << serial.status();
    EXPECT_EQ(*serial, c.serial) << c.text;
  }
}

TEST(CertificateTest, WhatIsNoSerialIsRefused) {
  const std::string cases[] = {
      "",      " ",   "0",        "00",  "0x",    "0x0",     "00:00",
      "-1",    "+1",  "g",        "12g", "0x0x1", "1 2",     ":",
      ":1a",   "1a:", "1a::1b",   "a:b", "1a:b",  "1a1b:1c", "1a-1b",
      "0a 1b", "x1",  "1" + kNul, kNul,  "1\x1b"};
  for (const std::string& text : cases) {
    const absl::Status status = NormalizeSerial(text).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << text;
    EXPECT_EQ(Message(status).find('\x1b'), std::string::npos);
  }
}

TEST(CertificateTest, MatchesHostsBySanOnly) {
  const Made made =
      MakeWithNames({{GEN_DNS, "web-1"},
                     {GEN_DNS, "*.example.org"},
                     {GEN_DNS, "w*.partial.org"},
                     {GEN_DNS, "a.*.inner.org"},
                     {GEN_DNS, "10.0.0.9"},
                     {GEN_URI, "spiffe://uri.example.net/specula/agent/web-1"},
                     {GEN_EMAIL, "a@mail.example.net"},
                     {GEN_IPADD, std::string("\x0a\x00\x00\x05", 4)},
                     {GEN_IPADD, std::string("\x20\x01\x0d\xb8", 4) +
                                     std::string(11, '\0') + "\x01"}},
                    "cn.example.net");
  const struct {
    std::string host;
    bool matches;
  } cases[] = {
      {"web-1", true},
      {"WEB-1", true},
      {"web-2", false},
      {"web-1.example.net", false},
      {"a.example.org", true},
      {"A.Example.ORG", true},
      {"b.a.example.org", false},
      {"example.org", false},
      {".example.org", false},
      {"*.example.org", false},
      {"evil-example.org", false},
      {"a.example.org.evil.net", false},
      {"web.partial.org", false},
      {"a.b.inner.org", false},
      {"10.0.0.5", true},
      {"10.0.0.6", false},
      {"10.0.0.9", false},
      {"2001:db8::1", true},
      {"2001:0DB8:0:0:0:0:0:1", true},
      {"2001:db8::2", false},
      {"::ffff:10.0.0.5", false},
      {"[2001:db8::1]", false},
      {"cn.example.net", false},
      {"uri.example.net", false},
      {"mail.example.net", false},
      {"", false},
      {".", false},
      {"web-1" + kNul, false},
      {"web-1" + kNul + ".evil", false},
      {"10.0.0.5" + kNul, false},
  };
  for (const auto& c : cases) {
    absl::StatusOr<bool> matches = CertificateIsFor(made.pem, c.host);
    ASSERT_TRUE(matches.ok()) << matches.status();
    EXPECT_EQ(*matches, c.matches) << "\"" << c.host << "\"";
  }
}

TEST(CertificateTest, CommonNameNeverMatchesEvenWithoutSans) {
  const Made made = MakeWithNames({}, "cn.example.net");
  EXPECT_FALSE(*CertificateIsFor(made.pem, "cn.example.net"));
  const Made address = MakeWithNames({}, "10.0.0.5");
  EXPECT_FALSE(*CertificateIsFor(address.pem, "10.0.0.5"));
}

class CheckMaterialTest : public ::testing::Test {
 protected:
  absl::Status Check(const Made& leaf, absl::Time now = kNow) const {
    return CheckMaterial(root_.pem, leaf.pem, leaf.key_pem, now);
  }

  static void ExpectMisfit(const absl::Status& status, const char* reason) {
    EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition) << status;
    EXPECT_THAT(Message(status), HasSubstr(reason));
  }

  const Made root_ = Make(AuthoritySpec());
};

TEST_F(CheckMaterialTest, GoodMaterialPasses) {
  const Made leaf = Make(Spec(), &root_);
  EXPECT_EQ(Check(leaf), absl::OkStatus());
  const Made other = Make(AuthoritySpec("other"));
  EXPECT_EQ(CheckMaterial(other.pem + root_.pem, leaf.pem, leaf.key_pem, kNow),
            absl::OkStatus())
      << "any of the roots will do";
  EXPECT_EQ(CheckMaterial(root_.pem, leaf.key_pem + leaf.pem,
                          leaf.pem + leaf.key_pem, kNow),
            absl::OkStatus())
      << "key and certificate may share a file";
}

TEST_F(CheckMaterialTest, PurposeDoesNotMatter) {
  for (const char* usages : {"", "serverAuth", "clientAuth", "codeSigning"}) {
    Spec spec;
    spec.usages = usages;
    EXPECT_EQ(Check(Make(spec, &root_)), absl::OkStatus()) << usages;
  }
}

TEST_F(CheckMaterialTest, TimeIsThatOfTheCaller) {
  const Made leaf = Make(Spec(), &root_);
  EXPECT_EQ(Check(leaf, kNow - absl::Hours(1)), absl::OkStatus());
  ExpectMisfit(Check(leaf, kNow - absl::Hours(1) - absl::Seconds(1)),
               "certificate is not valid before 2026-11-20 11:00:00 UTC");
  EXPECT_EQ(Check(leaf, kNow + absl::Hours(24) - absl::Seconds(1)),
            absl::OkStatus());
  ExpectMisfit(Check(leaf, kNow + absl::Hours(24)),
               "certificate expired on 2026-11-21 12:00:00 UTC");
}

TEST_F(CheckMaterialTest, ExpiredRootIsNamed) {
  Spec spec;
  spec.not_after = kNow + absl::Hours(48);
  ExpectMisfit(Check(Make(spec, &root_), kNow + absl::Hours(25)),
               "issuer CN=root expired on 2026-11-21");
}

TEST_F(CheckMaterialTest, KeyOfAnotherCertificateIsRefused) {
  const Made leaf = Make(Spec(), &root_);
  const Made other = Make(Spec(), &root_);
  ExpectMisfit(CheckMaterial(root_.pem, leaf.pem, other.key_pem, kNow),
               "the key does not belong to the certificate");
  Spec rsa;
  rsa.rsa_bits = 2048;
  ExpectMisfit(
      CheckMaterial(root_.pem, leaf.pem, Make(rsa, &root_).key_pem, kNow),
      "the key does not belong to the certificate");
}

TEST_F(CheckMaterialTest, OtherAuthorityIsRefused) {
  const Made other = Make(AuthoritySpec("other"));
  ExpectMisfit(Check(Make(Spec(), &other)), "not signed by any of the roots");
  // The same name, another key.
  const Made namesake = Make(AuthoritySpec());
  ExpectMisfit(Check(Make(Spec(), &namesake)),
               "not signed by any of the roots");
  Spec spec;
  spec.key_ids = false;
  ExpectMisfit(Check(Make(spec, &namesake)), "not signed by any of the roots");
  ExpectMisfit(Check(Make(Spec())), "not signed by any of the roots");
}

TEST_F(CheckMaterialTest, OwnIssuerInTheChainIsNoRoot) {
  const Made other = Make(AuthoritySpec("other"));
  const Made leaf = Make(Spec(), &other);
  ExpectMisfit(
      CheckMaterial(root_.pem, leaf.pem + other.pem, leaf.key_pem, kNow),
      "not signed by any of the roots");
}

TEST_F(CheckMaterialTest, IntermediatesMayFollow) {
  const Made middle = Make(AuthoritySpec("middle"), &root_);
  const Made leaf = Make(Spec(), &middle);
  EXPECT_EQ(CheckMaterial(root_.pem, leaf.pem + middle.pem, leaf.key_pem, kNow),
            absl::OkStatus());
  ExpectMisfit(CheckMaterial(root_.pem, leaf.pem, leaf.key_pem, kNow),
               "not signed by any of the roots");
  EXPECT_FALSE(
      CheckMaterial(root_.pem, middle.pem + leaf.pem, leaf.key_pem, kNow).ok())
      << "the leaf comes first";
}

TEST_F(CheckMaterialTest, ExpiredIntermediateIsNamed) {
  Spec spec = AuthoritySpec("middle");
  spec.not_after = kNow - absl::Minutes(1);
  const Made middle = Make(spec, &root_);
  const Made leaf = Make(Spec(), &middle);
  ExpectMisfit(
      CheckMaterial(root_.pem, leaf.pem + middle.pem, leaf.key_pem, kNow),
      "issuer CN=middle expired on 2026-11-20 11:59:00 UTC");
}

TEST_F(CheckMaterialTest, LeafCannotSign) {
  Spec spec;
  spec.common_name = "middle";
  const Made middle = Make(spec, &root_);
  const Made leaf = Make(Spec(), &middle);
  EXPECT_EQ(CheckMaterial(root_.pem, leaf.pem + middle.pem, leaf.key_pem, kNow)
                .code(),
            absl::StatusCode::kFailedPrecondition);
}

TEST_F(CheckMaterialTest, WeakKeyIsRefused) {
  Spec spec;
  spec.rsa_bits = 1024;
  ExpectMisfit(Check(Make(spec, &root_)), "key too weak");
  spec.rsa_bits = 2048;
  EXPECT_EQ(Check(Make(spec, &root_)), absl::OkStatus());
}

TEST_F(CheckMaterialTest, TamperedCertificateIsRefused) {
  // The name "leaf" is changed in the signed bytes.
  const Made leaf = Make(Spec(), &root_);
  unsigned char* der = nullptr;
  const int length = i2d_X509(leaf.x509.get(), &der);
  ASSERT_GT(length, 0);
  OpenSslText owner(reinterpret_cast<char*>(der));
  std::string bytes(owner.get(), static_cast<size_t>(length));
  bytes.replace(bytes.find("leaf"), 4, "lead");
  const auto* data = reinterpret_cast<const unsigned char*>(bytes.data());
  X509Ptr changed(d2i_X509(nullptr, &data, length));
  ASSERT_NE(changed, nullptr);
  BioPtr bio(BIO_new(BIO_s_mem()));
  ASSERT_EQ(PEM_write_bio_X509(bio.get(), changed.get()), 1);
  ExpectMisfit(CheckMaterial(root_.pem, BioText(bio.get()), leaf.key_pem, kNow),
               "not signed by any of the roots");
}

TEST_F(CheckMaterialTest, SaysWhichPartDoesNotParse) {
  const Made leaf = Make(Spec(), &root_);
  for (const std::string& bad :
       {std::string(), std::string("garbage"), kNul,
        std::string("-----BEGIN CERTIFICATE-----\nMIIB\n"),
        std::string("-----BEGIN PRIVATE KEY-----\nMIIB\n"),
        std::string("-----BEGIN PRIVATE KEY-----\nAAAA\n"
                    "-----END PRIVATE KEY-----\n")}) {
    const absl::Status roots = CheckMaterial(bad, leaf.pem, leaf.key_pem, kNow);
    EXPECT_EQ(roots.code(), absl::StatusCode::kInvalidArgument) << bad;
    EXPECT_THAT(Message(roots), ::testing::StartsWith("roots: "));
    const absl::Status certificate =
        CheckMaterial(root_.pem, bad, leaf.key_pem, kNow);
    EXPECT_EQ(certificate.code(), absl::StatusCode::kInvalidArgument) << bad;
    EXPECT_THAT(Message(certificate), ::testing::StartsWith("certificate: "));
    const absl::Status key = CheckMaterial(root_.pem, leaf.pem, bad, kNow);
    EXPECT_EQ(key.code(), absl::StatusCode::kInvalidArgument) << bad;
    EXPECT_THAT(Message(key), ::testing::StartsWith("key: "));
  }
}

TEST_F(CheckMaterialTest, OneBadRootAmongGoodOnesIsRefused) {
  const Made leaf = Make(Spec(), &root_);
  const absl::Status status =
      CheckMaterial(root_.pem + root_.pem.substr(0, root_.pem.size() / 2),
                    leaf.pem, leaf.key_pem, kNow);
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(Message(status), HasSubstr("certificate 2"));
}

TEST_F(CheckMaterialTest, EncryptedKeyIsRefusedWithoutAsking) {
  const Made leaf = Make(Spec(), &root_);
  BioPtr bio(BIO_new(BIO_s_mem()));
  const std::string password = "secret";
  ASSERT_EQ(PEM_write_bio_PKCS8PrivateKey(
                bio.get(), leaf.key.get(), EVP_aes_128_cbc(), password.data(),
                static_cast<int>(password.size()), nullptr, nullptr),
            1);
  const absl::Status status =
      CheckMaterial(root_.pem, leaf.pem, BioText(bio.get()), kNow);
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(Message(status), HasSubstr("encrypted"));
}

TEST_F(CheckMaterialTest, LeavesNoErrorForOthersToFind) {
  const Made leaf = Make(Spec(), &root_);
  (void)CheckMaterial(root_.pem, leaf.pem, "garbage", kNow);
  EXPECT_EQ(ERR_peek_error(), 0u);
  (void)Check(Make(Spec()));
  EXPECT_EQ(ERR_peek_error(), 0u);
  (void)Check(leaf);
  EXPECT_EQ(ERR_peek_error(), 0u);
  (void)ParseCertificatePem("garbage");
  EXPECT_EQ(ERR_peek_error(), 0u);
  (void)CertificateIsFor(leaf.pem, "10.0.0.5");
  EXPECT_EQ(ERR_peek_error(), 0u);
}

}  // namespace
}  // namespace specula
