#ifndef SPECULA_AGENT_BORDER_TLS_SESSION_H_
#define SPECULA_AGENT_BORDER_TLS_SESSION_H_

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "agent/border/trust.h"
#include "lib/rpc/certificate.h"

struct ssl_ctx_st;
struct ssl_st;

namespace specula::agent {

// What all sessions of one certificate have in common: TLS 1.3 alone, HTTP/2
// alone (ALPN), a client certificate required, no tickets, no early data.
// Immutable; thread-safe.
class TlsContext {
 public:
  // `certificate_pem` is the leaf, then intermediates; CheckMaterial has found
  // the three good. INTERNAL otherwise.
  static absl::StatusOr<std::shared_ptr<const TlsContext>> Make(
      absl::string_view roots_pem, absl::string_view certificate_pem,
      absl::string_view key_pem);

  ssl_ctx_st* get() const { return context_.get(); }

 private:
  struct Free {
    void operator()(ssl_ctx_st* context) const;
  };
  explicit TlsContext(ssl_ctx_st* context) : context_(context) {}

  const std::unique_ptr<ssl_ctx_st, Free> context_;
};

// The server's side of one TLS connection, without its socket: bytes of the
// wire go in and come out. One thread at a time.
class TlsSession {
 public:
  // Whose chain it is that OpenSSL has verified (his certificate, its issuers,
  // the authority), if he may come in. Called in Handshake.
  using Judge = std::function<absl::StatusOr<Caller>(
      const std::vector<Certificate>& chain)>;

  // INTERNAL if there is no memory.
  static absl::StatusOr<std::unique_ptr<TlsSession>> Make(
      std::shared_ptr<const TlsContext> context, Judge judge);
  ~TlsSession();
  TlsSession(const TlsSession&) = delete;

  enum class Progress { kMore, kDone, kFailed };

  // Goes on with the handshake by what was received; appends to `to_wire` what
  // is to be sent, in any case: it says a failure to the other side. After
  // kDone `received` is what came behind the handshake: give it to Read.
  Progress Handshake(absl::string_view& received, std::string& to_wire);

  // Who was let in; null before kDone.
  const std::shared_ptr<const Caller>& caller() const { return caller_; }

  // Why the handshake has failed: PERMISSION_DENIED.
  const absl::Status& failure() const { return failure_; }

  // What became of the bytes that were received: they were good so far; they
  // end with the other side's goodbye; they are no TLS of this session.
  enum class Incoming { kGood, kEnd, kBroken };

  // Appends to `plain` what `received` holds, and to `to_wire` what TLS itself
  // has to say.
  Incoming Read(absl::string_view received, std::string& plain,
                std::string& to_wire);

  // Appends `plain`, encrypted, to `to_wire`. False if the session is broken.
  bool Write(absl::string_view plain, std::string& to_wire);

  // Appends the goodbye.
  void End(std::string& to_wire);

 private:
  friend struct TlsHooks;  // what OpenSSL calls

  struct Free {
    void operator()(ssl_st* ssl) const;
  };
  TlsSession(std::shared_ptr<const TlsContext> context, Judge judge);

  absl::Status ExplainFailure(int ssl_error);

  const std::shared_ptr<const TlsContext> context_;
  const Judge judge_;
  std::unique_ptr<ssl_st, Free> ssl_;
  absl::string_view received_;      // what OpenSSL may read now
  std::string* to_wire_ = nullptr;  // where it writes to now
  std::shared_ptr<const Caller> caller_;
  absl::Status failure_;
  int key_updates_ = 0;
};

}  // namespace specula::agent

#endif  // SPECULA_AGENT_BORDER_TLS_SESSION_H_
