#include "ctl/pki/renew.h"

#include <filesystem>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "ctl/pki/store.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lib/base/file.h"
#include "tests/lib/base/testing.h"

namespace specula::ctl {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

const absl::Time kNow =
    absl::FromCivil(absl::CivilSecond(2026, 11, 20, 12), absl::UTCTimeZone());
constexpr absl::Duration kDays = absl::Hours(24);

class RenewTest : public ::testing::Test {
 protected:
  RenewTest() {
    AuthorityOptions authority;
    authority.trust_domain = "d.example";
    authority.days = 1000;
    authority.now = kNow;
    EXPECT_TRUE(InitAuthority(dir_, authority).ok());
  }

  void Agent(const std::string& name, int days) {
    absl::StatusOr<Issued> issued = IssueAgent(
        dir_, name, {"10.0.0.7", "*.db.example"}, {days, false, kNow});
    ASSERT_TRUE(issued.ok()) << issued.status();
  }
  std::vector<Renewal> RenewAt(absl::Time now, RenewOptions options = {}) {
    options.now = now;
    absl::StatusOr<std::vector<Renewal>> renewals = Renew(dir_, options);
    EXPECT_TRUE(renewals.ok()) << renewals.status();
    return renewals.ok() ? *renewals : std::vector<Renewal>();
  }
  std::string Read(const std::string& name) const {
    return ReadFile(absl::StrCat(dir_, "/", name)).value_or("");
  }

  const testing::TempDirectory root_;
  const std::string dir_ = root_.Path("pki");
};

TEST_F(RenewTest, WhatEndsSoonKeepsItsNamesAndGetsANewSerialAndKey) {
  Agent("vm1", 20);
  Agent("vm2", 200);
  ASSERT_TRUE(
      IssueClient(dir_, "alice", Role::kOperator, {10, false, kNow}).ok());
  const std::string key = Read("vm1.key");
  const std::string other = Read("vm2.crt");
  const std::vector<Renewal> renewals = RenewAt(kNow);
  ASSERT_EQ(renewals.size(), 2u);
  EXPECT_EQ(renewals[0].name, "alice");
  EXPECT_EQ(renewals[1].name, "vm1");
  for (const Renewal& renewal : renewals) {
    EXPECT_EQ(renewal.status, absl::OkStatus());
    const Certificate now = *ParseCertificatePem(Read(renewal.name + ".crt"));
    EXPECT_EQ(now.serial, renewal.after.serial);
    EXPECT_NE(now.serial, renewal.before.serial);
    EXPECT_EQ(now.uris, renewal.before.uris);
    EXPECT_EQ(now.dns_names, renewal.before.dns_names);
    EXPECT_EQ(now.ip_addresses, renewal.before.ip_addresses);
    EXPECT_EQ(now.server_auth, renewal.before.server_auth);
    EXPECT_EQ(now.client_auth, renewal.before.client_auth);
    EXPECT_EQ(now.common_name, renewal.before.common_name);
    EXPECT_EQ(now.not_after, kNow + 397 * kDays);
    EXPECT_EQ(CheckMaterial(Read("ca.crt"), Read(renewal.name + ".crt"),
                            Read(renewal.name + ".key"), kNow),
              absl::OkStatus());
  }
  EXPECT_NE(Read("vm1.key"), key);
  EXPECT_EQ(Read("vm2.crt"), other);
  EXPECT_THAT(RenewAt(kNow), IsEmpty());
}

TEST_F(RenewTest, TheKeyIsKeptWhereThatIsAskedFor) {
  Agent("vm1", 20);
  const std::string key = Read("vm1.key");
  const std::string certificate = Read("vm1.crt");
  RenewOptions options;
  options.keep_key = true;
  ASSERT_EQ(RenewAt(kNow, options).size(), 1u);
  EXPECT_EQ(Read("vm1.key"), key);
  EXPECT_NE(Read("vm1.crt"), certificate);
}

TEST_F(RenewTest, WhatHasEndedIsRenewedToo) {
  Agent("vm1", 20);
  const std::vector<Renewal> renewals = RenewAt(kNow + 50 * kDays);
  ASSERT_EQ(renewals.size(), 1u);
  EXPECT_EQ(renewals[0].status, absl::OkStatus());
  EXPECT_EQ(renewals[0].after.not_after, kNow + 447 * kDays);
}

TEST_F(RenewTest, ADryRunWritesNothing) {
  Agent("vm1", 20);
  const std::string certificate = Read("vm1.crt");
  RenewOptions options;
  options.dry_run = true;
  const std::vector<Renewal> renewals = RenewAt(kNow, options);
  ASSERT_EQ(renewals.size(), 1u);
  EXPECT_EQ(renewals[0].status, absl::OkStatus());
  EXPECT_EQ(Read("vm1.crt"), certificate);
}

TEST_F(RenewTest, WhatIsNotToBeRenewedSaysWhyAndCostsNobodyElse) {
  Agent("vm1", 20);
  Agent("revoked", 20);
  Agent("keyless", 20);
  ASSERT_TRUE(Revoke(dir_, dir_ + "/revoked.crt", kNow).ok());
  std::filesystem::remove(dir_ + "/keyless.key");
  ASSERT_TRUE(
      WriteFileAtomically(dir_ + "/broken.crt", "no PEM", 0644, false).ok());
  // Of an authority of the same trust domain.
  const std::string other = root_.Path("other");
  AuthorityOptions authority;
  authority.trust_domain = "d.example";
  authority.now = kNow;
  ASSERT_TRUE(InitAuthority(other, authority).ok());
  ASSERT_TRUE(IssueAgent(other, "stranger", {}, {20, false, kNow}).ok());
  for (const char* file : {"/stranger.crt", "/stranger.key"}) {
    std::filesystem::copy(other + file, dir_ + file);
  }
  std::vector<std::string> said;
  for (const Renewal& renewal : RenewAt(kNow)) {
    said.push_back(absl::StrCat(renewal.name, ": ", renewal.status.message()));
  }
  EXPECT_THAT(said, ElementsAre(HasSubstr("broken: "), HasSubstr("keyless.key"),
                                HasSubstr("revoked: it is revoked"),
                                HasSubstr("stranger: "), "vm1: "));
  EXPECT_EQ(Read("stranger.crt"), ReadFile(other + "/stranger.crt").value());
}

TEST_F(RenewTest, WhereTheAuthorityEndsNoTimeIsWon) {
  Agent("vm1", 1000);
  const std::vector<Renewal> renewals = RenewAt(kNow + 990 * kDays);
  ASSERT_EQ(renewals.size(), 1u);
  EXPECT_THAT(std::string(renewals[0].status.message()),
              HasSubstr("would end no later"));
}

TEST_F(RenewTest, ANameThatIsNotThereIsAnError) {
  Agent("vm1", 20);
  Agent("vm2", 20);
  RenewOptions options;
  options.names = {"vm2"};
  const std::vector<Renewal> renewals = RenewAt(kNow, options);
  ASSERT_EQ(renewals.size(), 1u);
  EXPECT_EQ(renewals[0].name, "vm2");
  options.names = {"vm9"};
  options.now = kNow;
  EXPECT_TRUE(absl::IsNotFound(Renew(dir_, options).status()));
}

}  // namespace
}  // namespace specula::ctl
