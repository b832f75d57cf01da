#include "clients/cpp/outcome.h"

#include <arpa/inet.h>
#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "clients/cpp/agent_client.h"
#include "clients/cpp/channel.h"
#include "ctl/pki/authority.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lib/base/unique_fd.h"
#include "lib/rpc/tls_policy.h"
#include "tests/lib/base/testing.h"

namespace specula {
namespace {

using ::specula::testing::IsOk;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

const Endpoint kVm1{{"vm1", 60120}, ""};

TEST(OutcomeTest, EveryOutcomeHasItsWord) {
  const struct {
    Outcome outcome;
    const char* word;
  } kCases[] = {
      {Outcome::kOk, "ok"},           {Outcome::kTimeout, "timeout"},
      {Outcome::kRefused, "refused"}, {Outcome::kUnreachable, "unreachable"},
      {Outcome::kDenied, "denied"},   {Outcome::kLost, "lost"},
      {Outcome::kFailed, "failed"},
  };
  for (const auto& test : kCases) {
    EXPECT_EQ(OutcomeName(test.outcome), test.word);
  }
}

TEST(OutcomeTest, SuccessHasNoReason) {
  const Ending ending = ClassifyEnding(absl::OkStatus(), kVm1);
  EXPECT_EQ(ending.outcome, Outcome::kOk);
  EXPECT_THAT(ending.reason, IsEmpty());
}

// What gRPC puts before the reason when it got no connection.
constexpr char kNoConnection[] =
    "failed to connect to all addresses; last error: ";

// The messages of gRPC 1.51 as they were seen from all kinds of ends.
TEST(OutcomeTest, MessagesOfGrpcAreUnderstood) {
  const struct {
    absl::StatusCode code;
    std::string message;
    const char* word;
    const char* cause;
  } kCases[] = {
      {absl::StatusCode::kUnavailable,
       absl::StrCat(kNoConnection,
                    "UNKNOWN: ipv4:127.0.0.1:44741: Failed to connect to "
                    "remote host: Connection refused"),
       "unreachable", "is specula-agent running and listening on vm1:60120?"},
      {absl::StatusCode::kUnavailable,
       absl::StrCat(kNoConnection,
                    "UNKNOWN: ipv4:10.0.0.9:60120: Failed to connect to remote "
                    "host: No route to host"),
       "unreachable", "no route to vm1:60120"},
      {absl::StatusCode::kUnavailable,
       absl::StrCat(kNoConnection,
                    "UNKNOWN: ipv6:%5Bfd00::1%5D:60120: Failed to connect to "
                    "remote host: Network is unreachable"),
       "unreachable", "no route to vm1:60120"},
      {absl::StatusCode::kUnavailable,
       "DNS resolution failed for vm1:60120: C-ares status is not ARES_SUCCESS "
       "qtype=AAAA name=vm1 is_balancer=0: Domain name not found",
       "unreachable", "the name 'vm1' cannot be resolved"},
      {absl::StatusCode::kUnavailable,
       "DNS resolution failed for vm1:60120: C-ares status is not ARES_SUCCESS "
       "qtype=A name=vm1 is_balancer=0: Could not contact DNS servers",
       "unreachable", "the name 'vm1' cannot be resolved"},
      {absl::StatusCode::kUnavailable,
       absl::StrCat(kNoConnection,
                    "UNKNOWN: ipv4:127.0.0.1:45843: Tls handshake failed: "
                    "SSL_ERROR_SSL: error:0A000086:SSL routines::certificate "
                    "verify failed"),
       "refused", "is not signed by the CA given with --ca, or is expired"},
      // The same from BoringSSL, which gRPC has where it is not Debian's.
      {absl::StatusCode::kUnavailable,
       absl::StrCat(kNoConnection,
                    "UNKNOWN: ipv4:127.0.0.1:45843: Tls handshake failed: "
                    "SSL_ERROR_SSL: error:1000007d:SSL "
                    "routines:OPENSSL_internal:CERTIFICATE_VERIFY_FAILED"),
       "refused", "is not signed by the CA given with --ca, or is expired"},
      {absl::StatusCode::kUnavailable,
       absl::StrCat(kNoConnection,
                    "UNKNOWN: ipv4:127.0.0.1:33383: Tls handshake failed: "
                    "SSL_ERROR_SSL: error:0A00010B:SSL routines::wrong version "
                    "number"),
       "refused", "what listens on vm1:60120 does not speak TLS"},
      {absl::StatusCode::kUnavailable,
       absl::StrCat(kNoConnection,
                    "UNKNOWN: ipv4:127.0.0.1:33383: Tls handshake failed: "
                    "SSL_ERROR_SSL: error:1000042e:SSL routines:"
                    "OPENSSL_internal:TLSV1_ALERT_PROTOCOL_VERSION"),
       "refused", "likely it does not accept this certificate"},
      {absl::StatusCode::kUnavailable,
       absl::StrCat(kNoConnection,
                    "UNAVAILABLE: ipv4:127.0.0.1:45035: Socket closed"),
       "refused", "likely it does not accept this certificate"},
      {absl::StatusCode::kUnavailable,
       absl::StrCat(kNoConnection,
                    "UNAVAILABLE: ipv4:127.0.0.1:34893: recvmsg:Connection "
                    "reset by peer"),
       "refused", "likely it does not accept this certificate"},
      {absl::StatusCode::kUnavailable, "Socket closed", "lost",
       "in the middle of the call"},
      {absl::StatusCode::kUnavailable, "recvmsg:Connection reset by peer",
       "lost", "in the middle of the call"},
      {absl::StatusCode::kUnavailable, "GOAWAY received", "lost",
       "in the middle of the call"},
      {absl::StatusCode::kUnavailable, "keepalive watchdog timeout", "lost",
       "in the middle of the call"},
      {absl::StatusCode::kUnavailable, "the agent is stopping", "lost",
       "the agent was stopping"},
      {absl::StatusCode::kUnavailable, "something new\x1b[2J", "unreachable",
       "something new\\x1b[2J"},
      {absl::StatusCode::kPermissionDenied,
       "/specula.v1.Specula/Exec takes the role operator or above; the "
       "certificate has the role viewer\n",
       "denied", "takes the role operator or above"},
      {absl::StatusCode::kUnauthenticated, "who is it?", "denied",
       "who is it?"},
      {absl::StatusCode::kCancelled, "CANCELLED", "failed", "interrupted"},
      {absl::StatusCode::kUnimplemented, "", "failed", "UNIMPLEMENTED"},
      {absl::StatusCode::kInternal, "odd\x1b[2J\nline", "failed",
       "INTERNAL: odd\\x1b[2J\\nline"},
      {absl::StatusCode::kResourceExhausted,
       "Received message larger than max (5 vs. 4)", "failed",
       "RESOURCE_EXHAUSTED: Received message larger"},
      {absl::StatusCode::kInvalidArgument, "interval: must be 200 ms or more",
       "failed", "INVALID_ARGUMENT: interval"},
  };
  for (const auto& test : kCases) {
    const Ending ending =
        ClassifyEnding(absl::Status(test.code, test.message), kVm1);
    EXPECT_EQ(OutcomeName(ending.outcome), test.word) << test.message;
    EXPECT_THAT(ending.reason, HasSubstr(test.cause)) << test.message;
    EXPECT_THAT(ending.reason, Not(HasSubstr("\n"))) << test.message;
    EXPECT_THAT(ending.reason, Not(HasSubstr("\x1b"))) << test.message;
  }
}

TEST(OutcomeTest, AStreamThatHadBegunWasLost) {
  const Endpoint endpoint{{"vm1", 60120}, ""};
  const absl::Status no_route =
      absl::UnavailableError("recvmsg:No route to host");
  EXPECT_EQ(ClassifyStream(no_route, false, endpoint).outcome,
            Outcome::kUnreachable);
  const Ending lost = ClassifyStream(no_route, true, endpoint);
  EXPECT_EQ(lost.outcome, Outcome::kLost);
  EXPECT_THAT(lost.reason, HasSubstr("No route to host"));
  // What the agent itself says stays what it is.
  EXPECT_EQ(
      ClassifyStream(absl::PermissionDeniedError("no"), true, endpoint).outcome,
      Outcome::kDenied);
  EXPECT_EQ(ClassifyStream(absl::OkStatus(), true, endpoint).outcome,
            Outcome::kOk);
}

TEST(OutcomeTest, TheOwnVerifiersWordsComeWithoutTheFrame) {
  const Ending ending = ClassifyEnding(
      absl::UnavailableError(
          "failed to connect to all addresses; last error: UNKNOWN: "
          "ipv4:127.0.0.1:4433: Custom verification check failed with error: "
          "PERMISSION_DENIED: the server's certificate is for agent 'vm2' and "
          "does not name 'vm1'"),
      kVm1);
  EXPECT_EQ(ending.outcome, Outcome::kRefused);
  EXPECT_EQ(ending.reason,
            "the server's certificate is for agent 'vm2' and does not name "
            "'vm1'");
}

TEST(OutcomeTest, NamesInReasonsAreSafeForATerminal) {
  const Endpoint odd{{"vm\x1b[2J", 60120}, ""};
  for (const char* message :
       {"DNS resolution failed for x", "Connection refused", "No route to host",
        "wrong version number"}) {
    const Ending ending = ClassifyEnding(absl::UnavailableError(message), odd);
    EXPECT_THAT(ending.reason, Not(HasSubstr("\x1b"))) << message;
  }
}

// A TCP listener on a free port of the loopback.
class Listener {
 public:
  Listener() : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof(address);
    auto* raw = reinterpret_cast<sockaddr*>(&address);
    if (bind(fd_.get(), raw, length) != 0 || listen(fd_.get(), 8) != 0 ||
        getsockname(fd_.get(), raw, &length) != 0) {
      abort();
    }
    endpoint_.address = {"127.0.0.1", ntohs(address.sin_port)};
  }
  ~Listener() { Close(); }

  // Gives every connection to `serve`, one after the other.
  void Serve(std::function<void(int)> serve) {
    thread_ = std::thread([this, serve = std::move(serve)] {
      while (true) {
        UniqueFd peer(accept4(fd_.get(), nullptr, nullptr, SOCK_CLOEXEC));
        if (!peer.valid()) return;
        serve(peer.get());
      }
    });
  }

  void Close() {
    shutdown(fd_.get(), SHUT_RDWR);
    if (thread_.joinable()) thread_.join();
    fd_.Reset();
  }

  const Endpoint& endpoint() const { return endpoint_; }

 private:
  UniqueFd fd_;
  Endpoint endpoint_;
  std::thread thread_;
};

// Real channels to real ends: what gRPC says in words is not written down
// anywhere, so a new version of it must not pass unnoticed.
class OutcomeOfRealChannelTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    // As every program does, before any use of gRPC.
    ASSERT_THAT(EnforceTlsPolicy(), IsOk());
  }

  static ctl::CertificateRequest Request(const std::string& role) {
    ctl::CertificateRequest request;
    request.common_name = "somebody";
    request.uris = {"spiffe://d.example/specula/" + role + "/somebody"};
    request.ip_addresses = {"127.0.0.1"};
    request.client_auth = true;
    request.server_auth = role == "agent";
    request.not_before = absl::Now() - absl::Hours(1);
    request.not_after = absl::Now() + absl::Hours(1);
    return request;
  }
  static ctl::KeyPair NewAuthority() {
    return ctl::MakeAuthority("d.example", absl::Now() - absl::Hours(1),
                              absl::Now() + absl::Hours(1))
        .value();
  }

  OutcomeOfRealChannelTest() {
    const ctl::KeyPair client =
        ctl::Issue(authority_, Request("viewer")).value();
    credentials_.roots_pem = authority_.certificate_pem;
    credentials_.certificate_pem = client.certificate_pem;
    credentials_.key_pem = client.key_pem;
    credentials_.identity = {"d.example", Role::kViewer, "somebody"};
  }

  Ending Ask(const Endpoint& endpoint,
             absl::Duration deadline = absl::Seconds(30)) {
    AgentClient client(MakeChannel(endpoint, credentials_));
    absl::Status status;
    absl::Notification answered;
    AgentClient::Call call = client.Mem(
        {}, deadline, [&](const absl::StatusOr<v1::MemResponse>& answer) {
          status = answer.status();
          answered.Notify();
        });
    answered.WaitForNotification();
    RecordProperty("answer", status.ToString());
    return ClassifyEnding(status, endpoint);
  }

  const ctl::KeyPair authority_ = NewAuthority();
  Credentials credentials_;
};

TEST_F(OutcomeOfRealChannelTest, NobodyListens) {
  Listener listener;
  const Endpoint endpoint = listener.endpoint();
  listener.Close();
  const Ending ending = Ask(endpoint);
  EXPECT_EQ(ending.outcome, Outcome::kUnreachable) << ending.reason;
  EXPECT_THAT(ending.reason, HasSubstr("is specula-agent running"));
  EXPECT_THAT(ending.reason, HasSubstr(FormatHostPort(endpoint.address)));
}

// gRPC 1.51 would abort; see KeepCallbackThreads.
TEST_F(OutcomeOfRealChannelTest, AnAnswerMayLetGoOfTheLastChannel) {
  Listener listener;
  listener.Serve([](int) {});
  for (int i = 0; i < 100; ++i) {
    auto client = std::make_unique<AgentClient>(
        MakeChannel(listener.endpoint(), credentials_));
    AgentClient& asked = *client;
    absl::Notification answered;
    asked.Mem({}, absl::Seconds(30),
              [&](const absl::StatusOr<v1::MemResponse>&) {
                client.reset();
                answered.Notify();
              });
    answered.WaitForNotification();
  }
}

TEST_F(OutcomeOfRealChannelTest, TheListenerCloses) {
  Listener listener;
  listener.Serve([](int) {});
  const Ending ending = Ask(listener.endpoint());
  EXPECT_EQ(ending.outcome, Outcome::kRefused) << ending.reason;
  EXPECT_THAT(ending.reason, HasSubstr("its log says which"));
}

TEST_F(OutcomeOfRealChannelTest, TheListenerReadsAndCloses) {
  Listener listener;
  listener.Serve([](int peer) {
    char hello[64];
    (void)!read(peer, hello, sizeof(hello));
  });
  const Ending ending = Ask(listener.endpoint());
  EXPECT_EQ(ending.outcome, Outcome::kRefused) << ending.reason;
  EXPECT_THAT(ending.reason, HasSubstr("its log says which"));
}

TEST_F(OutcomeOfRealChannelTest, TheListenerSpeaksPlaintext) {
  Listener listener;
  listener.Serve([](int peer) {
    char hello[4096];
    (void)!read(peer, hello, sizeof(hello));
    constexpr char kAnswer[] = "HTTP/1.1 400 Bad Request\r\n\r\n";
    (void)!write(peer, kAnswer, sizeof(kAnswer) - 1);
    // Until the client has had enough.
    while (read(peer, hello, sizeof(hello)) > 0) {
    }
  });
  const Ending ending = Ask(listener.endpoint());
  EXPECT_EQ(ending.outcome, Outcome::kRefused) << ending.reason;
  EXPECT_THAT(ending.reason, HasSubstr("does not speak TLS"));
}

TEST_F(OutcomeOfRealChannelTest, TheListenerNeverAnswers) {
  Listener listener;  // accepts nothing; the kernel's backlog connects
  const Ending ending = Ask(listener.endpoint(), absl::Milliseconds(300));
  EXPECT_EQ(ending.outcome, Outcome::kUnreachable) << ending.reason;
  EXPECT_THAT(ending.reason, HasSubstr("is the host up and the port open?"));
}

TEST_F(OutcomeOfRealChannelTest, TheNameDoesNotExist) {
  const Ending ending = Ask({{"nosuchhost.invalid", 60120}, ""});
  if (absl::StrContains(ending.reason, "no answer in time")) {
    GTEST_SKIP() << "this machine's DNS does not answer";
  }
  EXPECT_EQ(ending.outcome, Outcome::kUnreachable) << ending.reason;
  EXPECT_THAT(ending.reason,
              HasSubstr("the name 'nosuchhost.invalid' cannot be resolved"));
}

// Ends every call as an agent whose helper did not answer.
class ImpatientService : public grpc::CallbackGenericService {
 public:
  grpc::ServerGenericBidiReactor* CreateReactor(
      grpc::GenericCallbackServerContext*) override {
    struct Ended : grpc::ServerGenericBidiReactor {
      Ended() {
        Finish(grpc::Status(grpc::StatusCode::DEADLINE_EXCEEDED,
                            "getent took too long"));
      }
      void OnDone() override { delete this; }
    };
    return new Ended;
  }
};

// Begins every call and never ends it.
class HoldingService : public grpc::CallbackGenericService {
 public:
  grpc::ServerGenericBidiReactor* CreateReactor(
      grpc::GenericCallbackServerContext*) override {
    struct Held : grpc::ServerGenericBidiReactor {
      void OnCancel() override { Finish(grpc::Status::CANCELLED); }
      void OnDone() override { delete this; }
    };
    if (!begun.HasBeenNotified()) begun.Notify();
    return new Held;
  }
  absl::Notification begun;
};

// A gRPC server with mutual TLS; without `service` it has no methods.
class TlsServer {
 public:
  TlsServer(const ctl::KeyPair& pair, const std::string& roots,
            grpc::CallbackGenericService* service = nullptr) {
    grpc::SslServerCredentialsOptions options(
        GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
    options.pem_root_certs = roots;
    options.pem_key_cert_pairs = {{pair.key_pem, pair.certificate_pem}};
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", grpc::SslServerCredentials(options),
                             &port_);
    builder.RegisterCallbackGenericService(service != nullptr ? service
                                                              : &nothing_);
    server_ = builder.BuildAndStart();
  }
  ~TlsServer() { server_->Shutdown(absl::ToChronoTime(absl::Now())); }

  Endpoint endpoint() const {
    return {{"127.0.0.1", static_cast<uint16_t>(port_)}, ""};
  }

 private:
  int port_ = 0;
  grpc::CallbackGenericService nothing_;  // UNIMPLEMENTED to everything
  std::unique_ptr<grpc::Server> server_;
};

// Passes bytes between `client` and `endpoint` until `stop`.
void Relay(int client, const Endpoint& endpoint, absl::Notification& stop) {
  UniqueFd server(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(endpoint.address.port);
  if (connect(server.get(), reinterpret_cast<sockaddr*>(&address),
              sizeof(address)) != 0) {
    return;
  }
  while (!stop.HasBeenNotified()) {
    pollfd ends[] = {{client, POLLIN, 0}, {server.get(), POLLIN, 0}};
    if (poll(ends, 2, 10) <= 0) continue;
    for (int i = 0; i < 2; ++i) {
      if (ends[i].revents == 0) continue;
      char buffer[16384];
      const ssize_t got = read(ends[i].fd, buffer, sizeof(buffer));
      if (got <= 0) return;
      (void)!write(ends[1 - i].fd, buffer, static_cast<size_t>(got));
    }
  }
}

TEST_F(OutcomeOfRealChannelTest, TheAgentGoesAwayInTheMiddleOfACall) {
  HoldingService service;
  TlsServer server(ctl::Issue(authority_, Request("agent")).value(),
                   authority_.certificate_pem, &service);
  Listener listener;
  listener.Serve(
      [&](int peer) { Relay(peer, server.endpoint(), service.begun); });
  const Ending ending = Ask(listener.endpoint());
  EXPECT_EQ(ending.outcome, Outcome::kLost) << ending.reason;
  EXPECT_THAT(ending.reason, HasSubstr("in the middle of the call"));
}

TEST_F(OutcomeOfRealChannelTest, TheAgentDoesNotAnswerInTime) {
  HoldingService service;
  TlsServer server(ctl::Issue(authority_, Request("agent")).value(),
                   authority_.certificate_pem, &service);
  // As long as any call, so that the connection stands even here.
  const Ending ending = Ask(server.endpoint(), absl::Seconds(5));
  EXPECT_TRUE(service.begun.HasBeenNotified());
  EXPECT_EQ(ending.outcome, Outcome::kTimeout) << ending.reason;
  EXPECT_THAT(ending.reason, HasSubstr("connected, but gave no answer"));
}

TEST_F(OutcomeOfRealChannelTest, WhatTheAgentHadNoPatienceForIsNotTheHost) {
  ImpatientService service;
  TlsServer server(ctl::Issue(authority_, Request("agent")).value(),
                   authority_.certificate_pem, &service);
  const Ending ending = Ask(server.endpoint());
  EXPECT_EQ(ending.outcome, Outcome::kTimeout) << ending.reason;
  EXPECT_EQ(ending.reason, "getent took too long");
}

TEST_F(OutcomeOfRealChannelTest, AnAgentThatLacksTheMethodFails) {
  TlsServer server(ctl::Issue(authority_, Request("agent")).value(),
                   authority_.certificate_pem);
  const Ending ending = Ask(server.endpoint());
  EXPECT_EQ(ending.outcome, Outcome::kFailed) << ending.reason;
  EXPECT_THAT(ending.reason, HasSubstr("UNIMPLEMENTED"));
}

TEST_F(OutcomeOfRealChannelTest, TheServerIsOfAnotherAuthority) {
  TlsServer server(ctl::Issue(NewAuthority(), Request("agent")).value(),
                   authority_.certificate_pem);
  const Ending ending = Ask(server.endpoint());
  EXPECT_EQ(ending.outcome, Outcome::kRefused) << ending.reason;
  EXPECT_THAT(ending.reason, HasSubstr("is not signed by the CA"));
}

TEST_F(OutcomeOfRealChannelTest, TheServerIsNoAgent) {
  ctl::CertificateRequest request = Request("admin");
  request.server_auth = true;
  TlsServer server(ctl::Issue(authority_, request).value(),
                   authority_.certificate_pem);
  const Ending ending = Ask(server.endpoint());
  EXPECT_EQ(ending.outcome, Outcome::kRefused) << ending.reason;
  EXPECT_EQ(ending.reason,
            "the server's certificate is "
            "spiffe://d.example/specula/admin/somebody, not that of an agent "
            "of d.example");
}

TEST_F(OutcomeOfRealChannelTest, TheServerIsAnotherHost) {
  TlsServer server(ctl::Issue(authority_, Request("agent")).value(),
                   authority_.certificate_pem);
  Endpoint endpoint = server.endpoint();
  endpoint.certificate_name = "vm7";
  const Ending ending = Ask(endpoint);
  EXPECT_EQ(ending.outcome, Outcome::kRefused) << ending.reason;
  EXPECT_EQ(ending.reason,
            "the server's certificate is for agent 'somebody' and does not "
            "name 'vm7'");
}

TEST_F(OutcomeOfRealChannelTest, TheServerDoesNotKnowOurAuthority) {
  TlsServer server(ctl::Issue(authority_, Request("agent")).value(),
                   NewAuthority().certificate_pem);
  const Ending ending = Ask(server.endpoint());
  EXPECT_EQ(ending.outcome, Outcome::kRefused) << ending.reason;
  EXPECT_THAT(ending.reason, HasSubstr("does not accept this certificate"));
}

}  // namespace
}  // namespace specula
