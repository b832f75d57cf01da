#ifndef SPECULA_SHIM_TOKEN_H_
#define SPECULA_SHIM_TOKEN_H_

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "lib/rpc/identity.h"

namespace specula::shim {

// Who may come in. Of a token only its SHA-256 is kept.
class TokenSet {
 public:
  // The holder of a token.
  struct Holder {
    // What logs and the agent's audit call it: "token 3" (its line in the file)
    // or "MON_TOKEN". Never its value.
    std::string name;
    Role role = Role::kOperator;  // viewer, operator or admin
  };

  // Reads a token file: one token on each line, `role:token` or just a token,
  // which is an operator's. Blank lines and those that begin with '#' are
  // skipped. INVALID_ARGUMENT with `name`:LINE, and never with a token, for one
  // that is empty, too long to be sent, holds blanks or control characters, is
  // there twice, or has another role; and if there is none at all. Pure.
  static absl::StatusOr<TokenSet> Parse(absl::string_view text,
                                        absl::string_view name);

  // As Parse, from a file that nobody else may read; else PERMISSION_DENIED
  // with the path.
  static absl::StatusOr<TokenSet> Load(const std::string& path);

  // The one token of an operator, as it stands in MON_TOKEN.
  static absl::StatusOr<TokenSet> FromEnvironment(absl::string_view value);

  // Who has this token; null: nobody. Takes as long for every token of the
  // same length, right or wrong.
  const Holder* Find(absl::string_view token) const;

  const std::vector<Holder>& holders() const { return holders_; }

 private:
  using Digest = std::array<uint8_t, 32>;
  static Digest DigestOf(absl::string_view token);
  // INVALID_ARGUMENT says what is wrong with it.
  absl::Status Add(absl::string_view token, Holder holder);

  std::vector<Digest> digests_;  // of the holders, in their order
  std::vector<Holder> holders_;
};

// Takes a variable out of the environment of this process, its value
// overwritten, so that neither a child nor /proc/PID/environ shows it. Empty
// and false if it is not set. Before the first thread.
bool TakeFromEnvironment(const char* name, std::string& value);

}  // namespace specula::shim

#endif  // SPECULA_SHIM_TOKEN_H_
