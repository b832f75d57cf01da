#include "agent/front/gate.h"

#include <google/protobuf/descriptor.h>

#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "ctl/pki/authority.h"
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

// A connection whose peer has presented these certificates.
class Connection : public grpc::AuthContext {
 public:
  explicit Connection(std::vector<std::string> pems) : pems_(std::move(pems)) {}

  std::vector<grpc::string_ref> FindPropertyValues(
      const std::string& name) const override {
    std::vector<grpc::string_ref> values;
    if (name == "x509_pem_cert") values.assign(pems_.begin(), pems_.end());
    return values;
  }
  bool IsPeerAuthenticated() const override { return true; }
  std::vector<grpc::string_ref> GetPeerIdentity() const override { return {}; }
  std::string GetPeerIdentityPropertyName() const override { return ""; }
  grpc::AuthPropertyIterator begin() const override { return Nothing(); }
  grpc::AuthPropertyIterator end() const override { return Nothing(); }
  void AddProperty(const std::string&, const grpc::string_ref&) override {}
  bool SetPeerIdentityPropertyName(const std::string&) override {
    return false;
  }

 private:
  struct Nothing : grpc::AuthPropertyIterator {};
  const std::vector<std::string> pems_;
};

constexpr char kCpu[] = "/specula.v1.Specula/Cpu";
constexpr char kExec[] = "/specula.v1.Specula/Exec";

class GateAdmitTest : public ::testing::Test {
 protected:
  static std::string Pem(const std::string& uri, bool client_auth = true) {
    const absl::Time now = absl::Now();
    ctl::CertificateRequest request;
    request.common_name = "bob";
    request.uris = {uri};
    request.client_auth = client_auth;
    request.not_before = now - absl::Hours(1);
    request.not_after = now + absl::Hours(1);
    const ctl::KeyPair authority =
        ctl::MakeAuthority("d.example", request.not_before, request.not_after)
            .value();
    return ctl::Issue(authority, request).value().certificate_pem;
  }

  absl::StatusOr<std::shared_ptr<const Caller>> Admit(
      const std::string& path, std::vector<std::string> pems) {
    return gate_.Admit(path, Connection(std::move(pems)), "");
  }

  std::shared_ptr<Trust> trust_ =
      std::make_shared<Trust>(Trust{"d.example", {}, false});
  Gate gate_{[this] { return trust_; }};
  const std::string operator_ = Pem("spiffe://d.example/specula/operator/bob");
  const std::string viewer_ = Pem("spiffe://d.example/specula/viewer/eve");
};

TEST_F(GateAdmitTest, ACallerIsKnownByItsCertificate) {
  for (int i = 0; i < 2; ++i) {  // the second time from memory
    const auto caller = Admit(kExec, {operator_});
    ASSERT_THAT(caller, IsOk());
    EXPECT_EQ((*caller)->identity.name, "bob");
    EXPECT_EQ((*caller)->identity.role, Role::kOperator);
    EXPECT_THAT(Admit(kExec, {viewer_}), StatusIs(kDenied, "operator"));
    EXPECT_THAT(Admit(kCpu, {viewer_}), IsOk());
  }
}

TEST_F(GateAdmitTest, WithoutExactlyOneCertificateNobodyIsAdmitted) {
  EXPECT_THAT(Admit(kCpu, {}), StatusIs(kDenied, "no client certificate"));
  EXPECT_THAT(Admit(kCpu, {viewer_, operator_}), StatusIs(kDenied, ""));
  EXPECT_THAT(Admit(kCpu, {""}), StatusIs(kDenied, ""));
  EXPECT_THAT(Admit(kCpu, {"nonsense"}), StatusIs(kDenied, ""));
}

TEST_F(GateAdmitTest, OddCertificatesAreNotAdmitted) {
  EXPECT_THAT(
      Admit(kCpu, {Pem("spiffe://d.example/specula/viewer/eve", false)}),
      StatusIs(kDenied, "clientAuth"));
  EXPECT_THAT(Admit(kCpu, {Pem("spiffe://evil.example/specula/admin/eve")}),
              StatusIs(kDenied, "trust domain"));
}

TEST_F(GateAdmitTest, ARevokedCallerIsOutAtOnce) {
  const auto caller = Admit(kCpu, {viewer_});
  ASSERT_THAT(caller, IsOk());
  trust_ =
      std::make_shared<Trust>(Trust{"d.example", {(*caller)->serial}, false});
  EXPECT_THAT(Admit(kCpu, {viewer_}), StatusIs(kDenied, "revoked"));
  EXPECT_THAT(gate_.Recheck(**caller), StatusIs(kDenied, "revoked"));
  EXPECT_THAT(Admit(kCpu, {operator_}), IsOk());
  trust_ = std::make_shared<Trust>(Trust{"d.example", {}, false});
  EXPECT_THAT(Admit(kCpu, {viewer_}), IsOk());
  EXPECT_THAT(gate_.Recheck(**caller), IsOk());
}

TEST_F(GateAdmitTest, AnotherTrustDomainForgetsWhoWasKnown) {
  ASSERT_THAT(Admit(kCpu, {viewer_}), IsOk());
  trust_ = std::make_shared<Trust>(Trust{"other.example", {}, false});
  EXPECT_THAT(Admit(kCpu, {viewer_}), StatusIs(kDenied, "trust domain"));
}

TEST_F(GateAdmitTest, WithoutAReadableDenylistNothingIsChanged) {
  trust_ = std::make_shared<Trust>(Trust{"d.example", {}, true});
  for (const Row& row : kTable) {
    const auto caller = Admit(row.path, {operator_});
    if (row.mutating) {
      EXPECT_THAT(caller, StatusIs(kDenied, "cannot read its denylist"))
          << row.path;
    } else {
      EXPECT_THAT(caller, IsOk()) << row.path;
    }
  }
}

TEST_F(GateAdmitTest, AnExpiredCallerIsOut) {
  Caller caller{{"d.example", Role::kAdmin, "x"}, "A1", absl::Now()};
  caller.not_after -= absl::Hours(1);
  EXPECT_THAT(gate_.Recheck(caller), StatusIs(kDenied, "expired"));
}

TEST_F(GateAdmitTest, TheProcessorJudgesByThePathOfTheCall) {
  const std::shared_ptr<grpc::AuthMetadataProcessor> processor =
      gate_.MakeProcessor();
  EXPECT_FALSE(processor->IsBlocking());
  auto process = [&](const char* key, const char* path,
                     const std::string& pem) {
    grpc::AuthMetadataProcessor::InputMetadata metadata;
    metadata.emplace(key, path);
    grpc::AuthMetadataProcessor::OutputMetadata consumed, response;
    Connection connection({pem});
    const grpc::Status status =
        processor->Process(metadata, &connection, &consumed, &response);
    return std::make_pair(status.error_code(), status.error_message());
  };
  EXPECT_EQ(process(":path", kCpu, viewer_).first, grpc::StatusCode::OK);
  EXPECT_EQ(process(":path", kExec, viewer_).first,
            grpc::StatusCode::PERMISSION_DENIED);
  EXPECT_THAT(process(":path", kExec, viewer_).second,
              ::testing::HasSubstr("operator"));
  EXPECT_EQ(process("path", kCpu, viewer_).first,
            grpc::StatusCode::PERMISSION_DENIED);
  grpc::AuthMetadataProcessor::OutputMetadata consumed, response;
  EXPECT_EQ(processor->Process({{":path", kCpu}}, nullptr, &consumed, &response)
                .error_code(),
            grpc::StatusCode::PERMISSION_DENIED);
}

}  // namespace
}  // namespace specula::agent
