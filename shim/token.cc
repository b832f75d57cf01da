#include "shim/token.h"

#include <openssl/crypto.h>
#include <openssl/sha.h>

#include <cstdlib>
#include <cstring>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "lib/base/file.h"
#include "lib/base/status_macros.h"
#include "shim/frame.h"

namespace specula::shim {
namespace {

// What is left of a stranger's frame behind "AUTH ".
constexpr size_t kMostTokenBytes = kMostShortBytes - 5;

// The role before the colon, if there is one.
absl::StatusOr<Role> TakeRole(absl::string_view& line) {
  const size_t colon = line.find(':');
  if (colon == absl::string_view::npos) return Role::kOperator;
  const absl::StatusOr<Role> role = ParseRole(line.substr(0, colon));
  if (!role.ok() || *role == Role::kShim || *role == Role::kAgent) {
    // Its text is not told: it may be part of a token.
    return absl::InvalidArgumentError(
        "before the ':' stands viewer, operator or admin; also before a token "
        "that has a ':' itself");
  }
  line.remove_prefix(colon + 1);
  return *role;
}

absl::Status CheckCharacters(absl::string_view token) {
  for (unsigned char byte : token) {
    if (byte <= ' ' || byte == 0x7f) {
      return absl::InvalidArgumentError(
          "the token has a blank or a control character");
    }
  }
  return absl::OkStatus();
}

}  // namespace

TokenSet::Digest TokenSet::DigestOf(absl::string_view token) {
  Digest digest;
  SHA256(reinterpret_cast<const unsigned char*>(token.data()), token.size(),
         digest.data());
  return digest;
}

absl::Status TokenSet::Add(absl::string_view token, Holder holder) {
  if (token.empty()) return absl::InvalidArgumentError("the token is empty");
  if (token.size() > kMostTokenBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("the token is longer than the ", kMostTokenBytes,
                     " bytes that can be sent"));
  }
  if (Find(token) != nullptr) {
    return absl::InvalidArgumentError("the token is there twice");
  }
  digests_.push_back(DigestOf(token));
  holders_.push_back(std::move(holder));
  return absl::OkStatus();
}

absl::StatusOr<TokenSet> TokenSet::Parse(absl::string_view text,
                                         absl::string_view name) {
  TokenSet tokens;
  int number = 0;
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    ++number;
    absl::ConsumeSuffix(&line, "\r");
    if (absl::StripAsciiWhitespace(line).empty() || line[0] == '#') continue;
    absl::StatusOr<Role> role = TakeRole(line);
    absl::Status status = role.status();
    if (status.ok()) status = CheckCharacters(line);
    if (status.ok()) {
      status = tokens.Add(line, {absl::StrCat("token ", number), *role});
    }
    if (!status.ok()) {
      return absl::InvalidArgumentError(
          absl::StrCat(name, ":", number, ": ", status.message()));
    }
  }
  if (!tokens.holders_.empty()) return tokens;
  return absl::InvalidArgumentError(absl::StrCat(name, ": holds no token"));
}

absl::StatusOr<TokenSet> TokenSet::Load(const std::string& path) {
  ASSIGN_OR_RETURN(std::string text, ReadSecretFile(path));
  absl::StatusOr<TokenSet> tokens = Parse(text, path);
  OPENSSL_cleanse(text.data(), text.size());
  return tokens;
}

absl::StatusOr<TokenSet> TokenSet::FromEnvironment(absl::string_view value) {
  TokenSet tokens;
  absl::Status added = tokens.Add(value, {"MON_TOKEN", Role::kOperator});
  if (added.ok()) return tokens;
  return absl::InvalidArgumentError(
      absl::StrCat("MON_TOKEN: ", added.message()));
}

const TokenSet::Holder* TokenSet::Find(absl::string_view token) const {
  const Digest digest = DigestOf(token);
  const Holder* found = nullptr;
  // All of them, so that the time tells neither which it is nor whether.
  for (size_t i = 0; i < digests_.size(); ++i) {
    if (CRYPTO_memcmp(digest.data(), digests_[i].data(), digest.size()) == 0) {
      found = &holders_[i];
    }
  }
  return found;
}

bool TakeFromEnvironment(const char* name, std::string& value) {
  value.clear();
  char* text = getenv(name);
  if (text == nullptr) return false;
  value = text;
  // unsetenv only forgets the pointer; the bytes stay in /proc/self/environ.
  OPENSSL_cleanse(text, value.size());
  unsetenv(name);
  return true;
}

}  // namespace specula::shim
