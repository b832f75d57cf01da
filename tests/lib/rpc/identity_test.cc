#include "lib/rpc/identity.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace specula {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

Certificate WithUris(std::vector<std::string> uris) {
  Certificate certificate;
  certificate.uris = std::move(uris);
  return certificate;
}

TEST(IdentityTest, ReadsEachRole) {
  const struct {
    const char* uri;
    Identity identity;
  } cases[] = {
      {"spiffe://specula.local/specula/viewer/bob",
       {"specula.local", Role::kViewer, "bob"}},
      {"spiffe://specula.local/specula/operator/ci-7",
       {"specula.local", Role::kOperator, "ci-7"}},
      {"spiffe://a/specula/admin/b", {"a", Role::kAdmin, "b"}},
      {"spiffe://7.x-y/specula/shim/shim_1", {"7.x-y", Role::kShim, "shim_1"}},
      {"spiffe://specula.local/specula/agent/web-1.example.org",
       {"specula.local", Role::kAgent, "web-1.example.org"}},
      {"spiffe://specula.local/specula/agent/agent",
       {"specula.local", Role::kAgent, "agent"}},
  };
  for (const auto& c : cases) {
    absl::StatusOr<Identity> identity = ParseIdentityUri(c.uri);
    ASSERT_TRUE(identity.ok()) << c.uri << ": " << identity.status();
    EXPECT_EQ(*identity, c.identity) << c.uri;
    EXPECT_EQ(IdentityUri(*identity), c.uri);
  }
}

TEST(IdentityTest, LongestPartsAreRead) {
  const std::string part(63, 'a');
  const Identity longest{part, Role::kOperator, part};
  absl::StatusOr<Identity> identity = ParseIdentityUri(IdentityUri(longest));
  ASSERT_TRUE(identity.ok()) << identity.status();
  EXPECT_EQ(*identity, longest);
}

TEST(IdentityTest, AnAgentsNameIsAHostsAndAsLongAsThat) {
  const Identity longest{std::string(63, 'd'), Role::kAgent,
                         std::string(253, 'a')};
  absl::StatusOr<Identity> identity = ParseIdentityUri(IdentityUri(longest));
  ASSERT_TRUE(identity.ok()) << identity.status();
  EXPECT_EQ(*identity, longest);
}

TEST(IdentityTest, RefusesWhateverIsNotExactlyAnIdentity) {
  const std::string nul(1, '\0');
  const std::string cases[] = {
      "",
      "spiffe:",
      "spiffe://",
      "spiffe:///",
      "spiffe:////",
      "bob",
      "https://d/specula/viewer/bob",
      "SPIFFE://d/specula/viewer/bob",
      "Spiffe://d/specula/viewer/bob",
      " spiffe://d/specula/viewer/bob",
      "spiffe://d/specula/viewer/bob ",
      "spiffe://d/specula/viewer/bob\n",
      "spiffe:/d/specula/viewer/bob",
      "spiffe:///specula/viewer/bob",
      "spiffe:////d/specula/viewer/bob",
      // Segments: too few, too many, empty.
      "spiffe://d",
      "spiffe://d/specula",
      "spiffe://d/specula/viewer",
      "spiffe://d/specula/viewer/",
      "spiffe://d/specula//bob",
      "spiffe://d//specula/viewer/bob",
      "spiffe://d/specula//viewer/bob",
      "spiffe://d/specula/viewer//bob",
      "spiffe://d/specula/viewer/bob/",
      "spiffe://d/specula/viewer/bob/admin",
      "spiffe://d/specula/viewer/bob/../../admin/bob",
      "spiffe://d/x/specula/viewer/bob",
      "spiffe://d/specule/viewer/bob",
      "spiffe://d/Specula/viewer/bob",
      "spiffe://d/./specula/viewer/bob",
      "spiffe://d/specula/viewer/.",
      "spiffe://d/specula/viewer/..",
      "spiffe://d/specula/../viewer/bob",
      "spiffe://../specula/viewer/bob",
      // Roles.
      "spiffe://d/specula/root/bob",
      "spiffe://d/specula/Admin/bob",
      "spiffe://d/specula/ADMIN/bob",
      "spiffe://d/specula/admins/bob",
      "spiffe://d/specula/admi/bob",
      "spiffe://d/specula/admin,viewer/bob",
      "spiffe://d/specula/viewer /bob",
      // Bytes of the name and of the trust domain.
      "spiffe://d/specula/viewer/Bob",
      "spiffe://D/specula/viewer/bob",
      "spiffe://d/specula/viewer/b%6fb",
      "spiffe://d/specula/viewer%2fbob/x",
      "spiffe://%64/specula/viewer/bob",
      "spiffe://d/specula/viewer/bob?role=admin",
      "spiffe://d/specula/viewer/bob?",
      "spiffe://d/specula/viewer/bob#x",
      "spiffe://d/specula/viewer/bob#",
      "spiffe://d/specula/viewer/bob;x",
      "spiffe://d/specula/viewer/bob,OU=admin",
      "spiffe://d/specula/viewer/bob@d",
      "spiffe://d:443/specula/viewer/bob",
      "spiffe://d:/specula/viewer/bob",
      "spiffe://u@d/specula/viewer/bob",
      "spiffe://[::1]/specula/viewer/bob",
      "spiffe://d_e/specula/viewer/bob",
      "spiffe://-d/specula/viewer/bob",
      "spiffe://.d/specula/viewer/bob",
      "spiffe://d/specula/viewer/-bob",
      "spiffe://d/specula/viewer/_bob",
      "spiffe://d/specula/viewer/.bob",
      "spiffe://d/specula/viewer/b b",
      "spiffe://d/specula/viewer/b\\b",
      "spiffe://d/specula/viewer/b\xc3\xb6"
      "b",
      "spiffe://d/specula/viewer/b\x7f",
      "spiffe://d/specula/viewer/bob" + nul,
      "spiffe://d/specula/viewer/bob" + nul + ".evil",
      "spiffe://d" + nul + "e/specula/viewer/bob",
      "spiffe://d/specula/admin" + nul + "/bob",
      nul + "spiffe://d/specula/viewer/bob",
      // Lengths.
      "spiffe://d/specula/viewer/" + std::string(64, 'b'),
      "spiffe://" + std::string(64, 'd') + "/specula/viewer/bob",
      "spiffe://d/specula/viewer/" + std::string(1 << 20, 'b'),
      "spiffe://d/specula/agent/" + std::string(254, 'b'),
  };
  for (const std::string& uri : cases) {
    absl::StatusOr<Identity> identity = ParseIdentityUri(uri);
    EXPECT_EQ(identity.status().code(), absl::StatusCode::kInvalidArgument)
        << uri.substr(0, 100);
  }
}

TEST(IdentityTest, ErrorsHoldNoRawControlBytes) {
  for (const char* uri : {"\x1b[2J", "spiffe://d/specula/\x1b[2J/bob",
                          "spiffe://d/specula/viewer/\x1b[2J"}) {
    const absl::Status status = ParseIdentityUri(uri).status();
    EXPECT_THAT(std::string(status.message()), Not(HasSubstr("\x1b")));
    EXPECT_THAT(std::string(status.message()), HasSubstr("[2J"));
  }
}

TEST(IdentityTest, ErrorsDoNotRepeatALongUri) {
  const absl::Status status =
      ParseIdentityUri("spiffe://d/" + std::string(1 << 20, 'b')).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_LT(status.message().size(), 500u);
}

TEST(IdentityTest, RoleNamesAreReadBack) {
  for (Role role : {Role::kViewer, Role::kOperator, Role::kAdmin, Role::kShim,
                    Role::kAgent}) {
    absl::StatusOr<Role> again = ParseRole(RoleName(role));
    ASSERT_TRUE(again.ok()) << again.status();
    EXPECT_EQ(*again, role);
  }
  EXPECT_EQ(RoleName(Role::kAdmin), "admin");
}

TEST(IdentityTest, UnknownRoleNamesTheFive) {
  for (const char* name : {"", "root", "Viewer", "viewer ", "viewers"}) {
    const absl::Status status = ParseRole(name).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << name;
    EXPECT_THAT(std::string(status.message()),
                HasSubstr("viewer, operator, admin, shim, agent"));
  }
}

TEST(IdentityTest, CertificateWithOneUriHasItsIdentity) {
  absl::StatusOr<Identity> identity =
      IdentityOf(WithUris({"spiffe://d/specula/operator/bob"}));
  ASSERT_TRUE(identity.ok()) << identity.status();
  EXPECT_EQ(*identity, (Identity{"d", Role::kOperator, "bob"}));
}

TEST(IdentityTest, CertificateWithoutUriHasNone) {
  const absl::Status status = IdentityOf(WithUris({})).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kPermissionDenied);
  EXPECT_THAT(std::string(status.message()), HasSubstr("no URI"));
}

TEST(IdentityTest, CertificateWithTwoUrisHasNone) {
  const std::string good = "spiffe://d/specula/viewer/bob";
  for (const std::string& other :
       {good, std::string("spiffe://d/specula/admin/bob"),
        std::string("https://example.org/"), std::string()}) {
    for (const auto& uris : {std::vector<std::string>{good, other},
                             std::vector<std::string>{other, good}}) {
      const absl::Status status = IdentityOf(WithUris(uris)).status();
      EXPECT_EQ(status.code(), absl::StatusCode::kPermissionDenied) << other;
      EXPECT_THAT(std::string(status.message()), HasSubstr("2 URIs"));
    }
  }
}

TEST(IdentityTest, CertificateWithAnotherKindOfUriHasNone) {
  for (const char* uri :
       {"https://example.org/", "spiffe://d", "spiffe://d/ns/x/sa/bob", ""}) {
    EXPECT_EQ(IdentityOf(WithUris({uri})).status().code(),
              absl::StatusCode::kPermissionDenied)
        << uri;
  }
}

TEST(IdentityTest, SubjectAndOtherNamesGiveNoPower) {
  Certificate certificate;
  certificate.common_name = "spiffe://d/specula/admin/bob";
  certificate.subject = "CN=bob,OU=admin";
  certificate.dns_names = {"spiffe://d/specula/admin/bob"};
  EXPECT_EQ(IdentityOf(certificate).status().code(),
            absl::StatusCode::kPermissionDenied);
  certificate.uris = {"spiffe://d/specula/viewer/eve"};
  absl::StatusOr<Identity> identity = IdentityOf(certificate);
  ASSERT_TRUE(identity.ok()) << identity.status();
  EXPECT_EQ(*identity, (Identity{"d", Role::kViewer, "eve"}));
}

}  // namespace
}  // namespace specula
