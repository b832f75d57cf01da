#include <re2/re2.h>

#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "ctl/hosts/ansible_words.h"
#include "ctl/hosts/inventory_formats.h"
#include "lib/base/status_macros.h"

namespace specula::ctl {
namespace {

constexpr char kUngrouped[] = "ungrouped";

// "[web]", "[web:children]", "[web:vars]", with a comment behind it.
struct Section {
  std::string group;
  std::string kind;
};

bool ParseSection(absl::string_view line, Section& section) {
  static const RE2 kSection(R"(\[([^:\]\s]+)(?::(\w+))?\]\s*(?:#.*)?)",
                            RE2::Latin1);
  section = {};
  return RE2::FullMatch({line.data(), line.size()}, kSection, &section.group,
                        &section.kind);
}

AnsibleValue ValueOf(absl::string_view text, const std::string& where) {
  AnsibleValue value;
  value.text = UnquoteAnsibleValue(text);
  value.where = where;
  if (text == "None") value.kind = AnsibleValue::Kind::kNone;
  return value;
}

class IniReader {
 public:
  IniReader(const std::string& name, AnsibleInventory& inventory)
      : name_(name), inventory_(inventory) {}

  absl::Status Read(absl::string_view text) {
    int number = 0;
    // Invariant: `section_` is the one that the line stands in.
    for (absl::string_view line : absl::StrSplit(text, '\n')) {
      where_ = absl::StrCat(name_, ":", ++number);
      line = absl::StripAsciiWhitespace(line);
      if (line.empty() || line.front() == '#' || line.front() == ';') continue;
      RETURN_IF_ERROR(ReadLine(line));
    }
    return ReadPending();
  }

 private:
  // What speaks of a group that may be declared only later.
  struct Pending {
    std::string group;
    std::string child;  // empty: variables
    AnsibleVariables variables;
    std::string where;
  };

  absl::Status Refuse(absl::string_view what, absl::string_view object,
                      absl::string_view reason) const {
    return AnsibleError(where_, what, object, reason);
  }

  absl::Status ReadLine(absl::string_view line) {
    Section next;
    if (ParseSection(line, next)) return Enter(std::move(next), line);
    if (line.front() == '[' && line.back() == ']') {
      return Refuse("section not read", line,
                    "a section is [GROUP], [GROUP:children] or [GROUP:vars], "
                    "without spaces");
    }
    if (section_.kind == "vars") return ReadVariable(line);
    if (section_.kind == "children") return ReadChild(line);
    return ReadHost(line);
  }

  absl::Status Enter(Section next, absl::string_view line) {
    if (!next.kind.empty() && next.kind != "hosts" && next.kind != "children" &&
        next.kind != "vars") {
      return Refuse("unknown section", line,
                    "known are [GROUP], [GROUP:children] and [GROUP:vars]");
    }
    section_ = std::move(next);
    if (section_.kind != "vars") {
      inventory_.AddGroup(section_.group);
    } else {
      pending_.push_back({section_.group, "", {}, where_});
    }
    return absl::OkStatus();
  }

  absl::Status ReadVariable(absl::string_view line) {
    const size_t equals = line.find('=');
    if (equals == absl::string_view::npos) {
      return Refuse("variable not read", line, "write NAME=VALUE");
    }
    const absl::string_view name =
        absl::StripAsciiWhitespace(line.substr(0, equals));
    if (IsAnsibleVariableOfUse(name)) {
      pending_.back().variables[std::string(name)] =
          ValueOf(absl::StripAsciiWhitespace(line.substr(equals + 1)), where_);
    }
    return absl::OkStatus();
  }

  absl::Status ReadChild(absl::string_view line) {
    static const RE2 kGroup(R"(([^:\]\s]+)\s*(?:#.*)?)", RE2::Latin1);
    std::string child;
    if (!RE2::FullMatch({line.data(), line.size()}, kGroup, &child)) {
      return Refuse("child not read", line, "write one group on a line");
    }
    pending_.push_back({section_.group, std::move(child), {}, where_});
    return absl::OkStatus();
  }

  absl::Status ReadHost(absl::string_view line) {
    absl::StatusOr<std::vector<std::string>> words = SplitAnsibleWords(line);
    if (!words.ok()) {
      return Refuse("host not read", line, words.status().message());
    }
    const std::string word = words->empty() ? "" : words->front();
    absl::StatusOr<std::vector<std::string>> hosts = ExpandAnsibleHosts(word);
    if (!hosts.ok()) {
      return Refuse("host not read", word, hosts.status().message());
    }
    AnsibleVariables variables;
    for (size_t i = 1; i < words->size(); ++i) {
      const std::string& variable = (*words)[i];
      const size_t equals = variable.find('=');
      if (equals == std::string::npos) {
        return Refuse("host not read", word,
                      absl::StrCat("'", variable,
                                   "' is no variable; those are written "
                                   "NAME=VALUE after the host"));
      }
      const std::string name = variable.substr(0, equals);
      if (IsAnsibleVariableOfUse(name)) {
        variables[name] =
            ValueOf(absl::string_view(variable).substr(equals + 1), where_);
      }
    }
    return AddAnsibleHosts(section_.group, *hosts, variables, where_,
                           inventory_);
  }

  absl::Status ReadPending() {
    for (const Pending& pending : pending_) {
      if (!inventory_.HasGroup(pending.group)) {
        return AnsibleError(pending.where, "variables not read", pending.group,
                            "there is no such group; add a section for it");
      }
      inventory_.SetGroupVariables(pending.group,
                                   AnsibleInventory::Place::kInventory,
                                   pending.variables);
      if (pending.child.empty()) continue;
      if (!inventory_.HasGroup(pending.child)) {
        return AnsibleError(pending.where, "child not read", pending.child,
                            absl::StrCat("there is no group '", pending.child,
                                         "'; add a section for it"));
      }
      inventory_.AddChild(pending.group, pending.child, pending.where);
    }
    return absl::OkStatus();
  }

  const std::string& name_;
  AnsibleInventory& inventory_;
  std::string where_;
  Section section_{kUngrouped, ""};
  std::vector<Pending> pending_;
};

}  // namespace

bool IsAnsibleSection(absl::string_view line) {
  Section section;
  return ParseSection(absl::StripAsciiWhitespace(line), section);
}

absl::Status ReadAnsibleIni(absl::string_view text, const std::string& name,
                            AnsibleInventory& inventory) {
  return IniReader(name, inventory).Read(text);
}

}  // namespace specula::ctl
