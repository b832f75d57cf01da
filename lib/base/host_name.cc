#include "lib/base/host_name.h"

#include <arpa/inet.h>

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace specula {
namespace {

constexpr size_t kMostLabelBytes = 63;

bool IsLabel(absl::string_view label) {
  return !label.empty() && label.size() <= kMostLabelBytes &&
         label.front() != '-' && label.back() != '-' &&
         std::all_of(label.begin(), label.end(), [](char c) {
           return absl::ascii_isalnum(static_cast<unsigned char>(c)) ||
                  c == '-' || c == '_';
         });
}

}  // namespace

bool IsHostName(absl::string_view name) {
  absl::ConsumeSuffix(&name, ".");
  if (name.empty() || name.size() > kMostHostNameBytes || name.front() == '_') {
    return false;
  }
  // What is before `label` are labels.
  for (absl::string_view label : absl::StrSplit(name, '.')) {
    if (!IsLabel(label)) return false;
  }
  return !absl::StrContains(name, '.') ||
         name.find_first_not_of("0123456789.") != absl::string_view::npos;
}

bool IsIpAddress(absl::string_view text) {
  unsigned char bytes[sizeof(in6_addr)];
  const std::string copy(text);
  return !absl::StrContains(text, '\0') &&
         (inet_pton(AF_INET, copy.c_str(), bytes) == 1 ||
          inet_pton(AF_INET6, copy.c_str(), bytes) == 1);
}

std::string CanonicalHostName(absl::string_view name) {
  absl::ConsumeSuffix(&name, ".");
  return absl::AsciiStrToLower(name);
}

}  // namespace specula
