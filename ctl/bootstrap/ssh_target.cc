#include "ctl/bootstrap/ssh_target.h"

#include <algorithm>
#include <map>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "ctl/hosts/host_set.h"
#include "lib/base/format.h"
#include "lib/base/host_name.h"
#include "lib/base/status_macros.h"

namespace specula::ctl {
namespace {

// Stands for a port that was not said, where a host set needs one: that of
// tcpmux, at which no sshd is.
constexpr uint16_t kUnsaidPort = 1;

absl::Status Odd(absl::string_view word, absl::string_view why) {
  return absl::InvalidArgumentError(
      absl::StrCat("'", EscapeControls(word), "': ", why));
}

// Before the first @ that is not the mark of a group.
absl::StatusOr<std::string> TakeUser(absl::string_view& expression,
                                     absl::string_view word) {
  const size_t at = word.find('@');
  if (at == absl::string_view::npos || at == 0 ||
      word.substr(0, at).find_first_of(",!&^[") != absl::string_view::npos) {
    return std::string();
  }
  const absl::string_view user = word.substr(0, at);
  if (user.front() == '-' ||
      user.find_first_of(" \t\r\n\"'`$\\;|<>(){}") != absl::string_view::npos) {
    return Odd(word, "that is no name of a user");
  }
  expression.remove_prefix(at + 1);
  return std::string(user);
}

absl::StatusOr<SshTarget> MakeTarget(const std::string& name,
                                     const Inventory& inventory) {
  SshTarget target;
  const auto known = std::find_if(
      inventory.hosts.begin(), inventory.hosts.end(),
      [&](const InventoryHost& host) { return host.name == name; });
  ASSIGN_OR_RETURN(HostPort parsed, ParseHostPort(name, kUnsaidPort));
  target.name = parsed.host;
  if (known == inventory.hosts.end()) {
    target.port = parsed.port == kUnsaidPort ? 0 : parsed.port;
    return target;
  }
  // A port in the name is that of the agent.
  target.known = true;
  target.address = known->address;
  target.certificate_name =
      known->certificate_name.empty() ? parsed.host : known->certificate_name;
  return target;
}

}  // namespace

absl::StatusOr<std::vector<SshTarget>> ParseSshTargets(
    const std::vector<std::string>& words, const Inventory& inventory) {
  std::vector<SshTarget> targets;
  std::map<std::string, size_t> places;
  for (const std::string& word : words) {
    absl::string_view expression = word;
    ASSIGN_OR_RETURN(std::string user, TakeUser(expression, word));
    ASSIGN_OR_RETURN(
        std::vector<std::string> names,
        EvaluateHostSet(expression, inventory.catalog, kUnsaidPort));
    if (names.empty()) return Odd(word, "that comes to no host");
    for (const std::string& name : names) {
      ASSIGN_OR_RETURN(SshTarget target, MakeTarget(name, inventory));
      target.user = user;
      const auto [place, is_new] = places.emplace(target.name, targets.size());
      if (is_new) {
        targets.push_back(std::move(target));
        continue;
      }
      const SshTarget& before = targets[place->second];
      if (before.user != target.user || before.port != target.port) {
        return Odd(word, absl::StrCat(target.name,
                                      " is named twice, with another user or "
                                      "port"));
      }
    }
  }
  return targets;
}

std::vector<std::string> SshWords(const SshOptions& options,
                                  const SshTarget& target,
                                  absl::string_view command) {
  std::vector<std::string> words =
      absl::StrSplit(options.program, ' ', absl::SkipEmpty());
  if (command.empty()) words.emplace_back("-G");
  // Of ssh's options the first one counts: the user's go before ours.
  for (const std::string& option : options.options) {
    words.insert(words.end(), {"-o", option});
  }
  words.insert(
      words.end(),
      {"-T", "-o", absl::StrCat("BatchMode=", options.batch ? "yes" : "no"),
       "-o", "ConnectTimeout=10", "-o", "ServerAliveInterval=5", "-o",
       "ServerAliveCountMax=3", "-o", "EscapeChar=none", "-o", "LogLevel=ERROR",
       "-o", "ClearAllForwardings=yes"});
  if (target.port != 0) {
    words.insert(words.end(), {"-p", absl::StrCat(target.port)});
  }
  if (!target.user.empty()) words.insert(words.end(), {"-l", target.user});
  // The host's part of ssh's configuration goes by its name all the same.
  if (target.known && target.address.host != target.name) {
    words.insert(words.end(),
                 {"-o", absl::StrCat("HostName=", target.address.host)});
  }
  words.insert(words.end(), {"--", target.name});
  if (!command.empty()) words.emplace_back(command);
  return words;
}

std::string HostNameOf(absl::string_view configuration) {
  for (absl::string_view line : absl::StrSplit(configuration, '\n')) {
    if (absl::ConsumePrefix(&line, "hostname ")) {
      return std::string(absl::StripAsciiWhitespace(line));
    }
  }
  return "";
}

std::string RemoteCommand(size_t script_bytes) {
  // Nothing may read a byte more than the script, as what follows are its
  // orders; and whatever shell the user has passes this on as it is.
  return absl::StrCat(
      "exec sh -c 'S=; test \"$(id -u)\" -eq 0 || S=\"sudo -n\"; "
      "exec $S sh -c \"eval \\\"\\$(dd bs=1 count=",
      script_bytes, " 2>/dev/null)\\\"\"'");
}

std::string AgentNameOf(absl::string_view host) {
  std::string name = absl::AsciiStrToLower(host);
  for (char& c : name) {
    const bool fits = absl::ascii_isalnum(static_cast<unsigned char>(c)) ||
                      c == '.' || c == '_' || c == '-';
    if (!fits) c = '-';
  }
  if (name.empty() ||
      !absl::ascii_isalnum(static_cast<unsigned char>(name[0]))) {
    name.insert(0, "h");
  }
  name = name.substr(0, kMostHostNameBytes - 1);
  // As of an address that ends in colons.
  if (!IsHostName(name) && !IsIpAddress(name)) name += 'h';
  return name;
}

}  // namespace specula::ctl
