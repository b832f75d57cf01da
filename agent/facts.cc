#include "agent/facts.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "lib/audit/sha256.h"

namespace specula::agent {
namespace {

// Enough to tell configurations of one fleet apart, short enough for a table.
constexpr size_t kHashDigits = 16;

// Texts with their lengths, so that no two lists look alike.
std::string Canonical(std::vector<std::string> texts) {
  std::sort(texts.begin(), texts.end());
  texts.erase(std::unique(texts.begin(), texts.end()), texts.end());
  std::string canonical;
  for (const std::string& text : texts) {
    absl::StrAppend(&canonical, text.size(), ":", text, ",");
  }
  return canonical;
}

std::string Hash(const std::string& text) {
  return audit::Sha256().Of(text).substr(0, kHashDigits);
}

std::string Describe(const Ceiling& ceiling) {
  return absl::StrCat(
      "commands=", ceiling.commands, "\nusers=", Canonical(ceiling.users),
      "\ndefault_user=", Canonical({ceiling.default_user}),
      "\nprograms=", Canonical(ceiling.programs), "\ntail=", ceiling.tail,
      "\ntail_roots=", Canonical(ceiling.tail_roots),
      "\nkill=", static_cast<int>(ceiling.kill),
      "\nmax_execs=", ceiling.max_execs,
      "\nmax_execs_per_caller=", ceiling.max_execs_per_caller,
      "\nmax_started=", ceiling.max_started, "\nmax_timeout_milliseconds=",
      absl::ToInt64Milliseconds(ceiling.max_timeout),
      "\nmax_output_bytes=", ceiling.max_output_bytes, "\n");
}

}  // namespace

AboutAgent::Facts FactsOf(const Options& options) {
  const std::string ceiling = Describe(options.ceiling);
  AboutAgent::Facts facts;
  facts.ceiling_hash = Hash(ceiling);
  facts.configuration_hash = Hash(absl::StrCat(
      ceiling, "connections=", options.limits.all, "\nconnections_per_source=",
      options.limits.per_source, "\nhandshake_milliseconds=",
      absl::ToInt64Milliseconds(options.handshake_timeout),
      "\nreload_milliseconds=",
      absl::ToInt64Milliseconds(options.reload_interval),
      "\nfront_user=", Canonical({options.front_user}), "\n",
      options.host_namespaces.empty() ? "" : "host_namespaces=1\n"));
  facts.commands_allowed = options.ceiling.commands;
  facts.hostname = options.hostname;
  // Who works on the host keeps there what he keeps.
  if (options.proc_root.empty() || !options.host_namespaces.empty())
    facts.state_directory = options.state_directory;
  return facts;
}

}  // namespace specula::agent
