#include "ctl/pki/authority.h"

#include <algorithm>
#include <set>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lib/rpc/certificate.h"
#include "lib/rpc/identity.h"

namespace specula::ctl {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

const absl::Time kNow =
    absl::FromCivil(absl::CivilSecond(2026, 11, 20, 12), absl::UTCTimeZone());
const std::string kNul(1, '\0');

KeyPair Authority(const std::string& trust_domain = "specula.local") {
  return MakeAuthority(trust_domain, kNow, kNow + absl::Hours(24 * 3650))
      .value();
}

CertificateRequest Request(std::string common_name = "web-1") {
  CertificateRequest request;
  request.common_name = std::move(common_name);
  request.not_before = kNow;
  request.not_after = kNow + absl::Hours(24);
  return request;
}

TEST(AuthorityTest, AuthorityNamesItsTrustDomainAndSigns) {
  const KeyPair pair = Authority("fleet.example.org");
  absl::StatusOr<Certificate> certificate =
      ParseCertificatePem(pair.certificate_pem);
  ASSERT_TRUE(certificate.ok()) << certificate.status();
  EXPECT_TRUE(certificate->is_authority);
  EXPECT_THAT(certificate->uris, ElementsAre("spiffe://fleet.example.org"));
  EXPECT_EQ(certificate->subject, certificate->issuer);
  EXPECT_FALSE(certificate->client_auth);
  EXPECT_FALSE(certificate->server_auth);
  EXPECT_EQ(certificate->not_before, kNow);
  EXPECT_EQ(certificate->not_after, kNow + absl::Hours(24 * 3650));
  EXPECT_EQ(IdentityOf(*certificate).status().code(),
            absl::StatusCode::kPermissionDenied)
      << "an authority has no role";
  EXPECT_EQ(CheckMaterial(pair.certificate_pem, pair.certificate_pem,
                          pair.key_pem, kNow),
            absl::OkStatus());
}

TEST(AuthorityTest, TrustDomainOfNoIdentityIsRefused) {
  const std::string cases[] = {"",         "D",
                               "a/b",      "a/specula/agent/b",
                               "-a",       "a:1",
                               "a b",      "a%41",
                               "a\n",      kNul,
                               "a" + kNul, "*",
                               "a,URI:b",  std::string(64, 'a')};
  for (const std::string& domain : cases) {
    EXPECT_EQ(
        MakeAuthority(domain, kNow, kNow + absl::Hours(1)).status().code(),
        absl::StatusCode::kInvalidArgument)
        << domain;
  }
  EXPECT_TRUE(
      MakeAuthority(std::string(63, 'a'), kNow, kNow + absl::Hours(1)).ok());
}

TEST(AuthorityTest, IssuedCertificateSaysWhatWasAsked) {
  const KeyPair authority = Authority();
  CertificateRequest request = Request();
  request.uris = {"spiffe://specula.local/specula/agent/web-1"};
  request.dns_names = {"web-1", "web-1.example.org"};
  request.ip_addresses = {"10.0.0.5", "2001:db8::1"};
  request.server_auth = true;
  request.client_auth = true;
  absl::StatusOr<KeyPair> pair = Issue(authority, request);
  ASSERT_TRUE(pair.ok()) << pair.status();
  absl::StatusOr<Certificate> certificate =
      ParseCertificatePem(pair->certificate_pem);
  ASSERT_TRUE(certificate.ok()) << certificate.status();
  EXPECT_EQ(certificate->common_name, "web-1");
  EXPECT_EQ(certificate->uris, request.uris);
  EXPECT_EQ(certificate->dns_names, request.dns_names);
  EXPECT_EQ(certificate->ip_addresses, request.ip_addresses);
  EXPECT_TRUE(certificate->server_auth);
  EXPECT_TRUE(certificate->client_auth);
  EXPECT_FALSE(certificate->is_authority);
  EXPECT_EQ(certificate->not_before, request.not_before);
  EXPECT_EQ(certificate->not_after, request.not_after);
  EXPECT_EQ(CheckMaterial(authority.certificate_pem, pair->certificate_pem,
                          pair->key_pem, kNow),
            absl::OkStatus());
}

TEST(AuthorityTest, UsagesAreThoseAskedFor) {
  const KeyPair authority = Authority();
  for (bool server : {false, true}) {
    for (bool client : {false, true}) {
      CertificateRequest request = Request();
      request.server_auth = server;
      request.client_auth = client;
      absl::StatusOr<Certificate> certificate =
          ParseCertificatePem(Issue(authority, request)->certificate_pem);
      ASSERT_TRUE(certificate.ok()) << certificate.status();
      EXPECT_EQ(certificate->server_auth, server);
      EXPECT_EQ(certificate->client_auth, client);
      EXPECT_THAT(certificate->uris, IsEmpty());
    }
  }
}

TEST(AuthorityTest, IssuedCertificateCannotIssue) {
  const KeyPair authority = Authority();
  const KeyPair leaf = Issue(authority, Request()).value();
  const absl::Status status = Issue(leaf, Request("eve")).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr("not an authority"));
}

TEST(AuthorityTest, SerialsAndKeysDiffer) {
  const KeyPair authority = Authority();
  std::set<std::string> serials;
  std::set<std::string> keys;
  size_t longest = 0;
  for (int i = 0; i < 50; ++i) {
    const KeyPair pair = Issue(authority, Request()).value();
    keys.insert(pair.key_pem);
    const std::string serial =
        ParseCertificatePem(pair.certificate_pem)->serial;
    EXPECT_LE(serial.size(), 40u);
    if (serial.size() == 40) {
      EXPECT_LT(serial.front(), '8') << "159 bits";
    }
    longest = std::max(longest, serial.size());
    serials.insert(serial);
  }
  EXPECT_EQ(serials.size(), 50u);
  EXPECT_EQ(keys.size(), 50u);
  EXPECT_EQ(longest, 40u);
}

TEST(AuthorityTest, NameIsTextAndNothingElse) {
  const KeyPair authority = Authority();
  // What the configuration language of OpenSSL would take for more names.
  CertificateRequest request = Request("bob,OU=admin");
  request.uris = {"spiffe://d/specula/viewer/bob,URI:spiffe://d/x"};
  request.dns_names = {"a,IP:10.0.0.1", "email:copy"};
  absl::StatusOr<Certificate> certificate =
      ParseCertificatePem(Issue(authority, request)->certificate_pem);
  ASSERT_TRUE(certificate.ok()) << certificate.status();
  EXPECT_EQ(certificate->common_name, "bob,OU=admin");
  EXPECT_EQ(certificate->subject, "CN=bob\\,OU=admin");
  EXPECT_EQ(certificate->uris, request.uris);
  EXPECT_EQ(certificate->dns_names, request.dns_names);
  EXPECT_THAT(certificate->ip_addresses, IsEmpty());
}

TEST(AuthorityTest, MalformedRequestsAreRefused) {
  const KeyPair authority = Authority();
  auto expect_refused = [&](const CertificateRequest& request,
                            const std::string& what) {
    EXPECT_EQ(Issue(authority, request).status().code(),
              absl::StatusCode::kInvalidArgument)
        << what;
  };
  for (const std::string& address :
       {std::string(), std::string("10.0.0"), std::string("10.0.0.256"),
        std::string("010.0.0.1"), std::string("::g"), std::string("fe80::1%lo"),
        std::string("[::1]"), std::string("10.0.0.1 "), "10.0.0.1" + kNul}) {
    CertificateRequest request = Request();
    request.ip_addresses = {address};
    expect_refused(request, address);
  }
  for (const std::string& name :
       {std::string(), "a" + kNul, "a" + kNul + "b", std::string("a b"),
        std::string("a\n"), std::string("\xc3\xb6")}) {
    CertificateRequest request = Request();
    request.dns_names = {name};
    expect_refused(request, name);
    request = Request();
    request.uris = {name};
    expect_refused(request, name);
  }
  for (const std::string& name : {std::string(), "a" + kNul + "b",
                                  std::string(65, 'a'), std::string("\xff")}) {
    expect_refused(Request(name), name);
  }
  CertificateRequest request = Request();
  request.not_after = request.not_before;
  expect_refused(request, "no time");
}

TEST(AuthorityTest, AuthorityThatDoesNotFitIsRefused) {
  const KeyPair one = Authority();
  const KeyPair other = Authority();
  const absl::Status status =
      Issue({other.key_pem, one.certificate_pem}, Request()).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr("does not belong"));
  for (const KeyPair& bad :
       {KeyPair{"", one.certificate_pem}, KeyPair{one.key_pem, ""},
        KeyPair{"garbage", one.certificate_pem},
        KeyPair{one.key_pem, "garbage"}}) {
    EXPECT_EQ(Issue(bad, Request()).status().code(),
              absl::StatusCode::kInvalidArgument);
  }
}

}  // namespace
}  // namespace specula::ctl
