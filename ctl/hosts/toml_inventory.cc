#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "ctl/hosts/inventory_formats.h"
#include "lib/base/format.h"
#include "lib/base/status_macros.h"
#include "lib/config/toml.h"

namespace specula::ctl {
namespace {

// The file that is read, for errors.
class Reader {
 public:
  Reader(const std::string& name, InventoryBuilder& builder)
      : name_(name), builder_(builder) {}

  absl::Status Read(const toml::table& table) {
    for (const auto& [key, value] : table) {
      if (key == "host") {
        RETURN_IF_ERROR(ReadHosts(value));
      } else if (key == "group") {
        RETURN_IF_ERROR(ReadGroups(value));
      } else {
        return Odd(key.source(),
                   absl::StrCat("unknown key '", std::string(key.str()),
                                "'; known are: host, group"));
      }
    }
    return absl::OkStatus();
  }

  absl::Status Odd(const toml::source_region& where, absl::string_view why) {
    return absl::InvalidArgumentError(
        absl::StrCat(Where(where), ": ", EscapeControls(why)));
  }

 private:
  std::string Where(const toml::source_region& where) const {
    return absl::StrCat(name_, ":", where.begin.line);
  }

  absl::Status ReadHosts(const toml::node& value) {
    const toml::array* hosts = value.as_array();
    if (hosts == nullptr) {
      return Odd(value.source(), "a host is written [[host]], with name = …");
    }
    for (const toml::node& element : *hosts) {
      const toml::table* host = element.as_table();
      if (host == nullptr) {
        return Odd(element.source(), "a host is a table: [[host]]");
      }
      RETURN_IF_ERROR(ReadHost(*host));
    }
    return absl::OkStatus();
  }

  absl::Status ReadHost(const toml::table& host) {
    HostEntry entry;
    for (const auto& [key, value] : host) {
      if (key == "name") {
        RETURN_IF_ERROR(Text(value, "name", entry.pattern));
      } else if (key == "address") {
        RETURN_IF_ERROR(Text(value, "address", entry.address));
      } else if (key == "certificate_name") {
        RETURN_IF_ERROR(
            Text(value, "certificate_name", entry.certificate_name));
      } else if (key == "port") {
        const auto* port = value.as_integer();
        if (port == nullptr || port->get() < 1 || port->get() > UINT16_MAX) {
          return Odd(value.source(), "the port must be 1 to 65535");
        }
        entry.port = port->get();
      } else if (key == "labels") {
        RETURN_IF_ERROR(ReadLabels(value, entry));
      } else {
        return Odd(key.source(),
                   absl::StrCat("unknown key '", std::string(key.str()),
                                "'; a host has name, address, port, "
                                "certificate_name and labels"));
      }
    }
    if (entry.pattern.empty()) {
      return Odd(host.source(), "a host without a name");
    }
    absl::StatusOr<std::vector<std::string>> added = builder_.AddHosts(entry);
    return added.ok() ? absl::OkStatus()
                      : Odd(host.source(), added.status().message());
  }

  absl::Status ReadLabels(const toml::node& value, HostEntry& entry) {
    const toml::table* labels = value.as_table();
    if (labels == nullptr) {
      return Odd(value.source(), "labels are written { rack = \"a\" }");
    }
    for (const auto& [key, label] : *labels) {
      std::string text;
      RETURN_IF_ERROR(Text(label, key.str(), text));
      entry.labels[std::string(key.str())] = std::move(text);
    }
    return absl::OkStatus();
  }

  absl::Status ReadGroups(const toml::node& value) {
    const toml::table* groups = value.as_table();
    if (groups == nullptr) {
      return Odd(value.source(), "groups are written [group], with name = …");
    }
    for (const auto& [key, members] : *groups) {
      const std::string group(key.str());
      if (members.is_string()) {
        RETURN_IF_ERROR(AddSet(group, members));
        continue;
      }
      const toml::array* list = members.as_array();
      if (list == nullptr) {
        return Odd(members.source(),
                   "a group is a host set, or a list of host sets");
      }
      builder_.AddMembers(group, {});
      for (const toml::node& element : *list) {
        RETURN_IF_ERROR(AddSet(group, element));
      }
    }
    return absl::OkStatus();
  }

  absl::Status AddSet(const std::string& group, const toml::node& node) {
    std::string set;
    RETURN_IF_ERROR(Text(node, group, set));
    builder_.AddSet(group, std::move(set), Where(node.source()));
    return absl::OkStatus();
  }

  absl::Status Text(const toml::node& node, std::string_view key,
                    std::string& text) {
    const auto* value = node.as_string();
    if (value == nullptr || value->get().empty()) {
      return Odd(node.source(), absl::StrCat("'", std::string(key),
                                             "' must be a text in quotes"));
    }
    text = value->get();
    return absl::OkStatus();
  }

  const std::string& name_;
  InventoryBuilder& builder_;
};

}  // namespace

absl::Status ReadTomlInventory(absl::string_view text, const std::string& name,
                               InventoryBuilder& builder) {
  toml::parse_result table =
      toml::parse(std::string_view(text.data(), text.size()));
  Reader reader(name, builder);
  if (!table) {
    const std::string_view why = table.error().description();
    return reader.Odd(table.error().source(), {why.data(), why.size()});
  }
  return reader.Read(table.table());
}

}  // namespace specula::ctl
