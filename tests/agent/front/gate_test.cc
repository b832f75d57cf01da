#include "agent/front/gate.h"

#include <google/protobuf/descriptor.h>

#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "specula/v1/specula.pb.h"
#include "tests/lib/base/testing.h"

namespace specula::agent {
namespace {

using ::specula::testing::IsOk;
using ::specula::testing::StatusIs;

constexpr auto kDenied = absl::StatusCode::kPermissionDenied;

// Who may call what, written out. One column for each role.
struct Row {
  const char* path;
  bool viewer, operator_, admin, shim, agent;
  bool mutating;
};
constexpr bool y = true;
constexpr bool n = false;
// clang-format off
constexpr Row kTable[] = {
    //                                     view oper admin shim agent  mutates
    {"/specula.v1.Specula/Status",           y,   y,   y,   y,   n,    n},
    {"/specula.v1.Specula/Cpu",              y,   y,   y,   y,   n,    n},
    {"/specula.v1.Specula/Mem",              y,   y,   y,   y,   n,    n},
    {"/specula.v1.Specula/Disk",             y,   y,   y,   y,   n,    n},
    {"/specula.v1.Specula/Processes",        y,   y,   y,   y,   n,    n},
    {"/specula.v1.Specula/Watch",            y,   y,   y,   y,   n,    n},
    {"/specula.v1.Specula/Start",            n,   y,   y,   y,   n,    y},
    {"/specula.v1.Specula/Kill",             n,   y,   y,   y,   n,    y},
    {"/specula.v1.Specula/Exec",             n,   y,   y,   y,   n,    y},
    {"/specula.v1.Specula/Tail",             n,   y,   y,   y,   n,    y},
    {"/grpc.health.v1.Health/Check",         y,   y,   y,   y,   y,    n},
    {"/grpc.health.v1.Health/Watch",         y,   y,   y,   y,   y,    n},
};
// clang-format on
constexpr Role kRoles[] = {Role::kViewer, Role::kOperator, Role::kAdmin,
                           Role::kShim, Role::kAgent};

bool Allowed(const Row& row, Role role) {
  switch (role) {
    case Role::kViewer:
      return row.viewer;
    case Role::kOperator:
      return row.operator_;
    case Role::kAdmin:
      return row.admin;
    case Role::kShim:
      return row.shim;
    case Role::kAgent:
      return row.agent;
  }
  return false;
}

TEST(GateTest, OnlyAShimActsForAnotherAndMustSayForWhom) {
  for (const Row& row : kTable) {
    for (Role role : kRoles) {
      if (role == Role::kShim) continue;
      EXPECT_TRUE(CheckOnBehalf(row.path, role, "").ok());
      EXPECT_THAT(CheckOnBehalf(row.path, role, "token 1"),
                  StatusIs(kDenied, ""));
    }
    EXPECT_TRUE(CheckOnBehalf(row.path, Role::kShim, "token 1").ok());
    EXPECT_EQ(CheckOnBehalf(row.path, Role::kShim, "").ok(), !row.mutating);
    for (const std::string& odd :
         {std::string("a\nb"), std::string("\xc3\xa4"), std::string(65, 'a')}) {
      EXPECT_THAT(CheckOnBehalf(row.path, Role::kShim, odd),
                  StatusIs(kDenied, ""));
    }
  }
}

TEST(GateTest, EveryMethodOfTheContractHasARow) {
  // Makes sure that the descriptor is linked.
  v1::StatusRequest::descriptor();
  const auto* service =
      google::protobuf::DescriptorPool::generated_pool()->FindServiceByName(
          "specula.v1.Specula");
  ASSERT_NE(service, nullptr);
  std::set<std::string> of_contract, of_table;
  for (int i = 0; i < service->method_count(); ++i) {
    of_contract.insert(absl::StrCat("/", service->full_name(), "/",
                                    service->method(i)->name()));
  }
  for (const Row& row : kTable) {
    if (absl::string_view(row.path).find("Specula/") !=
        absl::string_view::npos) {
      of_table.insert(row.path);
    }
  }
  EXPECT_EQ(of_table, of_contract);
  for (const std::string& path : of_contract) {
    EXPECT_THAT(CheckMethod(path, Role::kAdmin), IsOk()) << path;
  }
}

TEST(GateTest, RolesMayWhatTheTableSays) {
  for (const Row& row : kTable) {
    for (Role role : kRoles) {
      const absl::Status status = CheckMethod(row.path, role);
      if (Allowed(row, role)) {
        EXPECT_THAT(status, IsOk()) << row.path << " " << RoleName(role);
        continue;
      }
      EXPECT_THAT(status, StatusIs(kDenied, row.path)) << RoleName(role);
      EXPECT_THAT(status,
                  StatusIs(kDenied, row.mutating ? "takes the role operator"
                                                 : "takes the role viewer"))
          << row.path;
      EXPECT_THAT(status, StatusIs(kDenied, RoleName(role))) << row.path;
    }
    EXPECT_EQ(IsMutating(row.path), row.mutating) << row.path;
  }
}

TEST(GateTest, WhatHasNoRowIsDeniedToEverybody) {
  const std::string kPaths[] = {
      "",
      "/",
      "Status",
      "/specula.v1.Specula",
      "/specula.v1.Specula/",
      "/specula.v1.Specula/Nothing",
      "/specula.v1.Specula/status",
      "/specula.v1.Specula/Status/",
      "/specula.v1.Specula/Status ",
      " /specula.v1.Specula/Status",
      "//specula.v1.Specula/Status",
      "/specula.v1.Specula/Status?x=1",
      "/specula.v1.Specula/Sta%74us",
      std::string("/specula.v1.Specula/Status\0", 27),
      "/specula.v2.Specula/Status",
      "/specula.v1.Admin/Status",
      "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
      "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
      "/grpc.channelz.v1.Channelz/GetServers",
      "/grpc.channelz.v1.Channelz/GetTopChannels",
      "/envoy.service.status.v3.ClientStatusDiscoveryService/FetchClientStatus",
      "/grpc.health.v1.Health/List",
      "/grpc.health.v1.Health/",
  };
  for (const std::string& path : kPaths) {
    for (Role role : kRoles) {
      EXPECT_THAT(CheckMethod(path, role),
                  StatusIs(kDenied, "no role may call"))
          << path;
    }
    EXPECT_TRUE(IsMutating(path)) << path;
  }
}

TEST(GateTest, PathsInAnswersAreShortAndSafe) {
  const absl::Status status =
      CheckMethod("/\x1b[2J\n" + std::string(10'000, 'x'), Role::kAdmin);
  EXPECT_THAT(status, StatusIs(kDenied, "/\\x1b[2J\\n"));
  EXPECT_LT(status.message().size(), 300u);
}

constexpr char kCpu[] = "/specula.v1.Specula/Cpu";
constexpr char kExec[] = "/specula.v1.Specula/Exec";

class GateAdmitTest : public ::testing::Test {
 protected:
  // The name under which gRPC knows a connection of `caller`.
  std::string Connect(std::shared_ptr<const Caller> caller) {
    const std::string name = peers_.NewName();
    peers_.Add(name, std::make_shared<const Peer>(
                         Peer{std::move(caller), "192.0.2.1:4711"}));
    return "unix-abstract:" + name;
  }
  std::string Connect(Role role, const std::string& serial,
                      const std::string& domain = "d.example") {
    return Connect(
        std::make_shared<const Caller>(Caller{{domain, role, "bob"},
                                              serial,
                                              absl::Now() + absl::Hours(1),
                                              {"CA"},
                                              "root"}));
  }
  static std::shared_ptr<Trust> TrustOf(const std::string& domain) {
    return std::make_shared<Trust>(Trust{domain, {"root"}, {}, false});
  }
  absl::StatusOr<std::shared_ptr<const Peer>> Admit(
      const std::string& path, const std::string& connection) {
    return gate_.Admit(path, connection, "");
  }

  std::shared_ptr<Trust> trust_ = TrustOf("d.example");
  Peers peers_;
  std::vector<std::string> denied_;
  Gate gate_{
      peers_, [this] { return trust_; },
      [this](absl::string_view path, const Peer* peer, const absl::Status&) {
        denied_.push_back(absl::StrCat(
            path, " ", peer == nullptr ? "nobody" : peer->address));
      }};
  const std::string operator_ = Connect(Role::kOperator, "A1");
  const std::string viewer_ = Connect(Role::kViewer, "A2");
};

TEST_F(GateAdmitTest, ACallerIsKnownByItsConnection) {
  const auto peer = Admit(kExec, operator_);
  ASSERT_THAT(peer, IsOk());
  EXPECT_EQ((*peer)->caller->identity.role, Role::kOperator);
  EXPECT_THAT(Admit(kExec, viewer_), StatusIs(kDenied, "operator"));
  EXPECT_THAT(Admit(kCpu, viewer_), IsOk());
  EXPECT_THAT(denied_,
              ::testing::ElementsAre(absl::StrCat(kExec, " 192.0.2.1:4711")));
}

TEST_F(GateAdmitTest, AnUnknownConnectionIsNobodys) {
  const std::string gone = Connect(Role::kAdmin, "A3");
  peers_.Remove(gone.substr(gone.find(':') + 1));
  for (const std::string& name :
       {std::string(), std::string("unix-abstract:"), gone,
        std::string("ipv4:127.0.0.1:1"), operator_ + "0",
        operator_.substr(operator_.find(':') + 1), "unix:" + operator_}) {
    EXPECT_THAT(Admit(kCpu, name), StatusIs(kDenied, "closed")) << name;
  }
  EXPECT_THAT(Admit(kCpu, Connect(nullptr)),
              StatusIs(kDenied, "no client certificate"));
}

TEST_F(GateAdmitTest, ARevokedCallerIsOutAtOnce) {
  const auto peer = Admit(kCpu, viewer_);
  ASSERT_THAT(peer, IsOk());
  // By the certificate itself or by its issuer.
  for (const char* serial : {"A2", "CA"}) {
    trust_ = TrustOf("d.example");
    trust_->denied = {serial};
    EXPECT_THAT(Admit(kCpu, viewer_), StatusIs(kDenied, "revoked"));
    EXPECT_THAT(gate_.Recheck(*(*peer)->caller), StatusIs(kDenied, "revoked"));
  }
  trust_->denied = {"A2"};
  EXPECT_THAT(Admit(kCpu, operator_), IsOk());
  trust_ = TrustOf("d.example");
  EXPECT_THAT(Admit(kCpu, viewer_), IsOk());
  EXPECT_THAT(gate_.Recheck(*(*peer)->caller), IsOk());
}

TEST_F(GateAdmitTest, ACallerOfAnAuthorityThatWasReplacedIsOut) {
  const auto peer = Admit(kCpu, viewer_);
  ASSERT_THAT(peer, IsOk());
  trust_ = TrustOf("d.example");
  trust_->authorities = {"new root"};
  EXPECT_THAT(Admit(kCpu, viewer_), StatusIs(kDenied, "authority"));
  EXPECT_THAT(gate_.Recheck(*(*peer)->caller), StatusIs(kDenied, "authority"));
}

TEST_F(GateAdmitTest, AnotherTrustDomainForgetsWhoWasKnown) {
  ASSERT_THAT(Admit(kCpu, viewer_), IsOk());
  trust_ = TrustOf("other.example");
  EXPECT_THAT(Admit(kCpu, viewer_), StatusIs(kDenied, "trust domain"));
}

TEST_F(GateAdmitTest, WithoutAReadableDenylistNothingIsChanged) {
  trust_->denylist_unreadable = true;
  for (const Row& row : kTable) {
    const auto caller = Admit(row.path, operator_);
    if (row.mutating) {
      EXPECT_THAT(caller, StatusIs(kDenied, "cannot read its denylist"))
          << row.path;
    } else {
      EXPECT_THAT(caller, IsOk()) << row.path;
    }
  }
}

TEST_F(GateAdmitTest, AnExpiredCallerIsOut) {
  Caller caller{
      {"d.example", Role::kAdmin, "x"}, "A1", absl::Now(), {}, "root"};
  caller.not_after -= absl::Hours(1);
  EXPECT_THAT(gate_.Recheck(caller), StatusIs(kDenied, "expired"));
}

}  // namespace
}  // namespace specula::agent
