#include "agent/border/tls_session.h"

#include <openssl/ssl.h>

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "ctl/pki/authority.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "lib/rpc/openssl_ptr.h"
#include "tests/lib/base/testing.h"

namespace specula::agent {
namespace {

using ::specula::testing::IsOk;
using ::specula::testing::StatusIs;
using ::testing::HasSubstr;

using ContextPtr = std::unique_ptr<SSL_CTX, OpenSslFree<SSL_CTX_free>>;
using SslPtr = std::unique_ptr<SSL, OpenSslFree<SSL_free>>;

ctl::KeyPair MakeRoot() {
  const absl::Time now = absl::Now();
  return ctl::MakeAuthority("d.example", now - absl::Hours(1),
                            now + absl::Hours(2))
      .value();
}

ctl::CertificateRequest Request() {
  ctl::CertificateRequest request;
  request.common_name = "bob";
  request.uris = {"spiffe://d.example/specula/viewer/bob"};
  request.client_auth = true;
  request.not_before = absl::Now() - absl::Hours(1);
  request.not_after = absl::Now() + absl::Hours(1);
  return request;
}

// The other side: OpenSSL's client, whose wire is two pieces of memory.
class Client {
 public:
  explicit Client(const std::function<void(SSL_CTX*)>& configure = {}) {
    context_.reset(SSL_CTX_new(TLS_client_method()));
    static const unsigned char kH2[] = "\2h2";
    SSL_CTX_set_alpn_protos(context_.get(), kH2, 3);
    if (configure) configure(context_.get());
    ssl_.reset(SSL_new(context_.get()));
    SSL_set_bio(ssl_.get(), BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
    SSL_set_connect_state(ssl_.get());
  }
  SSL* ssl() { return ssl_.get(); }

  // Goes on, with what came. True once the handshake is done.
  bool Handshake(const std::string& received) {
    Give(received);
    const int result = SSL_do_handshake(ssl_.get());
    error_ = SSL_get_error(ssl_.get(), result);
    reason_ = error_ == SSL_ERROR_SSL ? OpenSslReason() : "";
    return result == 1;
  }
  void Give(const std::string& received) {
    if (!received.empty()) {
      BIO_write(SSL_get_rbio(ssl_.get()), received.data(),
                static_cast<int>(received.size()));
    }
  }
  std::string Take() {
    std::string wire = BioText(SSL_get_wbio(ssl_.get()));
    BIO_reset(SSL_get_wbio(ssl_.get()));
    return wire;
  }
  std::string Read() {
    std::string plain;
    char buffer[4096];
    int got = 0;
    while ((got = SSL_read(ssl_.get(), buffer, sizeof buffer)) > 0) {
      plain.append(buffer, static_cast<size_t>(got));
    }
    reason_ = OpenSslReason();
    return plain;
  }
  const std::string& reason() const { return reason_; }

 private:
  ContextPtr context_;
  SslPtr ssl_;
  int error_ = 0;
  std::string reason_;
};

class TlsSessionTest : public ::testing::Test {
 protected:
  TlsSessionTest() {
    ctl::CertificateRequest request = Request();
    request.uris = {"spiffe://d.example/specula/agent/host"};
    request.server_auth = true;
    const ctl::KeyPair own = ctl::Issue(root_, request).value();
    context_ = TlsContext::Make(root_.certificate_pem, own.certificate_pem,
                                own.key_pem)
                   .value();
  }

  void NewSession() {
    session_ = TlsSession::Make(context_, [this](const auto& chain) {
                 chain_ = chain;
                 return verdict_;
               }).value();
  }

  static std::function<void(SSL_CTX*)> Show(const ctl::KeyPair& pair) {
    return [pair](SSL_CTX* context) {
      const auto chain = ReadX509Pem(pair.certificate_pem).value();
      SSL_CTX_use_certificate(context, chain.front().get());
      SSL_CTX_use_PrivateKey(context, ReadKeyPem(pair.key_pem).value().get());
    };
  }
  std::function<void(SSL_CTX*)> ShowGood() const {
    return Show(ctl::Issue(root_, Request()).value());
  }

  // Lets both talk to each other, by pieces of `piece` bytes.
  TlsSession::Progress Shake(Client& client, size_t piece = 1 << 20) {
    NewSession();
    client.Handshake("");
    TlsSession::Progress progress = TlsSession::Progress::kMore;
    for (int turn = 0; turn < 10; ++turn) {
      const std::string wire = client.Take();
      std::string answer;
      for (size_t at = 0;
           at < wire.size() && progress == TlsSession::Progress::kMore;
           at += piece) {
        absl::string_view part = absl::string_view(wire).substr(at, piece);
        progress = session_->Handshake(part, answer);
      }
      client.Handshake(answer);
      if (progress != TlsSession::Progress::kMore) break;
    }
    return progress;
  }
  void ExpectRefused(Client& client, const char* why) {
    EXPECT_EQ(Shake(client), TlsSession::Progress::kFailed);
    EXPECT_THAT(session_->failure(),
                StatusIs(absl::StatusCode::kPermissionDenied, why));
    EXPECT_EQ(session_->caller(), nullptr);
  }

  const ctl::KeyPair root_ = MakeRoot();
  std::shared_ptr<const TlsContext> context_;
  std::unique_ptr<TlsSession> session_;
  std::vector<Certificate> chain_;
  absl::StatusOr<Caller> verdict_ =
      Caller{{"d.example", Role::kViewer, "bob"}, "A1", {}, {}, ""};
};

TEST_F(TlsSessionTest, AGoodCallerIsLetInWithItsChain) {
  for (const size_t piece : {size_t{1} << 20, size_t{1}}) {
    Client client(ShowGood());
    ASSERT_EQ(Shake(client, piece), TlsSession::Progress::kDone)
        << session_->failure();
    ASSERT_NE(session_->caller(), nullptr);
    EXPECT_EQ(session_->caller()->serial, "A1");
    ASSERT_EQ(chain_.size(), 2u);
    EXPECT_EQ(chain_[0].common_name, "bob");
    EXPECT_TRUE(chain_[1].is_authority);
    EXPECT_EQ(SSL_version(client.ssl()), TLS1_3_VERSION);
    EXPECT_EQ(SSL_SESSION_has_ticket(SSL_get_session(client.ssl())), 0);
  }
}

TEST_F(TlsSessionTest, BytesGoBothWaysHoweverTheyAreCut) {
  Client client(ShowGood());
  ASSERT_EQ(Shake(client), TlsSession::Progress::kDone);
  std::string long_text;
  for (int i = 0; i < 100'000; ++i) long_text += static_cast<char>(i * 7);
  ASSERT_EQ(SSL_write(client.ssl(), long_text.data(),
                      static_cast<int>(long_text.size())),
            static_cast<int>(long_text.size()));
  const std::string wire = client.Take();
  std::string plain, to_wire;
  for (size_t at = 0; at < wire.size(); at += 777) {
    ASSERT_EQ(
        session_->Read(absl::string_view(wire).substr(at, 777), plain, to_wire),
        TlsSession::Incoming::kGood);
  }
  EXPECT_EQ(plain, long_text);
  EXPECT_EQ(to_wire, "");
  ASSERT_TRUE(session_->Write(long_text, to_wire));
  client.Give(to_wire);
  EXPECT_EQ(client.Read(), long_text);
  // Goodbyes.
  to_wire.clear();
  session_->End(to_wire);
  client.Give(to_wire);
  EXPECT_EQ(client.Read(), "");
  EXPECT_NE(SSL_get_shutdown(client.ssl()) & SSL_RECEIVED_SHUTDOWN, 0);
  SSL_shutdown(client.ssl());
  plain.clear();
  EXPECT_EQ(session_->Read(client.Take(), plain, to_wire),
            TlsSession::Incoming::kEnd);
}

TEST_F(TlsSessionTest, WhatComesWithTheEndOfTheHandshakeIsNotLost) {
  NewSession();
  Client client(ShowGood());
  client.Handshake("");
  std::string answer;
  const std::string hello = client.Take();
  absl::string_view received = hello;
  EXPECT_EQ(session_->Handshake(received, answer), TlsSession::Progress::kMore);
  ASSERT_TRUE(client.Handshake(answer));
  // Clients do not wait for us.
  SSL_write(client.ssl(), "early", 5);
  SSL_write(client.ssl(), " bird", 5);
  const std::string wire = client.Take();
  received = wire;
  ASSERT_EQ(session_->Handshake(received, answer), TlsSession::Progress::kDone);
  std::string plain;
  EXPECT_EQ(session_->Read(received, plain, answer),
            TlsSession::Incoming::kGood);
  EXPECT_EQ(plain, "early bird");
}

TEST_F(TlsSessionTest, WhoIsRefusedIsToldWhy) {
  {
    Client client;
    ExpectRefused(client, "showed no certificate");
  }
  {
    Client client(Show(ctl::Issue(MakeRoot(), Request()).value()));
    ExpectRefused(client, "cannot be verified");
    client.Read();
    EXPECT_THAT(client.reason(), HasSubstr("unknown ca"));
  }
  {
    ctl::CertificateRequest request = Request();
    request.not_after = absl::Now() - absl::Minutes(1);
    Client client(Show(ctl::Issue(root_, request).value()));
    ExpectRefused(client, "expired");
    client.Read();
    EXPECT_THAT(client.reason(), HasSubstr("expired"));
  }
  {
    ctl::CertificateRequest request = Request();
    request.client_auth = false;
    request.server_auth = true;
    Client client(Show(ctl::Issue(root_, request).value()));
    ExpectRefused(client, "purpose");
  }
  {
    verdict_ = absl::PermissionDeniedError("the certificate was revoked");
    Client client(ShowGood());
    ExpectRefused(client, "was revoked");
    client.Read();
    EXPECT_THAT(client.reason(), HasSubstr("certificate"));
  }
}

TEST_F(TlsSessionTest, OnlyHttp2OverTls13) {
  const auto with = [&](const std::function<void(SSL_CTX*)>& change) {
    return [this, change](SSL_CTX* context) {
      ShowGood()(context);
      change(context);
    };
  };
  {
    Client client(with([](SSL_CTX* context) {
      SSL_CTX_clear_options(context, SSL_OP_NO_TLSv1_2);
      SSL_CTX_set_max_proto_version(context, TLS1_2_VERSION);
    }));
    ExpectRefused(client, "TLS 1.3");
  }
  {
    Client client(with([](SSL_CTX* context) {
      SSL_CTX_set_alpn_protos(
          context, reinterpret_cast<const unsigned char*>("\x8http/1.1"), 9);
    }));
    ExpectRefused(client, "HTTP/2");
    client.Read();
  }
  {
    Client client(with([](SSL_CTX* context) {
      SSL_CTX_set_alpn_protos(context, nullptr, 0);
    }));
    ExpectRefused(client, "HTTP/2");
  }
  for (const auto& [bytes, why] :
       {std::pair{"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP without TLS"},
        std::pair{"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "not speak TLS"},
        std::pair{"SSH-2.0-OpenSSH_9.2\r\n", "not speak TLS"}}) {
    NewSession();
    std::string answer;
    absl::string_view received = bytes;
    EXPECT_EQ(session_->Handshake(received, answer),
              TlsSession::Progress::kFailed);
    EXPECT_THAT(session_->failure(),
                StatusIs(absl::StatusCode::kPermissionDenied, why));
  }
}

TEST_F(TlsSessionTest, EndlessKeyUpdatesEndTheSession) {
  Client client(ShowGood());
  ASSERT_EQ(Shake(client), TlsSession::Progress::kDone);
  TlsSession::Incoming incoming = TlsSession::Incoming::kGood;
  size_t answered = 0;
  for (int i = 0; i < 1000 && incoming == TlsSession::Incoming::kGood; ++i) {
    SSL_key_update(client.ssl(), SSL_KEY_UPDATE_REQUESTED);
    SSL_write(client.ssl(), "x", 1);
    std::string plain, to_wire;
    incoming = session_->Read(client.Take(), plain, to_wire);
    answered += to_wire.size();
    client.Give(to_wire);
    client.Read();
  }
  EXPECT_EQ(incoming, TlsSession::Incoming::kBroken);
  EXPECT_LT(answered, 20'000u);
}

TEST_F(TlsSessionTest, GarbageAfterTheHandshakeEndsTheSession) {
  Client client(ShowGood());
  ASSERT_EQ(Shake(client), TlsSession::Progress::kDone);
  std::string plain, to_wire;
  EXPECT_EQ(session_->Read(
                std::string("\x17\x03\x03\x00\x20", 5) + std::string(32, 'x'),
                plain, to_wire),
            TlsSession::Incoming::kBroken);
  EXPECT_EQ(plain, "");
}

}  // namespace
}  // namespace specula::agent
