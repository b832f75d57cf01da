#include "agent/border/trust.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "ctl/pki/authority.h"
#include "gtest/gtest.h"
#include "tests/lib/base/testing.h"

namespace specula::agent {
namespace {

using ::specula::testing::IsOk;
using ::specula::testing::StatusIs;

constexpr auto kDenied = absl::StatusCode::kPermissionDenied;
const absl::Time kNow =
    absl::FromCivil(absl::CivilSecond(2026, 11, 20, 12), absl::UTCTimeZone());
const ctl::KeyPair& Authority() {
  static const auto* const kPair =
      new ctl::KeyPair(ctl::MakeAuthority("d.example", kNow - absl::Hours(1),
                                          kNow + absl::Hours(24 * 365))
                           .value());
  return *kPair;
}

const Trust& TheTrust() {
  static const auto* const kTrust =
      new Trust{"d.example",
                {ParseCertificatePem(Authority().certificate_pem)->sha256},
                {},
                false};
  return *kTrust;
}

ctl::CertificateRequest Request(
    std::vector<std::string> uris = {
        "spiffe://d.example/specula/operator/bob"}) {
  ctl::CertificateRequest request;
  request.common_name = "bob";
  request.uris = std::move(uris);
  request.client_auth = true;
  request.not_before = kNow - absl::Hours(1);
  request.not_after = kNow + absl::Hours(1);
  return request;
}

std::string Pem(const ctl::CertificateRequest& request) {
  return ctl::Issue(Authority(), request).value().certificate_pem;
}

// Judges the chain of this certificate and the authority.
absl::StatusOr<Caller> JudgeCertificate(const std::string& pem,
                                        const Trust& trust, absl::Time now) {
  return JudgeChain({ParseCertificatePem(pem).value(),
                     ParseCertificatePem(Authority().certificate_pem).value()},
                    trust, now);
}

TEST(TrustTest, AGoodCertificateIsACaller) {
  const std::string pem = Pem(Request());
  absl::StatusOr<Caller> caller = JudgeCertificate(pem, TheTrust(), kNow);
  ASSERT_THAT(caller, IsOk());
  EXPECT_EQ(caller->identity, (Identity{"d.example", Role::kOperator, "bob"}));
  EXPECT_EQ(caller->serial, ParseCertificatePem(pem)->serial);
  EXPECT_EQ(caller->not_after, kNow + absl::Hours(1));
}

TEST(TrustTest, EveryRoleIsReadFromTheUri) {
  const struct {
    const char* word;
    Role role;
  } kCases[] = {
      {"viewer", Role::kViewer}, {"operator", Role::kOperator},
      {"admin", Role::kAdmin},   {"shim", Role::kShim},
      {"agent", Role::kAgent},
  };
  for (const auto& test : kCases) {
    absl::StatusOr<Caller> caller = JudgeCertificate(
        Pem(Request(
            {absl::StrCat("spiffe://d.example/specula/", test.word, "/x")})),
        TheTrust(), kNow);
    ASSERT_THAT(caller, IsOk()) << test.word;
    EXPECT_EQ(caller->identity.role, test.role) << test.word;
  }
}

TEST(TrustTest, WhatIsNotForClientsIsRefused) {
  ctl::CertificateRequest none = Request();
  none.client_auth = false;
  EXPECT_THAT(JudgeCertificate(Pem(none), TheTrust(), kNow),
              StatusIs(kDenied, "lacks clientAuth"));
  ctl::CertificateRequest server = none;
  server.server_auth = true;
  EXPECT_THAT(JudgeCertificate(Pem(server), TheTrust(), kNow),
              StatusIs(kDenied, "lacks clientAuth"));
  server.client_auth = true;  // an agent has both
  EXPECT_THAT(JudgeCertificate(Pem(server), TheTrust(), kNow), IsOk());
}

TEST(TrustTest, TheAuthorityItselfIsNobody) {
  EXPECT_THAT(
      JudgeChain({ParseCertificatePem(Authority().certificate_pem).value()},
                 TheTrust(), kNow),
      StatusIs(kDenied, "authority"));
  EXPECT_THAT(JudgeChain({}, TheTrust(), kNow), StatusIs(kDenied, ""));
}

TEST(TrustTest, AnotherTrustDomainIsRefusedAndBothAreNamed) {
  const absl::StatusOr<Caller> caller = JudgeCertificate(
      Pem(Request({"spiffe://evil.example/specula/admin/bob"})), TheTrust(),
      kNow);
  EXPECT_THAT(caller, StatusIs(kDenied, "'evil.example'"));
  EXPECT_THAT(caller, StatusIs(kDenied, "'d.example'"));
  for (const char* near : {"spiffe://d.example.evil/specula/admin/bob",
                           "spiffe://x.d.example/specula/admin/bob",
                           "spiffe://d.exampl/specula/admin/bob"}) {
    EXPECT_THAT(JudgeCertificate(Pem(Request({near})), TheTrust(), kNow),
                StatusIs(kDenied, "trust domain"))
        << near;
  }
}

TEST(TrustTest, WithoutExactlyOneIdentityItIsNobody) {
  const std::vector<std::vector<std::string>> kCases = {
      {},
      {"https://d.example/specula/admin/bob"},
      {"spiffe://d.example/specula/root/bob"},
      {"spiffe://d.example/specula/admin/bob/extra"},
      {"spiffe://d.example/specula/admin/bob",
       "spiffe://d.example/specula/viewer/bob"},
      {"spiffe://d.example/specula/viewer/bob", "https://d.example/x"},
  };
  for (const std::vector<std::string>& uris : kCases) {
    EXPECT_THAT(JudgeCertificate(Pem(Request(uris)), TheTrust(), kNow),
                StatusIs(kDenied, ""))
        << uris.size();
  }
}

TEST(TrustTest, OnlyWithinItsTime) {
  const std::string pem = Pem(Request());
  const struct {
    absl::Duration offset;
    const char* why;  // null: fine
  } kCases[] = {
      {-absl::Hours(1) - absl::Seconds(1), "not valid yet"},
      {-absl::Hours(1), nullptr},
      {absl::ZeroDuration(), nullptr},
      {absl::Hours(1), nullptr},
      {absl::Hours(1) + absl::Seconds(1), "expired on 2026-11-20T13:00:00Z"},
  };
  for (const auto& test : kCases) {
    const absl::StatusOr<Caller> caller =
        JudgeCertificate(pem, TheTrust(), kNow + test.offset);
    if (test.why == nullptr) {
      EXPECT_THAT(caller, IsOk()) << test.offset;
    } else {
      EXPECT_THAT(caller, StatusIs(kDenied, test.why)) << test.offset;
    }
  }
}

TEST(TrustTest, ARevokedSerialIsRefused) {
  const std::string pem = Pem(Request());
  const std::string serial = ParseCertificatePem(pem)->serial;
  Trust trust = TheTrust();
  trust.denied = {"A1B", serial};
  const absl::StatusOr<Caller> caller = JudgeCertificate(pem, trust, kNow);
  EXPECT_THAT(caller, StatusIs(kDenied, "revoked"));
  EXPECT_THAT(caller, StatusIs(kDenied, serial));
  trust.denied = {"A1B", serial + "0"};
  EXPECT_THAT(JudgeCertificate(pem, trust, kNow), IsOk());
}

TEST(TrustTest, ADenylistAsPeopleWriteItRefuses) {
  // From `specula pki`, openssl or a browser: colons, lower case, 0x, zeros.
  const std::string pem = Pem(Request());
  const std::string serial = ParseCertificatePem(pem)->serial;
  std::string padded = serial.size() % 2 == 0 ? serial : "0" + serial;
  std::string colons;
  for (size_t i = 0; i < padded.size(); i += 2) {
    absl::StrAppend(&colons, i == 0 ? "" : ":", padded.substr(i, 2));
  }
  for (const std::string& written : {serial, "0x" + serial, "00" + padded,
                                     colons, absl::AsciiStrToLower(colons)}) {
    Trust trust = TheTrust();
    trust.denied = ParseDenylist(written + "\n").value();
    EXPECT_THAT(JudgeCertificate(pem, trust, kNow),
                StatusIs(kDenied, "revoked"))
        << written;
  }
}

TEST(TrustTest, TheWholeChainIsJudged) {
  Certificate leaf = ParseCertificatePem(Pem(Request())).value();
  Certificate root = ParseCertificatePem(Authority().certificate_pem).value();
  Certificate between = root;
  between.serial = "B2";
  between.sha256 = "between";
  const std::vector<Certificate> chain = {leaf, between, root};
  EXPECT_THAT(JudgeChain(chain, TheTrust(), kNow), IsOk());
  // Those who signed it are not believed any more.
  for (const std::string& serial : {between.serial, root.serial}) {
    Trust trust = TheTrust();
    trust.denied = {serial};
    EXPECT_THAT(JudgeChain(chain, trust, kNow),
                StatusIs(kDenied, "issuer was revoked"));
    const Caller before = JudgeChain(chain, TheTrust(), kNow).value();
    EXPECT_THAT(StillTrusted(before, trust, kNow),
                StatusIs(kDenied, "issuer was revoked"));
  }
  Trust other = TheTrust();
  other.authorities = {"another"};
  EXPECT_THAT(JudgeChain(chain, other, kNow),
              StatusIs(kDenied, "authority is not trusted"));
  // The first to expire ends it.
  between.not_after = kNow + absl::Minutes(1);
  EXPECT_EQ(JudgeChain({leaf, between, root}, TheTrust(), kNow)->not_after,
            between.not_after);
  between.not_before = kNow + absl::Seconds(1);
  EXPECT_THAT(JudgeChain({leaf, between, root}, TheTrust(), kNow),
              StatusIs(kDenied, "not valid yet"));
}

TEST(TrustTest, WhoWasAcceptedIsJudgedAnew) {
  const Caller caller{{"d.example", Role::kAdmin, "bob"},
                      "A1B",
                      kNow + absl::Hours(1),
                      {},
                      *TheTrust().authorities.begin()};
  EXPECT_THAT(StillTrusted(caller, TheTrust(), kNow), IsOk());
  EXPECT_THAT(StillTrusted(caller, TheTrust(), kNow + absl::Hours(1)), IsOk());
  EXPECT_THAT(StillTrusted(caller, TheTrust(),
                           kNow + absl::Hours(1) + absl::Nanoseconds(1)),
              StatusIs(kDenied, "expired"));
  Trust trust = TheTrust();
  trust.denied = {"A1B"};
  EXPECT_THAT(StillTrusted(caller, trust, kNow), StatusIs(kDenied, "revoked"));
  trust.denied = {"A1C"};
  EXPECT_THAT(StillTrusted(caller, trust, kNow), IsOk());
}

}  // namespace
}  // namespace specula::agent
