#include "agent/border/tls_session.h"

#include <openssl/ssl.h>

#include <algorithm>
#include <climits>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "lib/base/status_macros.h"
#include "lib/rpc/openssl_ptr.h"

namespace specula::agent {
namespace {

constexpr unsigned char kHttp2[] = {2, 'h', '2'};
constexpr long kMostChainBytes = 32 << 10;
constexpr size_t kRecordBytes = 16 << 10;

// A key is good for 2^24 records (RFC 8446, 5.5): far more than this many would
// hold together. Each costs the other side nothing and us two hashes.
constexpr int kMostKeyUpdates = 128;

int SessionIndex() {
  static const int index =
      SSL_get_ex_new_index(0, nullptr, nullptr, nullptr, nullptr);
  return index;
}

// What the other side says in an alert, such as that it does not believe us.
std::string AlertText(int alert) {
  return absl::StrCat("the other side ended the handshake: ",
                      SSL_alert_desc_string_long(alert));
}

}  // namespace

// The functions that OpenSSL calls, with access to the session that they are
// about.
struct TlsHooks {
  static TlsSession* SessionOf(const SSL* ssl) {
    return static_cast<TlsSession*>(SSL_get_ex_data(ssl, SessionIndex()));
  }

  static int Read(BIO* bio, char* into, size_t size, size_t* got) {
    auto* session = static_cast<TlsSession*>(BIO_get_data(bio));
    BIO_clear_retry_flags(bio);
    absl::string_view& received = session->received_;
    *got = std::min(size, received.size());
    if (*got == 0) {
      BIO_set_retry_read(bio);
      return 0;
    }
    memcpy(into, received.data(), *got);
    received.remove_prefix(*got);
    return 1;
  }

  static int Write(BIO* bio, const char* from, size_t size, size_t* written) {
    auto* session = static_cast<TlsSession*>(BIO_get_data(bio));
    if (session->to_wire_ == nullptr) return 0;
    session->to_wire_->append(from, size);
    *written = size;
    return 1;
  }

  static long Control(BIO*, int command, long, void*) {
    return command == BIO_CTRL_FLUSH ? 1 : 0;
  }

  static BIO_METHOD* Method() {
    static BIO_METHOD* const method = [] {
      BIO_METHOD* made =
          BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "wire");
      BIO_meth_set_read_ex(made, Read);
      BIO_meth_set_write_ex(made, Write);
      BIO_meth_set_ctrl(made, Control);
      return made;
    }();
    return method;
  }

  static int ChooseProtocol(SSL*, const unsigned char** out,
                            unsigned char* length, const unsigned char* in,
                            unsigned int size, void*) {
    unsigned char* chosen = nullptr;
    if (SSL_select_next_proto(&chosen, length, kHttp2, sizeof kHttp2, in,
                              size) != OPENSSL_NPN_NEGOTIATED) {
      return SSL_TLSEXT_ERR_ALERT_FATAL;
    }
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
  }

  // In the place of OpenSSL's own verification, which it begins with.
  static int Verify(X509_STORE_CTX* store, void*) {
    if (X509_verify_cert(store) != 1) return 0;
    auto* ssl = static_cast<SSL*>(X509_STORE_CTX_get_ex_data(
        store, SSL_get_ex_data_X509_STORE_CTX_idx()));
    TlsSession* session = SessionOf(ssl);
    absl::StatusOr<Caller> caller =
        JudgeVerified(*session, X509_STORE_CTX_get0_chain(store));
    if (caller.ok()) {
      session->caller_ = std::make_shared<const Caller>(*std::move(caller));
      return 1;
    }
    session->failure_ = caller.status();
    // Becomes the alert "bad certificate".
    X509_STORE_CTX_set_error(store, X509_V_ERR_CERT_REJECTED);
    return 0;
  }

  static absl::StatusOr<Caller> JudgeVerified(const TlsSession& session,
                                              STACK_OF(X509) * verified) {
    std::vector<Certificate> chain;
    for (int i = 0; i < sk_X509_num(verified); ++i) {
      unsigned char* der = nullptr;
      const int size = i2d_X509(sk_X509_value(verified, i), &der);
      const OpenSslBytes owner(der);
      if (size < 0) return OpenSslInternal("certificate");
      absl::StatusOr<Certificate> certificate =
          ParseCertificateDer(absl::string_view(reinterpret_cast<char*>(der),
                                                static_cast<size_t>(size)));
      if (!certificate.ok())
        return absl::PermissionDeniedError(certificate.status().message());
      chain.push_back(*std::move(certificate));
    }
    return session.judge_(chain);
  }

  static void SawMessage(int write, int /*version*/, int type,
                         const void* message, size_t size, SSL* ssl, void*) {
    if (write == 0 && type == SSL3_RT_HANDSHAKE && size > 0 &&
        *static_cast<const unsigned char*>(message) == SSL3_MT_KEY_UPDATE) {
      ++SessionOf(ssl)->key_updates_;
    }
  }
};

void TlsContext::Free::operator()(ssl_ctx_st* context) const {
  SSL_CTX_free(context);
}

absl::StatusOr<std::shared_ptr<const TlsContext>> TlsContext::Make(
    absl::string_view roots_pem, absl::string_view certificate_pem,
    absl::string_view key_pem) {
  ERR_clear_error();
  std::shared_ptr<TlsContext> made(
      new TlsContext(SSL_CTX_new(TLS_server_method())));
  SSL_CTX* context = made->get();
  if (context == nullptr) return OpenSslInternal("SSL_CTX_new");
  SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION);
  SSL_CTX_set_options(context, SSL_OP_NO_TICKET);
  SSL_CTX_set_num_tickets(context, 0);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_mode(context, SSL_MODE_NO_AUTO_CHAIN | SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_max_cert_list(context, kMostChainBytes);
  SSL_CTX_set_alpn_select_cb(context, TlsHooks::ChooseProtocol, nullptr);
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT,
                     /*callback=*/nullptr);
  SSL_CTX_set_cert_verify_callback(context, TlsHooks::Verify, nullptr);
  SSL_CTX_set_msg_callback(context, TlsHooks::SawMessage);

  ASSIGN_OR_RETURN(std::vector<X509Ptr> roots, ReadX509Pem(roots_pem));
  for (const X509Ptr& root : roots) {
    X509_STORE_add_cert(SSL_CTX_get_cert_store(context), root.get());
  }
  ASSIGN_OR_RETURN(std::vector<X509Ptr> chain, ReadX509Pem(certificate_pem));
  ASSIGN_OR_RETURN(KeyPtr key, ReadKeyPem(key_pem));
  if (SSL_CTX_use_certificate(context, chain.front().get()) != 1 ||
      SSL_CTX_use_PrivateKey(context, key.get()) != 1) {
    return OpenSslInternal("certificate and key");
  }
  for (size_t i = 1; i < chain.size(); ++i) {
    if (SSL_CTX_add1_chain_cert(context, chain[i].get()) != 1)
      return OpenSslInternal("intermediate certificate");
  }
  return made;
}

TlsSession::TlsSession(std::shared_ptr<const TlsContext> context, Judge judge)
    : context_(std::move(context)),
      judge_(std::move(judge)),
      ssl_(SSL_new(context_->get())) {}

TlsSession::~TlsSession() = default;

void TlsSession::Free::operator()(ssl_st* ssl) const { SSL_free(ssl); }

absl::StatusOr<std::unique_ptr<TlsSession>> TlsSession::Make(
    std::shared_ptr<const TlsContext> context, Judge judge) {
  ERR_clear_error();
  std::unique_ptr<TlsSession> session(
      new TlsSession(std::move(context), std::move(judge)));
  BIO* bio = BIO_new(TlsHooks::Method());
  if (session->ssl_ == nullptr || bio == nullptr ||
      SSL_set_ex_data(session->ssl_.get(), SessionIndex(), session.get()) !=
          1) {
    BIO_free(bio);
    return OpenSslInternal("SSL_new");
  }
  BIO_set_data(bio, session.get());
  BIO_set_init(bio, 1);
  SSL_set_bio(session->ssl_.get(), bio, bio);
  SSL_set_accept_state(session->ssl_.get());
  return session;
}

TlsSession::Progress TlsSession::Handshake(absl::string_view& received,
                                           std::string& to_wire) {
  ERR_clear_error();
  received_ = received;
  to_wire_ = &to_wire;
  const int result = SSL_do_handshake(ssl_.get());
  const int error = SSL_get_error(ssl_.get(), result);
  to_wire_ = nullptr;
  received = received_;
  if (result == 1) {
    const unsigned char* protocol = nullptr;
    unsigned int length = 0;
    SSL_get0_alpn_selected(ssl_.get(), &protocol, &length);
    if (length > 0) return Progress::kDone;
    caller_.reset();
    failure_ = absl::PermissionDeniedError(
        "the caller does not say that it speaks HTTP/2 (ALPN h2)");
    return Progress::kFailed;
  }
  if (error == SSL_ERROR_WANT_READ) return Progress::kMore;
  if (failure_.ok()) failure_ = ExplainFailure(error);
  ERR_clear_error();
  return Progress::kFailed;
}

absl::Status TlsSession::ExplainFailure(int ssl_error) {
  const unsigned long code = ERR_peek_last_error();
  const int reason = ERR_GET_REASON(code);
  const long verified = SSL_get_verify_result(ssl_.get());
  std::string text;
  if (ssl_error != SSL_ERROR_SSL) {
    text = "the handshake broke off";
  } else if (reason == SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE) {
    text = "the caller showed no certificate";
  } else if (reason == SSL_R_CERTIFICATE_VERIFY_FAILED) {
    text = absl::StrCat("the certificate cannot be verified: ",
                        X509_verify_cert_error_string(verified));
  } else if (reason == SSL_R_UNSUPPORTED_PROTOCOL ||
             reason == SSL_R_VERSION_TOO_LOW ||
             reason == SSL_R_NO_PROTOCOLS_AVAILABLE) {
    text = "the caller does not speak TLS 1.3";
  } else if (reason == SSL_R_HTTP_REQUEST) {
    text = "the caller speaks HTTP without TLS";
  } else if (reason == SSL_R_WRONG_VERSION_NUMBER ||
             reason == SSL_R_UNEXPECTED_MESSAGE) {
    text = "the caller does not speak TLS";
  } else if (reason == SSL_R_NO_APPLICATION_PROTOCOL) {
    text = "the caller does not speak HTTP/2 (ALPN h2)";
  } else if (reason > SSL_AD_REASON_OFFSET) {
    text = AlertText(reason - SSL_AD_REASON_OFFSET);
  } else {
    const char* words = ERR_reason_error_string(code);
    text = absl::StrCat("TLS: ", words == nullptr ? "unknown error" : words);
  }
  return absl::PermissionDeniedError(text);
}

// At the head of the loop all that OpenSSL has decrypted is in `plain`.
TlsSession::Incoming TlsSession::Read(absl::string_view received,
                                      std::string& plain,
                                      std::string& to_wire) {
  ERR_clear_error();
  received_ = received;
  to_wire_ = &to_wire;
  Incoming result = Incoming::kGood;
  while (true) {
    const size_t before = plain.size();
    plain.resize(before + kRecordBytes);
    size_t got = 0;
    const int read =
        SSL_read_ex(ssl_.get(), plain.data() + before, kRecordBytes, &got);
    plain.resize(before + got);
    if (read == 1 && key_updates_ <= kMostKeyUpdates) continue;
    const int error = SSL_get_error(ssl_.get(), read);
    if (key_updates_ > kMostKeyUpdates ||
        (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_ZERO_RETURN)) {
      result = Incoming::kBroken;
    } else if (error == SSL_ERROR_ZERO_RETURN) {
      result = Incoming::kEnd;
    }
    break;
  }
  to_wire_ = nullptr;
  if (result == Incoming::kBroken) ERR_clear_error();
  return result;
}

bool TlsSession::Write(absl::string_view plain, std::string& to_wire) {
  if (plain.empty()) return true;
  ERR_clear_error();
  to_wire_ = &to_wire;
  size_t written = 0;
  const bool good =
      SSL_write_ex(ssl_.get(), plain.data(), plain.size(), &written) == 1;
  to_wire_ = nullptr;
  return good && written == plain.size();
}

void TlsSession::End(std::string& to_wire) {
  ERR_clear_error();
  to_wire_ = &to_wire;
  SSL_shutdown(ssl_.get());
  to_wire_ = nullptr;
  ERR_clear_error();
}

}  // namespace specula::agent
