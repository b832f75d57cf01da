#include "lib/base/host_port.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "lib/base/format.h"
#include "lib/base/host_name.h"
#include "lib/base/status_macros.h"

namespace specula {
namespace {

absl::Status Odd(absl::string_view text, absl::string_view why) {
  return absl::InvalidArgumentError(absl::StrCat(
      "'", EscapeControls(text), "' is not HOST or HOST:PORT: ", why));
}

bool IsHostCharacter(char c) {
  return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '-' ||
         c == '.' || c == '_';
}

// An IPv6 address may carry a zone: fe80::1%eth0.
bool IsAddressCharacter(char c) {
  return IsHostCharacter(c) || c == ':' || c == '%';
}

absl::StatusOr<uint16_t> ParsePort(absl::string_view text,
                                   absl::string_view digits) {
  int port = 0;
  const bool plain = !digits.empty() && digits.size() <= 5 &&
                     std::all_of(digits.begin(), digits.end(),
                                 [](char c) { return c >= '0' && c <= '9'; });
  if (!plain || !absl::SimpleAtoi(digits, &port) || port > 65535) {
    return Odd(text, "the port must be a number from 0 to 65535");
  }
  return static_cast<uint16_t>(port);
}

}  // namespace

absl::StatusOr<HostPort> ParseHostPort(absl::string_view text,
                                       uint16_t default_port) {
  HostPort result{"", default_port};
  absl::string_view host = text;
  absl::string_view rest;
  bool bracketed = false;
  if (!text.empty() && text.front() == '[') {
    const size_t end = text.find(']');
    if (end == absl::string_view::npos) return Odd(text, "the ] is missing");
    bracketed = true;
    host = text.substr(1, end - 1);
    rest = text.substr(end + 1);
    if (!rest.empty() && rest.front() != ':') {
      return Odd(text, "only :PORT may follow the ]");
    }
  } else if (std::count(text.begin(), text.end(), ':') == 1) {
    host = text.substr(0, text.find(':'));
    rest = text.substr(host.size());
  } else {
    // Several colons without brackets: a bare IPv6 address.
    bracketed = absl::string_view(text).find(':') != absl::string_view::npos;
  }
  if (host.empty()) return Odd(text, "the host is empty");
  if (bracketed && std::count(host.begin(), host.end(), ':') < 2) {
    return Odd(text, "only an IPv6 address stands in [ ]");
  }
  if (!std::all_of(host.begin(), host.end(),
                   bracketed ? IsAddressCharacter : IsHostCharacter)) {
    return Odd(text, "a host has letters, digits, '-', '.' and '_' only");
  }
  if (host.size() > kMostHostNameBytes) {
    return Odd(text, "the host is longer than 253 characters");
  }
  if (host.front() == '-') return Odd(text, "a host does not start with '-'");
  if (!bracketed && !IsHostName(host) && !IsIpAddress(host)) {
    return Odd(
        text,
        "it is no IP address, and a host name has parts of 1 to 63 "
        "characters, which do not begin or end with '-', not all of them "
        "numbers");
  }
  if (!rest.empty()) {
    ASSIGN_OR_RETURN(result.port, ParsePort(text, rest.substr(1)));
  }
  result.host = std::string(host);
  return result;
}

std::string FormatHostPort(const HostPort& address) {
  const bool v6 = address.host.find(':') != std::string::npos;
  return v6 ? absl::StrCat("[", address.host, "]:", address.port)
            : absl::StrCat(address.host, ":", address.port);
}

bool IsLoopback(const HostPort& address) {
  return address.host == "localhost" || address.host == "::1" ||
         absl::StartsWith(address.host, "127.");
}

}  // namespace specula
