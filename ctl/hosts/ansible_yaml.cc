#include <re2/re2.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/yaml.h>

#include <cstddef>
#include <sstream>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "ctl/hosts/ansible_words.h"
#include "ctl/hosts/inventory_formats.h"
#include "lib/base/format.h"
#include "lib/base/status_macros.h"

namespace specula::ctl {
namespace {

// Groups within groups, and mappings merged into mappings.
constexpr int kDeepest = 64;

// Whether YAML 1.1, which is Ansible's, reads a text without quotes as a
// number, a truth value, a date or nothing.
bool IsNoText(const std::string& text) {
  static const RE2 kNoText(
      R"(|~|null|Null|NULL|yes|Yes|YES|no|No|NO|true|True|TRUE|false|False|FALSE)"
      R"(|on|On|ON|off|Off|OFF)"
      R"(|[-+]?(?:0b[01_]+|0[0-7_]*|0x[0-9a-fA-F_]+|[1-9][0-9_]*))"
      R"(|[-+]?[1-9][0-9_]*(?::[0-5]?[0-9])+)"
      R"(|[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])*\.[0-9_]*(?:[eE][-+][0-9]+)?)"
      R"(|\.[0-9][0-9_]*(?:[eE][-+][0-9]+)?)"
      R"(|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)|[0-9]{4}-[0-9]{2}-[0-9]{2})",
      RE2::Latin1);
  return RE2::FullMatch(text, kNoText);
}

// One entry of a mapping.
struct Entry {
  std::string key;
  YAML::Node key_node;
  YAML::Node value;
  bool twice = false;  // an earlier one of the same mapping is hidden by it
};

class YamlReader {
 public:
  YamlReader(absl::string_view text, const std::string& name)
      : name_(name), budget_(1000 + 16 * text.size()) {}

  absl::Status ReadInventory(const YAML::Node& root,
                             AnsibleInventory& inventory) {
    inventory_ = &inventory;
    return ReadGroups(root, "", 0);
  }

  // The variables of a mapping that are of use.
  absl::StatusOr<AnsibleVariables> ReadVariables(const YAML::Node& node) {
    AnsibleVariables variables;
    ASSIGN_OR_RETURN(const std::vector<Entry> entries,
                     Entries(node, "variables"));
    for (const Entry& entry : entries) {
      if (!IsAnsibleVariableOfUse(entry.key)) continue;
      AnsibleValue& value = variables[entry.key];
      value.where = WhereOf(entry.key_node);
      const std::string& tag = entry.value.Tag();
      if (tag == "!vault" || tag == "!vault-encrypted") {
        value.kind = AnsibleValue::Kind::kVaulted;
      } else if (entry.value.IsNull()) {
        value.kind = AnsibleValue::Kind::kNone;
      } else if (entry.value.IsScalar()) {
        value.text = entry.value.as<std::string>();
      } else {
        value.kind = AnsibleValue::Kind::kCompound;
      }
    }
    return variables;
  }

 private:
  std::string WhereOf(const YAML::Node& node) const {
    return absl::StrCat(name_, ":", node.Mark().line + 1);
  }
  absl::Status Refuse(const YAML::Node& node, absl::string_view what,
                      absl::string_view object,
                      absl::string_view reason) const {
    return AnsibleError(WhereOf(node), what, object, reason);
  }

  // Returns the entries of a mapping, with those that it merges by "<<" before
  // its own, each key once with its last value. None for null.
  absl::StatusOr<std::vector<Entry>> Entries(const YAML::Node& node,
                                             absl::string_view what) {
    std::vector<Entry> all;
    if (!node.IsNull()) RETURN_IF_ERROR(Flatten(node, what, 0, all));
    absl::flat_hash_map<std::string, size_t> last;
    for (size_t i = 0; i < all.size(); ++i) last[all[i].key] = i;
    std::vector<Entry> entries;
    // Invariant: `last` has the keys that are not in `entries` yet. Nodes are
    // copied, never assigned: that would change what others refer to.
    for (const Entry& entry : all) {
      auto found = last.find(entry.key);
      if (found == last.end()) continue;
      entries.push_back(all[found->second]);
      last.erase(found);
    }
    return entries;
  }

  absl::Status Flatten(const YAML::Node& node, absl::string_view what,
                       int depth, std::vector<Entry>& entries) {
    if (!node.IsMap()) {
      return Refuse(node, absl::StrCat(what, " not read"),
                    node.IsSequence() ? "a list" : ScalarOf(node),
                    "it must be a mapping; write NAME: on a line for each");
    }
    if (depth > kDeepest) {
      return Refuse(node, absl::StrCat(what, " not read"), "<<",
                    "mappings are merged too deep");
    }
    std::vector<Entry> own;
    absl::flat_hash_map<std::string, size_t> seen;
    for (const auto& item : node) {
      // References make much of a short text.
      if (budget_ == 0) {
        return Refuse(node, absl::StrCat(what, " not read"), "*",
                      "references repeat too much");
      }
      --budget_;
      Entry entry{item.first.as<std::string>(), item.first, item.second};
      if (entry.key == "<<" && item.first.Tag() == "?") {
        RETURN_IF_ERROR(Merge(item.second, what, depth, entries));
        continue;
      }
      entry.twice = !seen.try_emplace(entry.key, own.size()).second;
      own.push_back(std::move(entry));
    }
    std::move(own.begin(), own.end(), std::back_inserter(entries));
    return absl::OkStatus();
  }

  // Of a list of mappings the first has the most authority.
  absl::Status Merge(const YAML::Node& node, absl::string_view what, int depth,
                     std::vector<Entry>& entries) {
    if (!node.IsSequence()) return Flatten(node, what, depth + 1, entries);
    for (size_t i = node.size(); i > 0; --i) {
      RETURN_IF_ERROR(Flatten(node[i - 1], what, depth + 1, entries));
    }
    return absl::OkStatus();
  }

  static std::string ScalarOf(const YAML::Node& node) {
    return node.IsScalar() ? node.as<std::string>() : "";
  }

  // A text alone is a mapping with that one key.
  absl::StatusOr<std::vector<Entry>> EntriesOrName(const YAML::Node& node,
                                                   absl::string_view what) {
    if (!node.IsScalar()) return Entries(node, what);
    RETURN_IF_ERROR(CheckName(node, what));
    return std::vector<Entry>{{node.as<std::string>(), node, YAML::Node()}};
  }

  absl::Status CheckName(const YAML::Node& node, absl::string_view what) const {
    const std::string text = node.as<std::string>();
    if (node.IsNull() || text.empty() ||
        (node.Tag() == "?" && IsNoText(text))) {
      return Refuse(node, absl::StrCat(what, " not read"), text,
                    "YAML takes this for no text; write it in quotes");
    }
    return absl::OkStatus();
  }

  absl::Status ReadGroups(const YAML::Node& node, const std::string& parent,
                          int depth) {
    if (depth > kDeepest) {
      return Refuse(node, "groups not read", parent, "groups too deep");
    }
    ASSIGN_OR_RETURN(const std::vector<Entry> groups,
                     parent.empty() ? Entries(node, "groups")
                                    : EntriesOrName(node, "children"));
    for (const Entry& group : groups) {
      if (parent.empty() && group.key == "plugin") {
        return Refuse(group.key_node, "inventory not read", group.key,
                      "this configures a plugin of Ansible, none of which is "
                      "run here; make a file of what it gives by "
                      "ansible-inventory --list --yaml --output FILE");
      }
      RETURN_IF_ERROR(CheckName(group.key_node, "group"));
      if (group.twice) {
        return Refuse(group.key_node, "group not read", group.key,
                      "it stands here twice, of which Ansible drops the first; "
                      "write it once");
      }
      inventory_->AddGroup(group.key);
      RETURN_IF_ERROR(ReadGroup(group.value, group.key, depth));
      if (!parent.empty()) {
        inventory_->AddChild(parent, group.key, WhereOf(group.key_node));
      }
    }
    return absl::OkStatus();
  }

  absl::Status ReadGroup(const YAML::Node& body, const std::string& group,
                         int depth) {
    ASSIGN_OR_RETURN(const std::vector<Entry> parts,
                     Entries(body, absl::StrCat("group ", group)));
    for (const Entry& part : parts) {
      if (part.twice) {
        return Refuse(part.key_node, "group not read", group,
                      absl::StrCat("it has '", part.key,
                                   "' twice, of which Ansible drops the first; "
                                   "write it once"));
      }
      if (part.key == "children") {
        RETURN_IF_ERROR(ReadGroups(part.value, group, depth + 1));
      } else if (part.key == "hosts") {
        RETURN_IF_ERROR(ReadHosts(part.value, group));
      } else if (part.key != "vars") {
        return Refuse(part.key_node, absl::StrCat("group ", group, " not read"),
                      part.key,
                      "unknown key; a group has hosts, children and vars");
      } else if (!part.value.IsScalar()) {
        ASSIGN_OR_RETURN(const AnsibleVariables variables,
                         ReadVariables(part.value));
        inventory_->SetGroupVariables(
            group, AnsibleInventory::Place::kInventory, variables);
      }
    }
    return absl::OkStatus();
  }

  absl::Status ReadHosts(const YAML::Node& node, const std::string& group) {
    ASSIGN_OR_RETURN(const std::vector<Entry> entries,
                     EntriesOrName(node, "hosts"));
    for (const Entry& entry : entries) {
      RETURN_IF_ERROR(CheckName(entry.key_node, "host"));
      absl::StatusOr<std::vector<std::string>> hosts =
          ExpandAnsibleHosts(entry.key);
      if (!hosts.ok()) {
        return Refuse(entry.key_node, "host not read", entry.key,
                      hosts.status().message());
      }
      ASSIGN_OR_RETURN(const AnsibleVariables variables,
                       ReadVariables(entry.value));
      RETURN_IF_ERROR(AddAnsibleHosts(group, *hosts, variables,
                                      WhereOf(entry.key_node), *inventory_));
    }
    return absl::OkStatus();
  }

  const std::string& name_;
  size_t budget_;  // entries that may still be looked at
  AnsibleInventory* inventory_ = nullptr;
};

absl::Status FromException(const YAML::Exception& error,
                           const std::string& name) {
  return AnsibleError(
      absl::StrCat(name, ":", error.mark.is_null() ? 1 : error.mark.line + 1),
      "YAML not read", error.msg, "correct what stands there");
}

// Notes where a document begins, and nothing else.
class DocumentStart : public YAML::EventHandler {
 public:
  int line() const { return line_; }

  void OnDocumentStart(const YAML::Mark& mark) override { line_ = mark.line; }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark&, YAML::anchor_t) override {}
  void OnAlias(const YAML::Mark&, YAML::anchor_t) override {}
  void OnScalar(const YAML::Mark&, const std::string&, YAML::anchor_t,
                const std::string&) override {}
  void OnSequenceStart(const YAML::Mark&, const std::string&, YAML::anchor_t,
                       YAML::EmitterStyle::value) override {}
  void OnSequenceEnd() override {}
  void OnMapStart(const YAML::Mark&, const std::string&, YAML::anchor_t,
                  YAML::EmitterStyle::value) override {}
  void OnMapEnd() override {}

 private:
  int line_ = 0;
};

// Returns the one document of a text. YAML::Load would drop a second one, and
// YAML::LoadAll has no end on some texts.
absl::StatusOr<YAML::Node> LoadOne(absl::string_view text,
                                   const std::string& name) {
  std::istringstream stream{std::string(text)};
  YAML::Parser parser(stream);
  DocumentStart start;
  parser.HandleNextDocument(start);
  if (parser) {
    parser.HandleNextDocument(start);
    return AnsibleError(
        absl::StrCat(name, ":", start.line() + 1), "YAML not read", "---",
        "there is a second document, and Ansible reads one; join them");
  }
  return YAML::Load(std::string(text));
}

}  // namespace

bool IsYamlMapping(absl::string_view text) {
  try {
    const YAML::Node root = YAML::Load(std::string(text));
    return root.IsMap() || root.IsNull();
  } catch (const YAML::Exception& error) {
    return false;
  }
}

bool IsVaulted(absl::string_view text) {
  return absl::StartsWith(text, "$ANSIBLE_VAULT");
}

absl::Status ReadAnsibleYaml(absl::string_view text, const std::string& name,
                             AnsibleInventory& inventory) {
  try {
    ASSIGN_OR_RETURN(const YAML::Node root, LoadOne(text, name));
    return YamlReader(text, name).ReadInventory(root, inventory);
  } catch (const YAML::Exception& error) {
    return FromException(error, name);
  }
}

absl::StatusOr<AnsibleVariables> ReadAnsibleVariables(absl::string_view text,
                                                      const std::string& name) {
  if (!absl::StrContains(text, "specula_") &&
      !absl::StrContains(text, "ansible_host") &&
      !absl::StrContains(text, "ansible_ssh_host")) {
    return AnsibleVariables();
  }
  try {
    ASSIGN_OR_RETURN(const YAML::Node root, LoadOne(text, name));
    return YamlReader(text, name).ReadVariables(root);
  } catch (const YAML::Exception& error) {
    return FromException(error, name);
  }
}

}  // namespace specula::ctl
