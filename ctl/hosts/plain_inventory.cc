#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "ctl/hosts/inventory_formats.h"
#include "lib/base/format.h"
#include "lib/base/status_macros.h"

namespace specula::ctl {
namespace {

absl::Status Refused(const std::string& where, absl::string_view why) {
  return absl::InvalidArgumentError(
      absl::StrCat(where, ": ", EscapeControls(why)));
}

// Splits at commas outside of brackets.
std::vector<std::string> SplitHosts(absl::string_view text) {
  std::vector<std::string> hosts(1);
  int depth = 0;
  // Invariant: the last of `hosts` is what came since the last such comma.
  for (char c : text) {
    depth += c == '[' ? 1 : c == ']' ? -1 : 0;
    if (c == ',' && depth == 0) {
      hosts.emplace_back();
    } else {
      hosts.back() += c;
    }
  }
  return hosts;
}

}  // namespace

absl::Status ReadPlainInventory(absl::string_view text, const std::string& name,
                                InventoryBuilder& builder) {
  // As a list of hosts is an inventory of Ansible's as well, it has the groups
  // that every such inventory has.
  builder.AddMembers("all", {});
  builder.AddMembers("ungrouped", {});
  int number = 0;
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    const std::string where = absl::StrCat(name, ":", ++number);
    line = absl::StripAsciiWhitespace(line.substr(0, line.find('#')));
    if (line.empty() || line.front() == ';') continue;
    if (line.find_first_of(" \t") != absl::string_view::npos) {
      return Refused(where, absl::StrCat("hosts not read: '", line,
                                         "': a line is one host set; put "
                                         "commas between hosts, no spaces"));
    }
    for (std::string& pattern : SplitHosts(line)) {
      if (pattern.empty()) return Refused(where, "a host is missing");
      if (pattern.find_first_of("@!&^*?") != std::string::npos) {
        return Refused(where, absl::StrCat("'", pattern,
                                           "' is no host: groups and wildcards "
                                           "have no place in a list of hosts"));
      }
      HostEntry entry;
      entry.pattern = std::move(pattern);
      absl::StatusOr<std::vector<std::string>> added = builder.AddHosts(entry);
      if (!added.ok()) return Refused(where, added.status().message());
      builder.AddMembers("all", *added);
      builder.AddMembers("ungrouped", *std::move(added));
    }
  }
  return absl::OkStatus();
}

}  // namespace specula::ctl
