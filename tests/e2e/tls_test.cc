// Who gets in: every certificate that must be refused, and every role at its
// border.
#include <gmock/gmock.h>
#include <google/protobuf/descriptor.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/security/tls_credentials_options.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "lib/base/file.h"
#include "lib/rpc/grpc_status.h"
#include "lib/rpc/tls_policy.h"
#include "tests/e2e/harness.h"

namespace specula::testing {
namespace {

using ::testing::HasSubstr;

class TlsTest : public ::testing::Test {
 protected:
  // A refused client sees a closed connection and nothing else; and afterwards
  // the agent still serves others.
  void ExpectRefused(const Credentials& credentials) {
    absl::Status status = CallCpu(agent_.Connect(credentials));
    EXPECT_TRUE(absl::IsUnavailable(status)) << status;
    EXPECT_TRUE(CallCpu(agent_.Connect(pki_.Load("viewer"))).ok());
  }

  void ExpectLogged(const std::string& text) {
    EXPECT_TRUE(Eventually([&] {
      return agent_.Log().find(text) != std::string::npos;
    })) << "not in the log: "
        << text << "\n"
        << agent_.Log();
  }

  // Calls a method that streams and gives its end.
  template <typename Reader>
  static absl::Status Drain(std::unique_ptr<Reader> reader) {
    v1::ExecResponse ignored;
    while (reader->Read(&ignored)) {
    }
    return FromGrpc(reader->Finish());
  }

  absl::Status CallExec(const std::string& who) {
    auto stub = v1::Specula::NewStub(agent_.Connect(pki_.Load(who)));
    grpc::ClientContext context;
    context.set_deadline(absl::ToChronoTime(absl::Now() + absl::Seconds(20)));
    v1::ExecRequest request;
    request.mutable_command()->set_shell("true");
    return Drain(stub->Exec(&context, request));
  }

  const Pki pki_;
  AgentProcess agent_{pki_};
};

TEST_F(TlsTest, ViewerOperatorAndAdminAreLetIn) {
  for (const char* who : {"viewer", "operator", "admin"}) {
    EXPECT_TRUE(CallCpu(agent_.Connect(pki_.Load(who))).ok()) << who;
  }
}

TEST_F(TlsTest, NoClientCertificateIsRefused) {
  auto provider =
      std::make_shared<grpc::experimental::StaticDataCertificateProvider>(
          pki_.Load("viewer").roots_pem);
  grpc::experimental::TlsChannelCredentialsOptions options;
  options.set_certificate_provider(provider);
  options.watch_root_certs();
  auto channel = grpc::CreateChannel(
      agent_.host(), grpc::experimental::TlsCredentials(options));
  absl::Status status = CallCpu(channel);
  EXPECT_TRUE(absl::IsUnavailable(status)) << status;
}

TEST_F(TlsTest, CertificateOfAnotherAuthorityIsRefused) {
  const Pki other;
  Credentials credentials = other.Load("viewer");
  credentials.roots_pem =
      pki_.Load("viewer").roots_pem;  // we trust them, they not us
  ExpectRefused(credentials);
}

TEST_F(TlsTest, ExpiredCertificateIsRefused) {
  ctl::CertificateRequest request = Pki::ViewerRequest();
  request.not_after = absl::Now() - absl::Minutes(1);
  ExpectRefused(pki_.Issue(request));
}

TEST_F(TlsTest, CertificateThatIsNotYetValidIsRefused) {
  ctl::CertificateRequest request = Pki::ViewerRequest();
  request.not_before = absl::Now() + absl::Minutes(10);
  ExpectRefused(pki_.Issue(request));
}

TEST_F(TlsTest, CertificateWithoutRoleIsRefused) {
  ctl::CertificateRequest request = Pki::ViewerRequest();
  request.uris = {};
  ExpectRefused(pki_.Issue(request));
  ExpectLogged("handshake refused");
}

TEST_F(TlsTest, CertificateWithTwoIdentitiesIsRefused) {
  ctl::CertificateRequest request = Pki::ViewerRequest();
  request.uris.push_back("spiffe://specula.local/specula/admin/viewer");
  ExpectRefused(pki_.Issue(request));
}

TEST_F(TlsTest, CertificateWithUnknownRoleIsRefused) {
  ctl::CertificateRequest request = Pki::ViewerRequest();
  request.uris = {"spiffe://specula.local/specula/root/viewer"};
  ExpectRefused(pki_.Issue(request));
}

TEST_F(TlsTest, CertificateOfAnotherTrustDomainIsRefused) {
  ctl::CertificateRequest request = Pki::ViewerRequest();
  request.uris = {"spiffe://other.fleet/specula/admin/viewer"};
  ExpectRefused(pki_.Issue(request));
  ExpectLogged("other.fleet");
}

TEST_F(TlsTest, CertificateForServersOnlyIsRefused) {
  ctl::CertificateRequest request = Pki::ViewerRequest();
  request.client_auth = false;
  request.server_auth = true;
  ExpectRefused(pki_.Issue(request));
}

TEST_F(TlsTest, CertificateWithoutAnyUsageIsRefused) {
  ctl::CertificateRequest request = Pki::ViewerRequest();
  request.client_auth = false;
  ExpectRefused(pki_.Issue(request));
  ExpectLogged("clientAuth");
}

TEST_F(TlsTest, PlaintextIsRefused) {
  auto channel =
      grpc::CreateChannel(agent_.host(), grpc::InsecureChannelCredentials());
  absl::Status status = CallCpu(channel);
  EXPECT_TRUE(absl::IsUnavailable(status)) << status;
}

// The openssl program with the viewer's certificate; its exit code says whether
// the handshake worked.
Result SClient(const Pki& pki, const AgentProcess& agent,
               const std::string& version) {
  return RunProgram(
      {"sh", "-c",
       absl::StrCat("echo Q | timeout 20 openssl s_client -connect ",
                    agent.host(), " ", version, " -CAfile ", pki.File("ca.crt"),
                    " -cert ", pki.File("viewer.crt"), " -key ",
                    pki.File("viewer.key"), " -alpn h2 -verify_return_error")});
}

TEST_F(TlsTest, OnlyTls13IsSpoken) {
  const Result modern = SClient(pki_, agent_, "-tls1_3");
  EXPECT_EQ(modern.exit_code, 0) << modern.err;
  EXPECT_THAT(modern.out, HasSubstr("TLSv1.3"));
  for (const char* version : {"-tls1_2", "-tls1_1", "-tls1"}) {
    const Result old = SClient(pki_, agent_, version);
    EXPECT_NE(old.exit_code, 0) << version << "\n" << old.out;
    EXPECT_THAT(old.out, ::testing::Not(HasSubstr("Cipher is TLS_")))
        << version;
  }
}

TEST_F(TlsTest, NoSessionTicketIsGiven) {
  // s_client waits for data after the handshake, so a ticket would have come by
  // then.
  const Result result = RunProgram(
      {"sh", "-c",
       absl::StrCat("(sleep 1; echo Q) | timeout 20 openssl s_client -connect ",
                    agent_.host(), " -tls1_3 -CAfile ", pki_.File("ca.crt"),
                    " -cert ", pki_.File("viewer.crt"), " -key ",
                    pki_.File("viewer.key"), " -alpn h2")});
  EXPECT_THAT(result.out, HasSubstr("TLSv1.3"));
  EXPECT_THAT(result.out, ::testing::Not(HasSubstr("New Session Ticket")));
}

TEST_F(TlsTest, ViewerMayNotExec) {
  absl::Status status = CallExec("viewer");
  EXPECT_TRUE(absl::IsPermissionDenied(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("operator"));
}

TEST_F(TlsTest, OperatorMayExec) {
  absl::Status status = CallExec("operator");
  EXPECT_TRUE(status.ok()) << status;
}

absl::Status CallByName(const std::shared_ptr<grpc::Channel>& channel,
                        const std::string& path) {
  grpc::GenericStub stub(channel);
  grpc::ClientContext context;
  context.set_deadline(absl::ToChronoTime(absl::Now() + absl::Seconds(20)));
  grpc::Slice empty;
  grpc::ByteBuffer request(&empty, 1);
  grpc::ByteBuffer response;
  absl::Mutex mutex;
  absl::Status result;
  bool done = false;
  stub.UnaryCall(&context, path, grpc::StubOptions(), &request, &response,
                 [&](grpc::Status status) {
                   absl::MutexLock lock(&mutex);
                   result = FromGrpc(status);
                   done = true;
                 });
  absl::MutexLock lock(&mutex);
  mutex.Await(absl::Condition(&done));
  return result;
}

TEST_F(TlsTest, UnknownMethodsAreDeniedEvenToAnAdmin) {
  auto channel = agent_.Connect(pki_.Load("admin"));
  for (const char* path :
       {"/specula.v1.Specula/Reboot",
        "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
        "/grpc.channelz.v1.Channelz/GetServers", "/x"}) {
    absl::Status status = CallByName(channel, path);
    EXPECT_TRUE(absl::IsPermissionDenied(status)) << path << " " << status;
  }
}

TEST_F(TlsTest, AgentsCertificateMayAskForHealthOnly) {
  auto channel = agent_.Connect(pki_.Load("localhost"));
  EXPECT_TRUE(CallByName(channel, "/grpc.health.v1.Health/Check").ok());
  absl::Status status = CallCpu(channel);
  EXPECT_TRUE(absl::IsPermissionDenied(status)) << status;
}

// The gate is asked by every handler: an agent's certificate, which the table
// lets ask for health alone, gets into none of them.
TEST_F(TlsTest, NoMethodOfTheContractPassesTheGateBy) {
  auto channel = agent_.Connect(pki_.Load("localhost"));
  const auto* service =
      google::protobuf::DescriptorPool::generated_pool()->FindServiceByName(
          "specula.v1.Specula");
  ASSERT_NE(service, nullptr);
  ASSERT_GE(service->method_count(), 10);
  for (int i = 0; i < service->method_count(); ++i) {
    const std::string path = absl::StrCat("/", service->full_name(), "/",
                                          service->method(i)->name());
    absl::Status status = CallByName(channel, path);
    EXPECT_TRUE(absl::IsPermissionDenied(status)) << path << " " << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr("role agent")) << path;
  }
}

TEST_F(TlsTest, HealthPortKnowsNothingButHealth) {
  auto channel =
      grpc::CreateChannel(absl::StrCat("127.0.0.1:", agent_.health_port()),
                          grpc::InsecureChannelCredentials());
  EXPECT_TRUE(CallByName(channel, "/grpc.health.v1.Health/Check").ok());
  for (const char* method : {"Status", "Cpu", "Exec", "Kill"}) {
    absl::Status status =
        CallByName(channel, absl::StrCat("/specula.v1.Specula/", method));
    EXPECT_TRUE(absl::IsUnimplemented(status)) << method << " " << status;
  }
}

TEST_F(TlsTest, RevokedCallerIsDeniedOnItsConnectionAndOnItsOpenStream) {
  auto channel = agent_.Connect(pki_.Load("viewer"));
  ASSERT_TRUE(CallCpu(channel).ok());
  auto stub = v1::Specula::NewStub(channel);
  grpc::ClientContext context;
  v1::WatchRequest request;
  request.mutable_interval()->set_seconds(3600);
  auto watch = stub->Watch(&context, request);
  v1::WatchResponse first;
  ASSERT_TRUE(watch->Read(&first));

  ASSERT_TRUE(
      ctl::Revoke(pki_.path(), pki_.File("viewer.crt"), absl::Now()).ok());
  // The next snapshot is an hour away; the stream ends because of the denylist.
  v1::WatchResponse none;
  EXPECT_FALSE(watch->Read(&none));
  absl::Status ended = FromGrpc(watch->Finish());
  EXPECT_TRUE(absl::IsPermissionDenied(ended)) << ended;
  absl::Status next = CallCpu(channel);
  EXPECT_TRUE(absl::IsPermissionDenied(next)) << next;
  absl::Status again = CallCpu(agent_.Connect(pki_.Load("viewer")));
  EXPECT_TRUE(absl::IsUnavailable(again)) << again;
  EXPECT_TRUE(CallCpu(agent_.Connect(pki_.Load("operator"))).ok());
}

TEST_F(TlsTest, CallersOfAnAuthorityThatWasReplacedAreCutOff) {
  auto channel = agent_.Connect(pki_.Load("admin"));
  auto stub = v1::Specula::NewStub(channel);
  grpc::ClientContext context;
  v1::ExecRequest request;
  request.mutable_command()->set_shell("sleep 1000");
  auto exec = stub->Exec(&context, request);
  exec->WaitForInitialMetadata();
  ASSERT_TRUE(CallCpu(channel).ok());

  const Pki other;
  const Credentials own = other.Load("localhost");
  const std::pair<const char*, std::string> files[] = {
      {"localhost.key", own.key_pem},
      {"localhost.crt", own.certificate_pem},
      {"ca.crt", own.roots_pem}};
  for (const auto& [name, content] : files) {
    ASSERT_TRUE(WriteFileAtomically(pki_.File(name), content, 0600, true).ok());
  }
  v1::ExecResponse none;
  while (exec->Read(&none)) {
  }
  absl::Status ended = FromGrpc(exec->Finish());
  EXPECT_TRUE(absl::IsPermissionDenied(ended)) << ended;
  EXPECT_THAT(std::string(ended.message()), HasSubstr("authority"));
  EXPECT_FALSE(CallCpu(channel).ok());
  // Not only the calls: the connection itself.
  ExpectLogged("a connection is cut");
  EXPECT_TRUE(CallCpu(agent_.Connect(other.Load("viewer"))).ok());
}

TEST_F(TlsTest, ConnectionDoesNotOutliveItsCertificate) {
  ctl::CertificateRequest request = Pki::ViewerRequest();
  request.not_after = absl::Now() + absl::Seconds(3);
  auto channel = agent_.Connect(pki_.Issue(request));
  ASSERT_TRUE(CallCpu(channel).ok());
  EXPECT_TRUE(
      Eventually([&] { return absl::IsPermissionDenied(CallCpu(channel)); }));
}

TEST_F(TlsTest, UnreadableDenylistLeavesOnlyQuestions) {
  auto viewer = agent_.Connect(pki_.Load("operator"));
  ASSERT_TRUE(CallExec("operator").ok());
  ASSERT_TRUE(
      WriteFileAtomically(pki_.File("denylist"), "not a serial\n", 0644, true)
          .ok());
  EXPECT_TRUE(Eventually(
      [&] { return absl::IsPermissionDenied(CallExec("operator")); }));
  EXPECT_TRUE(CallCpu(viewer).ok());
  ASSERT_TRUE(
      WriteFileAtomically(pki_.File("denylist"), "# none\n", 0644, true).ok());
  EXPECT_TRUE(Eventually([&] { return CallExec("operator").ok(); }));
}

// The other direction: whom the controller believes.

TEST_F(TlsTest, ServerWithAnotherNameIsNotBelieved) {
  Endpoint endpoint{agent_.address(), "db-1"};
  absl::Status status = CallCpu(MakeChannel(endpoint, pki_.Load("viewer")));
  EXPECT_TRUE(absl::IsUnavailable(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("does not name 'db-1'"));
}

TEST_F(TlsTest, ServerOfAnotherAuthorityIsNotBelieved) {
  const Pki other;
  absl::Status status = CallCpu(agent_.Connect(other.Load("viewer")));
  EXPECT_TRUE(absl::IsUnavailable(status)) << status;
}

}  // namespace
}  // namespace specula::testing
