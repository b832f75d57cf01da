#ifndef SPECULA_SHIM_MATERIAL_H_
#define SPECULA_SHIM_MATERIAL_H_

#include <boost/asio/ssl/context.hpp>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "clients/cpp/credentials.h"
#include "shim/options.h"

namespace specula::shim {

// What controllers are shown; null: the wire is plain.
using TlsContext = std::unique_ptr<boost::asio::ssl::context>;

// The shim's certificates: its own towards the agent, and a server's towards
// controllers.
struct Material {
  Credentials credentials;
  TlsContext tls;
};

// The files that they are in, which may be exchanged at any moment, one by one
// or as Kubernetes does it, by a link to a directory. Bounded reads of small
// files; not thread-safe.
class MaterialFiles {
 public:
  explicit MaterialFiles(const Options& options);

  // Reads and checks all; errors carry the path and what is wrong.
  absl::StatusOr<Material> Load();

  // As Load, if anything was written since the last time; else nothing. What
  // was caught half-written is an error now, and new again as soon as it is
  // whole.
  std::optional<absl::StatusOr<Material>> Poll();

 private:
  std::string Content() const;

  CredentialPaths credentials_;
  bool tls_;
  std::string tls_certificate_;
  std::string tls_key_;
  std::string seen_;  // their content
};

}  // namespace specula::shim

#endif  // SPECULA_SHIM_MATERIAL_H_
