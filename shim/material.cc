#include "shim/material.h"

#include "absl/strings/str_cat.h"
#include "lib/base/file.h"
#include "lib/base/status_macros.h"
#include "lib/rpc/certificate.h"

namespace specula::shim {
namespace {

absl::StatusOr<Credentials> LoadShimCredentials(const CredentialPaths& paths) {
  ASSIGN_OR_RETURN(Credentials credentials, LoadCredentials(paths));
  if (credentials.identity.role == Role::kShim) return credentials;
  return absl::FailedPreconditionError(absl::StrCat(
      paths.certificate, ": has the role ", RoleName(credentials.identity.role),
      ", not shim; make one with: specula pki shim DIR NAME"));
}

absl::StatusOr<TlsContext> MakeTls(const std::string& certificate_path,
                                   const std::string& key_path) {
  ASSIGN_OR_RETURN(const std::string chain, ReadFile(certificate_path));
  ASSIGN_OR_RETURN(const std::string key, ReadSecretFile(key_path));
  ASSIGN_OR_RETURN(const Certificate certificate, ParseCertificatePem(chain));
  if (!certificate.server_auth) {
    return absl::FailedPreconditionError(
        absl::StrCat(certificate_path,
                     ": not for servers (extendedKeyUsage lacks serverAuth)"));
  }
  auto context = std::make_unique<boost::asio::ssl::context>(
      boost::asio::ssl::context::tls_server);
  boost::system::error_code error;
  context->use_certificate_chain(boost::asio::buffer(chain), error);
  if (error) {
    return absl::InvalidArgumentError(
        absl::StrCat(certificate_path, ": ", error.message()));
  }
  context->use_private_key(boost::asio::buffer(key),
                           boost::asio::ssl::context::pem, error);
  if (error) {
    return absl::InvalidArgumentError(
        absl::StrCat(key_path, ": ", error.message(), " (is it the key of ",
                     certificate_path, "?)"));
  }
  // Buffers only while something is on its way.
  SSL_CTX_set_mode(context->native_handle(), SSL_MODE_RELEASE_BUFFERS);
  return context;
}

}  // namespace

MaterialFiles::MaterialFiles(const Options& options)
    : credentials_(options.credentials),
      tls_(options.tls),
      tls_certificate_(options.tls_certificate),
      tls_key_(options.tls_key) {}

std::string MaterialFiles::Content() const {
  std::string content;
  for (const std::string* path :
       {&credentials_.ca, &credentials_.certificate, &credentials_.key,
        &tls_certificate_, &tls_key_}) {
    if (path->empty()) continue;
    const absl::StatusOr<std::string> text = ReadFile(*path);
    absl::StrAppend(&content, text.ok() ? *text : text.status().ToString(),
                    absl::string_view("\0", 1));
  }
  return content;
}

absl::StatusOr<Material> MaterialFiles::Load() {
  // First, so that what is written while the rest is read is new next time.
  seen_ = Content();
  Material material;
  ASSIGN_OR_RETURN(material.credentials, LoadShimCredentials(credentials_));
  if (tls_) {
    ASSIGN_OR_RETURN(material.tls, MakeTls(tls_certificate_, tls_key_));
  }
  return material;
}

std::optional<absl::StatusOr<Material>> MaterialFiles::Poll() {
  if (Content() == seen_) return std::nullopt;
  return Load();
}

}  // namespace specula::shim
