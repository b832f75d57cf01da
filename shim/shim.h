#ifndef SPECULA_SHIM_SHIM_H_
#define SPECULA_SHIM_SHIM_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "shim/options.h"
#include "shim/token.h"

namespace specula::shim {

// The composition of a shim, on one loop thread.
class Shim {
 public:
  // Reads and checks all files, binds all addresses. `tokens`: who may come in.
  static absl::StatusOr<std::unique_ptr<Shim>> Create(const Options& options,
                                                      TokenSet tokens);
  ~Shim();

  // Serves until SIGTERM or SIGINT, then lets the answers out and returns.
  void Run();

 private:
  struct Parts;
  explicit Shim(std::unique_ptr<Parts> parts);
  const std::unique_ptr<Parts> parts_;
};

// Who may come in, from --token-file or MON_TOKEN, whose value is given if it
// was set. FAILED_PRECONDITION if there is neither.
absl::StatusOr<TokenSet> LoadTokens(const Options& options,
                                    const std::string* mon_token);

// Whether all files are there, fit and are for this use.
absl::Status CheckConfig(const Options& options);

}  // namespace specula::shim

#endif  // SPECULA_SHIM_SHIM_H_
