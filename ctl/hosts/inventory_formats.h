#ifndef SPECULA_CTL_HOSTS_INVENTORY_FORMATS_H_
#define SPECULA_CTL_HOSTS_INVENTORY_FORMATS_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "ctl/hosts/ansible_inventory.h"
#include "ctl/hosts/inventory_builder.h"

namespace specula::ctl {

// Readers of the formats that an inventory may have. Errors are
// INVALID_ARGUMENT with NAME:LINE. All are pure.

// Our own, see inventory.h.
absl::Status ReadTomlInventory(absl::string_view text, const std::string& name,
                               InventoryBuilder& builder);
absl::Status ReadPlainInventory(absl::string_view text, const std::string& name,
                                InventoryBuilder& builder);

// Whether a source is Ansible's and not plain lines: by its name (.yml, .yaml,
// .json, .ini), or by what only Ansible writes: a section, a variable behind a
// host, a range [1:20], a mapping of YAML.
bool IsAnsibleSource(absl::string_view text, absl::string_view name);

// Reads a source in the form in which Ansible would: YAML or JSON where the
// name allows it and the text is a mapping, otherwise INI.
absl::Status ReadAnsibleSource(absl::string_view text, const std::string& name,
                               AnsibleInventory& inventory);

// The forms of Ansible's sources.
absl::Status ReadAnsibleIni(absl::string_view text, const std::string& name,
                            AnsibleInventory& inventory);
absl::Status ReadAnsibleYaml(absl::string_view text, const std::string& name,
                             AnsibleInventory& inventory);

// Adds the hosts of one place in a source to a group, with their variables. A
// pattern in one of our own variables gives each host of a range its value.
absl::Status AddAnsibleHosts(const std::string& group,
                             const std::vector<std::string>& hosts,
                             const AnsibleVariables& variables,
                             const std::string& where,
                             AnsibleInventory& inventory);

// Whether a line is a header of Ansible's INI form: [web], [web:vars]. A line
// that begins with a bracket may also be an IPv6 address.
bool IsAnsibleSection(absl::string_view line);

// Whether a text is a mapping of YAML, or JSON, or nothing.
bool IsYamlMapping(absl::string_view text);

// Whether ansible-vault has encrypted a text as a whole.
bool IsVaulted(absl::string_view text);

// Reads a file of group_vars/ or host_vars/: the variables that are of use.
// What has none of them in its text is not looked at further.
absl::StatusOr<AnsibleVariables> ReadAnsibleVariables(absl::string_view text,
                                                      const std::string& name);

}  // namespace specula::ctl

#endif  // SPECULA_CTL_HOSTS_INVENTORY_FORMATS_H_
