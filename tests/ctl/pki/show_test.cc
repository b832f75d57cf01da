#include "ctl/pki/show.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace specula::ctl {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

const absl::Time kNow =
    absl::FromCivil(absl::CivilSecond(2026, 11, 20, 12), absl::UTCTimeZone());

Certificate Agent() {
  Certificate certificate;
  certificate.serial = "A1B";
  certificate.subject = "CN=web-1";
  certificate.issuer = "O=specula.local,CN=Specula CA";
  certificate.uris = {"spiffe://specula.local/specula/agent/web-1"};
  certificate.dns_names = {"web-1"};
  certificate.ip_addresses = {"10.0.0.5"};
  certificate.not_before = kNow - absl::Minutes(5);
  certificate.not_after = kNow + absl::Hours(24 * 397);
  certificate.client_auth = true;
  certificate.server_auth = true;
  certificate.sha256 = "00ff";
  return certificate;
}

TEST(ShowTest, SaysAllThatMatters) {
  EXPECT_EQ(DescribeCertificate(Agent(), kNow),
            "subject      CN=web-1\n"
            "issuer       O=specula.local,CN=Specula CA\n"
            "role         agent\n"
            "URI          spiffe://specula.local/specula/agent/web-1\n"
            "DNS name     web-1\n"
            "IP address   10.0.0.5\n"
            "usages       serverAuth, clientAuth\n"
            "serial       A1B\n"
            "not before   2026-11-20 11:55:00 UTC\n"
            "not after    2027-12-22 12:00:00 UTC (397 days left)\n"
            "SHA-256      00ff\n");
}

TEST(ShowTest, CountsTheDays) {
  const struct {
    absl::Duration left;
    const char* words;
  } cases[] = {{absl::Hours(48), "(2 days left)"},
               {absl::Hours(47), "(1 day left)"},
               {absl::Hours(23), "(less than a day left)"},
               {absl::Seconds(1), "(less than a day left)"},
               {absl::ZeroDuration(), "(expired less than a day ago)"},
               {-absl::Hours(24), "(expired 1 day ago)"},
               {-absl::Hours(24 * 400), "(expired 400 days ago)"}};
  for (const auto& c : cases) {
    EXPECT_THAT(DescribeCertificate(Agent(), Agent().not_after - c.left),
                HasSubstr(c.words));
  }
  EXPECT_THAT(DescribeCertificate(Agent(), kNow - absl::Hours(1)),
              HasSubstr("11:55:00 UTC (not valid yet)"));
  EXPECT_THAT(DescribeCertificate(Agent(), kNow),
              Not(HasSubstr("not valid yet")));
}

TEST(ShowTest, SaysWhyThereIsNoRole) {
  Certificate certificate = Agent();
  certificate.uris.clear();
  EXPECT_THAT(
      DescribeCertificate(certificate, kNow),
      HasSubstr("role         none: certificate has no identity: no URI"));
  certificate.uris = {"spiffe://d/specula/viewer/a", "spiffe://d/x"};
  EXPECT_THAT(
      DescribeCertificate(certificate, kNow),
      HasSubstr("role         none: certificate has no identity: 2 URIs"));
  certificate.uris = {"spiffe://d/specula/viewer/a"};
  certificate.client_auth = false;
  EXPECT_THAT(DescribeCertificate(certificate, kNow),
              HasSubstr("role         viewer, but not as a caller"));
  certificate.server_auth = false;
  EXPECT_THAT(DescribeCertificate(certificate, kNow),
              HasSubstr("usages       none\n"));
}

TEST(ShowTest, NoControlByteReachesTheTerminal) {
  Certificate certificate = Agent();
  certificate.subject = "CN=a\x1b[2J\nrole         admin";
  certificate.dns_names = {"b\r\x07"};
  certificate.uris = {"spiffe://\x1b]0;x\x07"};
  const std::string text = DescribeCertificate(certificate, kNow);
  for (char c : std::string("\x1b\r\x07")) {
    EXPECT_EQ(text.find(c), std::string::npos);
  }
  EXPECT_THAT(text, Not(HasSubstr("\nrole         admin")));
}

}  // namespace
}  // namespace specula::ctl
