#ifndef SPECULA_CTL_HOSTS_ANSIBLE_INVENTORY_H_
#define SPECULA_CTL_HOSTS_ANSIBLE_INVENTORY_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "ctl/hosts/inventory_builder.h"

namespace specula::ctl {

// The value of one variable.
struct AnsibleValue {
  enum class Kind {
    kText,
    kNone,      // null: as if it were not set
    kVaulted,   // a secret of ansible-vault
    kCompound,  // a list or a mapping
  };
  Kind kind = Kind::kText;
  std::string text;
  std::string where;  // FILE:LINE
};
using AnsibleVariables = std::map<std::string, AnsibleValue, std::less<>>;

// Whether a variable decides where a host is dialled: ansible_host,
// ansible_ssh_host, ansible_group_priority (of a group), and our own,
// specula_host, specula_port and specula_certificate_name. Others are dropped
// where they are read. Pure.
bool IsAnsibleVariableOfUse(absl::string_view name);

// Returns "WHERE: WHAT: 'OBJECT': REASON" as INVALID_ARGUMENT, safe to print.
// Pure.
absl::Status AnsibleError(const std::string& where, absl::string_view what,
                          absl::string_view object, absl::string_view reason);

// An inventory of Ansible as it is put together from one source or more, with
// Ansible's rules for what comes of it: every host is in `all`, one that is in
// no other group is in `ungrouped`, and of a variable that is set at more than
// one place the nearest to the host counts.
class AnsibleInventory {
 public:
  // Where a variable is set. In a file of group_vars/ or host_vars/ it has more
  // authority than in the inventory itself, for the same kind of owner.
  enum class Place { kInventory, kVarsFile };

  AnsibleInventory();

  void AddGroup(const std::string& group);
  bool HasGroup(const std::string& group) const;

  // Puts one group into another. Both are added if they are not there.
  void AddChild(const std::string& group, const std::string& child,
                const std::string& where);

  // Puts a host into a group, or adds to what is known of it. INVALID_ARGUMENT
  // beyond kMostHosts, and beyond twenty times as often.
  absl::Status AddHost(const std::string& group, const std::string& host,
                       const std::string& where);

  // Set variables of a group or a host that is there; the last value counts.
  void SetGroupVariables(const std::string& group, Place place,
                         const AnsibleVariables& variables);
  void SetHostVariables(const std::string& host, Place place,
                        const AnsibleVariables& variables);

  // Notes that a file of a host's variables cannot be read, being encrypted as
  // a whole: the host must then have its address from elsewhere.
  void SealHost(const std::string& host, const std::string& where);

  // The names that are there, hosts in the order in which they came.
  std::vector<std::string> GroupNames() const;
  std::vector<std::string> HostNames() const;

  // The end: gives all to `builder`. INVALID_ARGUMENT with FILE:LINE for a
  // group that contains itself and for an address that cannot be known.
  absl::Status Build(InventoryBuilder& builder) &&;

 private:
  struct Variables {
    AnsibleVariables in_inventory;
    AnsibleVariables in_files;
  };
  struct Child {
    std::string group;
    std::string where;
  };
  struct Group {
    std::vector<size_t> hosts;  // places in hosts_
    std::vector<Child> children;
    std::vector<std::string> parents;
    Variables variables;
    int64_t priority = 1;
    int depth = 0;  // the longest way from `all`; 0: not known yet
    bool open = false;
  };
  struct Host {
    std::string name;
    bool grouped = false;  // is in a group besides all and ungrouped
    Variables variables;
    std::string sealed;  // FILE:LINE of what cannot be read
    AnsibleVariables effective;
  };

  void FillUngrouped();
  absl::Status FindDepth(const std::string& name, const std::string& where,
                         int level);
  std::vector<size_t> Members(const std::string& name) const;
  void Apply(const std::vector<size_t>& hosts,
             const AnsibleVariables& variables);
  void ApplyAll();
  static absl::StatusOr<HostEntry> Entry(const Host& host);

  std::map<std::string, Group> groups_;
  std::vector<Host> hosts_;
  absl::flat_hash_map<std::string, size_t> places_;  // in hosts_, by name
  size_t mentions_ = 0;                              // calls of AddHost
};

}  // namespace specula::ctl

#endif  // SPECULA_CTL_HOSTS_ANSIBLE_INVENTORY_H_
