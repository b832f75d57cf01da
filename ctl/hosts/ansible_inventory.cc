#include <yaml-cpp/yaml.h>

#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "ctl/hosts/inventory_formats.h"
#include "ctl/hosts/pattern.h"
#include "lib/base/format.h"
#include "lib/base/status_macros.h"

namespace specula::ctl {
namespace {

// Groups within groups in YAML.
constexpr int kDeepest = 64;

std::string Where(const std::string& name, int line) {
  return absl::StrCat(name, ":", line);
}

absl::Status Odd(const std::string& where, absl::string_view why) {
  return absl::InvalidArgumentError(
      absl::StrCat(where, ": ", EscapeControls(why)));
}

bool IsLetter(absl::string_view text) {
  return text.size() == 1 && absl::ascii_isalpha(text[0]);
}

// Hosts of one pattern in Ansible's manner; gives their names.
absl::StatusOr<std::vector<std::string>> AddAnsibleHosts(
    absl::string_view pattern,
    const std::map<std::string, std::string>& variables,
    const std::string& where, InventoryBuilder& builder) {
  absl::StatusOr<std::vector<std::string>> patterns =
      FromAnsiblePattern(pattern);
  if (!patterns.ok()) return Odd(where, patterns.status().message());
  std::vector<std::string> names;
  for (std::string& one : *patterns) {
    HostEntry entry;
    entry.pattern = std::move(one);
    absl::Status taken = TakeAnsibleVariables(variables, entry);
    if (!taken.ok()) return Odd(where, taken.message());
    absl::StatusOr<std::vector<std::string>> added = builder.AddHosts(entry);
    if (!added.ok()) return Odd(where, added.status().message());
    names.insert(names.end(), added->begin(), added->end());
  }
  return names;
}

// "[web]", "[web:children]", "[web:vars]". A line that begins with a bracket
// may also be an IPv6 address.
struct Section {
  std::string group;
  std::string kind;
};

bool ParseSection(absl::string_view line, Section& section) {
  if (line.size() < 3 || line.front() != '[' || line.back() != ']') {
    return false;
  }
  const absl::string_view inside = line.substr(1, line.size() - 2);
  const std::vector<absl::string_view> parts = absl::StrSplit(inside, ':');
  if (parts.size() > 2 || parts[0].empty() ||
      parts[0].find_first_of("[] \t") != absl::string_view::npos) {
    return false;
  }
  section.group = std::string(parts[0]);
  section.kind = parts.size() == 2 ? std::string(parts[1]) : "";
  return true;
}

// Words of a line, with quotes around a value taken away.
std::vector<std::string> SplitWords(absl::string_view line) {
  std::vector<std::string> words;
  std::string word;
  char quote = 0;
  bool any = false;
  for (char c : line) {
    if (quote != 0) {
      if (c == quote) {
        quote = 0;
      } else {
        word += c;
      }
    } else if (c == '"' || c == '\'') {
      quote = c;
      any = true;
    } else if (absl::ascii_isspace(static_cast<unsigned char>(c))) {
      if (any || !word.empty()) words.push_back(std::move(word));
      word.clear();
      any = false;
    } else if (c == '#' && word.empty() && !any) {
      break;  // a comment after a value
    } else {
      word += c;
    }
  }
  if (any || !word.empty()) words.push_back(std::move(word));
  return words;
}

// A plain line is a host set of ours, or one pattern of Ansible's with
// variables behind it.
absl::Status ReadHostLine(absl::string_view line, const std::string& where,
                          const std::string& group, InventoryBuilder& builder) {
  const std::vector<std::string> words = SplitWords(line);
  std::map<std::string, std::string> variables;
  for (size_t i = 1; i < words.size(); ++i) {
    const std::pair<std::string, std::string> variable =
        absl::StrSplit(words[i], absl::MaxSplits('=', 1));
    if (words[i].find('=') == std::string::npos) {
      return Odd(where, absl::StrCat("'", words[i],
                                     "' is no variable; those are written "
                                     "NAME=VALUE after the host"));
    }
    variables.insert(variable);
  }
  // Commas outside of brackets part hosts.
  std::vector<std::string> patterns(1);
  int depth = 0;
  for (char c : words[0]) {
    depth += c == '[' ? 1 : c == ']' ? -1 : 0;
    if (c == ',' && depth == 0) {
      patterns.emplace_back();
    } else {
      patterns.back() += c;
    }
  }
  for (const std::string& pattern : patterns) {
    if (pattern.empty()) return Odd(where, "a host is missing");
    if (pattern.find_first_of("@!&^*?") != std::string::npos) {
      return Odd(where, absl::StrCat("'", pattern,
                                     "' is no host: groups and wildcards have "
                                     "no place in a list of hosts"));
    }
    ASSIGN_OR_RETURN(std::vector<std::string> names,
                     AddAnsibleHosts(pattern, variables, where, builder));
    if (!group.empty()) builder.AddMembers(group, std::move(names));
  }
  return absl::OkStatus();
}

class YamlReader {
 public:
  YamlReader(const std::string& name, InventoryBuilder& builder)
      : name_(name), builder_(builder) {}

  absl::Status ReadGroups(const YAML::Node& groups, const std::string& parent,
                          int depth) {
    if (groups.IsNull()) return absl::OkStatus();
    if (!groups.IsMap()) return OddNode(groups, "groups must be a mapping");
    if (depth > kDeepest) return OddNode(groups, "groups too deep");
    for (const auto& item : groups) {
      const std::string group = item.first.as<std::string>();
      builder_.AddMembers(group, {});
      if (!parent.empty()) {
        builder_.AddChild(parent, group, WhereOf(item.first));
      }
      RETURN_IF_ERROR(ReadGroup(item.second, group, depth));
    }
    return absl::OkStatus();
  }

 private:
  std::string WhereOf(const YAML::Node& node) const {
    return Where(name_, node.Mark().line + 1);
  }
  absl::Status OddNode(const YAML::Node& node, absl::string_view why) const {
    return Odd(WhereOf(node), why);
  }

  absl::Status ReadGroup(const YAML::Node& body, const std::string& group,
                         int depth) {
    if (body.IsNull()) return absl::OkStatus();
    if (!body.IsMap()) return OddNode(body, "a group must be a mapping");
    for (const auto& item : body) {
      const std::string key = item.first.as<std::string>();
      if (key == "children") {
        RETURN_IF_ERROR(ReadGroups(item.second, group, depth + 1));
      } else if (key == "hosts") {
        RETURN_IF_ERROR(ReadHosts(item.second, group));
      } else if (key != "vars") {
        return OddNode(item.first,
                       absl::StrCat("unknown key '", key,
                                    "'; a group has hosts, children, vars"));
      }
    }
    return absl::OkStatus();
  }

  absl::Status ReadHosts(const YAML::Node& hosts, const std::string& group) {
    if (hosts.IsNull()) return absl::OkStatus();
    if (!hosts.IsMap()) return OddNode(hosts, "hosts must be a mapping");
    for (const auto& item : hosts) {
      std::map<std::string, std::string> variables;
      if (item.second.IsMap()) {
        for (const auto& variable : item.second) {
          // Lists and mappings are of no use here.
          if (variable.second.IsScalar()) {
            variables[variable.first.as<std::string>()] =
                variable.second.as<std::string>();
          }
        }
      }
      ASSIGN_OR_RETURN(std::vector<std::string> names,
                       AddAnsibleHosts(item.first.as<std::string>(), variables,
                                       WhereOf(item.first), builder_));
      builder_.AddMembers(group, std::move(names));
    }
    return absl::OkStatus();
  }

  const std::string& name_;
  InventoryBuilder& builder_;
};

}  // namespace

absl::StatusOr<std::vector<std::string>> FromAnsiblePattern(
    absl::string_view pattern) {
  std::vector<std::string> results = {""};
  while (!pattern.empty()) {
    const size_t open = pattern.find('[');
    const size_t close = pattern.find(']', open);
    if (open == absl::string_view::npos || close == absl::string_view::npos) {
      for (std::string& result : results) absl::StrAppend(&result, pattern);
      break;
    }
    for (std::string& result : results) {
      absl::StrAppend(&result, pattern.substr(0, open));
    }
    const absl::string_view inside = pattern.substr(open + 1, close - open - 1);
    const std::vector<absl::string_view> parts = absl::StrSplit(inside, ':');
    pattern = pattern.substr(close + 1);
    if (parts.size() >= 2 && IsLetter(parts[0]) && IsLetter(parts[1])) {
      int step = 1;
      const unsigned char first = static_cast<unsigned char>(parts[0][0]);
      const unsigned char last = static_cast<unsigned char>(parts[1][0]);
      if (first > last || parts.size() > 3 ||
          (parts.size() == 3 &&
           (!absl::SimpleAtoi(parts[2], &step) || step < 1 || step > 26))) {
        return absl::InvalidArgumentError(
            absl::StrCat("the range [", inside, "] is odd"));
      }
      std::vector<std::string> longer;
      for (const std::string& result : results) {
        for (int c = first; c <= last; c += step) {
          longer.push_back(result + static_cast<char>(c));
        }
      }
      results = std::move(longer);
      if (results.size() > kMostHosts) {
        return absl::InvalidArgumentError(
            absl::StrCat("more than ", kMostHosts, " hosts"));
      }
      continue;
    }
    // Digits on both sides of one or two colons; anything else is ours, or an
    // address.
    auto digits = [](absl::string_view text) {
      return !text.empty() &&
             text.find_first_not_of("0123456789") == absl::string_view::npos;
    };
    const bool range = (parts.size() == 2 || parts.size() == 3) &&
                       digits(parts[0]) && digits(parts[1]) &&
                       (parts.size() == 2 || digits(parts[2]));
    for (std::string& result : results) {
      if (range) {
        absl::StrAppend(&result, "[", parts[0], "-", parts[1],
                        parts.size() == 3 ? "/" : "",
                        parts.size() == 3 ? parts[2] : "", "]");
      } else {
        absl::StrAppend(&result, "[", inside, "]");
      }
    }
  }
  return results;
}

absl::Status TakeAnsibleVariables(
    const std::map<std::string, std::string>& variables, HostEntry& entry) {
  for (const auto& [key, value] : variables) {
    if (key == "specula_port") {
      if (!absl::SimpleAtoi(value, &entry.port) || entry.port < 1) {
        return absl::InvalidArgumentError(
            absl::StrCat("specula_port must be 1 to 65535, not '", value, "'"));
      }
    } else if (key == "specula_certificate_name") {
      entry.certificate_name = value;
    } else if (key == "specula_host" ||
               (key == "ansible_host" && !variables.contains("specula_host"))) {
      entry.address = value;
    }
  }
  return absl::OkStatus();
}

absl::Status ReadAnsibleIni(absl::string_view text, const std::string& name,
                            InventoryBuilder& builder) {
  Section section;
  int number = 0;
  for (absl::string_view raw : absl::StrSplit(text, '\n')) {
    const std::string where = Where(name, ++number);
    const absl::string_view line = absl::StripAsciiWhitespace(raw);
    if (line.empty() || line.front() == '#' || line.front() == ';') continue;
    Section next;
    if (ParseSection(line, next)) {
      if (!next.kind.empty() && next.kind != "children" &&
          next.kind != "vars") {
        return Odd(where, absl::StrCat("unknown section '", line,
                                       "'; known are [GROUP], "
                                       "[GROUP:children] and [GROUP:vars]"));
      }
      section = next;
      if (section.kind != "vars") builder.AddMembers(section.group, {});
    } else if (section.kind == "vars") {
      continue;  // of all that may stand here nothing means something to us
    } else if (section.kind == "children") {
      const std::vector<std::string> words = SplitWords(line);
      builder.AddChild(section.group, words[0], where);
    } else {
      RETURN_IF_ERROR(ReadHostLine(line, where, section.group, builder));
    }
  }
  return absl::OkStatus();
}

absl::Status ReadAnsibleYaml(absl::string_view text, const std::string& name,
                             InventoryBuilder& builder) {
  try {
    const YAML::Node root = YAML::Load(std::string(text));
    return YamlReader(name, builder).ReadGroups(root, "", 0);
  } catch (const YAML::Exception& error) {
    return Odd(Where(name, error.mark.is_null() ? 1 : error.mark.line + 1),
               error.msg);
  }
}

}  // namespace specula::ctl
