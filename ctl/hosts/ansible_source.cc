#include <re2/re2.h>

#include <map>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "ctl/hosts/inventory_formats.h"
#include "ctl/hosts/pattern.h"
#include "lib/base/status_macros.h"

namespace specula::ctl {
namespace {

// The line without what may be a comment.
absl::string_view Significant(absl::string_view line) {
  line = absl::StripAsciiWhitespace(line.substr(0, line.find('#')));
  return !line.empty() && line.front() == ';' ? "" : line;
}

// Whether a line could not be one of our host sets.
bool IsAnsibleLine(absl::string_view line) {
  static const RE2 kRange(
      R"(\[(?:[0-9]*:[0-9]+|[a-zA-Z]:[a-zA-Z])(?::[0-9]+)?\])", RE2::Latin1);
  static const RE2 kVariable(R"(^\S+\s+[^\s=]+=)", RE2::Latin1);
  if (IsAnsibleSection(line)) return true;
  const absl::string_view text = Significant(line);
  return RE2::PartialMatch({text.data(), text.size()}, kRange) ||
         RE2::PartialMatch({text.data(), text.size()}, kVariable);
}

// Whether the first line that says something can only be YAML or JSON.
bool BeginsLikeYaml(absl::string_view text) {
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    line = Significant(line);
    if (line.empty()) continue;
    return line == "---" || line == "{" ||
           (absl::EndsWith(line, ":") && !absl::EndsWith(line, "::"));
  }
  return false;
}

absl::string_view ExtensionOf(absl::string_view name) {
  const absl::string_view file = name.substr(name.rfind('/') + 1);
  const size_t dot = file.rfind('.');
  return dot == absl::string_view::npos || dot == 0 ? "" : file.substr(dot);
}

bool IsYamlName(absl::string_view name) {
  const absl::string_view extension = ExtensionOf(name);
  return extension == ".yml" || extension == ".yaml" || extension == ".json";
}

bool HasSection(absl::string_view text) {
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    if (IsAnsibleSection(line)) return true;
  }
  return false;
}

}  // namespace

absl::Status AddAnsibleHosts(const std::string& group,
                             const std::vector<std::string>& hosts,
                             const AnsibleVariables& variables,
                             const std::string& where,
                             AnsibleInventory& inventory) {
  // Our own variables may be patterns, with a value for each host of a range.
  std::map<std::string, std::vector<std::string>> patterns;
  for (const auto& [name, value] : variables) {
    if (!absl::StartsWith(name, "specula_") ||
        !absl::StrContains(value.text, "[")) {
      continue;
    }
    absl::StatusOr<std::vector<std::string>> values = ExpandPattern(value.text);
    if (!values.ok()) {
      return AnsibleError(value.where, absl::StrCat(name, " not read"),
                          value.text, values.status().message());
    }
    if (values->size() != hosts.size() && values->size() != 1) {
      return AnsibleError(
          value.where, absl::StrCat(name, " not read"), value.text,
          absl::StrCat("it has ", values->size(), " values for ", hosts.size(),
                       " hosts; give one or as many"));
    }
    if (values->size() > 1) patterns[name] = *std::move(values);
  }
  for (size_t i = 0; i < hosts.size(); ++i) {
    RETURN_IF_ERROR(inventory.AddHost(group, hosts[i], where));
    AnsibleVariables own = variables;
    for (const auto& [name, values] : patterns) own[name].text = values[i];
    inventory.SetHostVariables(hosts[i], AnsibleInventory::Place::kInventory,
                               own);
  }
  return absl::OkStatus();
}

bool IsAnsibleSource(absl::string_view text, absl::string_view name) {
  if (IsYamlName(name) || ExtensionOf(name) == ".ini" || IsVaulted(text) ||
      BeginsLikeYaml(text)) {
    return true;
  }
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    if (IsAnsibleLine(line)) return true;
  }
  return false;
}

absl::Status ReadAnsibleSource(absl::string_view text, const std::string& name,
                               AnsibleInventory& inventory) {
  if (IsVaulted(text)) {
    return AnsibleError(absl::StrCat(name, ":1"), "inventory not read",
                        "$ANSIBLE_VAULT",
                        "ansible-vault has encrypted it; make one in clear by "
                        "ansible-inventory --list --yaml --output FILE");
  }
  // Ansible tries YAML first, and INI if that fails; of the two errors the one
  // is given that is about what the file looks like.
  bool is_yaml = IsYamlName(name) && !HasSection(text);
  if (!is_yaml && (IsYamlName(name) || ExtensionOf(name).empty())) {
    is_yaml =
        IsYamlMapping(text) || (BeginsLikeYaml(text) && !HasSection(text));
  }
  return is_yaml ? ReadAnsibleYaml(text, name, inventory)
                 : ReadAnsibleIni(text, name, inventory);
}

}  // namespace specula::ctl
