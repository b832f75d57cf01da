#ifndef SPECULA_CTL_HOSTS_INVENTORY_BUILDER_H_
#define SPECULA_CTL_HOSTS_INVENTORY_BUILDER_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "ctl/hosts/inventory.h"

namespace specula::ctl {

// What a reader of one format found at one line about one or more hosts.
struct HostEntry {
  std::string pattern;           // of names; see ExpandPattern
  std::string address;           // a pattern of as many; empty: the names
  int64_t port = 0;              // 0: not said
  std::string certificate_name;  // a pattern of as many, or one for all
  std::map<std::string, std::string> labels;
};

// Puts an inventory together, whatever it was read from. Groups may be told in
// any order: they are looked up when all has been read.
class InventoryBuilder {
 public:
  explicit InventoryBuilder(uint16_t default_port)
      : default_port_(default_port) {}

  // Adds hosts, or further knowledge of hosts that are there already; gives
  // their names. INVALID_ARGUMENT says what is odd, without a place.
  absl::StatusOr<std::vector<std::string>> AddHosts(const HostEntry& entry);

  // Adds a group, or adds to one: hosts by name, other groups, or host sets
  // that may speak of groups and wildcards. `where` is for errors.
  void AddMembers(const std::string& group, std::vector<std::string> names);
  void AddChild(const std::string& group, const std::string& child,
                const std::string& where);
  void AddSet(const std::string& group, std::string set,
              const std::string& where);

  // The end. INVALID_ARGUMENT with the place of a group that is not there, or
  // that contains itself.
  absl::StatusOr<Inventory> Build() &&;

 private:
  struct Part {
    bool is_child = false;
    std::string text;  // a group or a host set
    std::string where;
  };
  struct Group {
    std::vector<std::string> names;
    std::vector<Part> parts;
    enum { kUnknown, kOpen, kDone } state = kUnknown;
  };

  absl::Status Resolve(const std::string& name, const std::string& where,
                       int depth);
  absl::Status ResolveSet(const Part& part, std::vector<std::string>& hosts,
                          int depth);

  const uint16_t default_port_;
  Inventory inventory_;
  absl::flat_hash_map<std::string, size_t> places_;  // of hosts, by name
  std::map<std::string, Group> groups_;
};

}  // namespace specula::ctl

#endif  // SPECULA_CTL_HOSTS_INVENTORY_BUILDER_H_
