#ifndef SPECULA_CTL_HOSTS_HOST_SET_H_
#define SPECULA_CTL_HOSTS_HOST_SET_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace specula::ctl {

// What an expression can speak of without naming it: the hosts and groups of an
// inventory. Names as EvaluateHostSet gives them.
struct HostCatalog {
  std::vector<std::string> hosts;  // in the order of the inventory
  std::map<std::string, std::vector<std::string>, std::less<>> groups;
};

// Reads a set of hosts as people write it, with the algebra of ClusterShell:
//
//   vm1,vm2:7000            a list; a port where it is not the default
//   vm[01-64], r[1-3]n[1-4] patterns; see ExpandPattern
//   @web, @rack[1-3]        the hosts of a group; @* all hosts
//   db*, vm?.example.com    those hosts of the catalog that look so
//   A,B  A!B  A&B  A^B      union, without, and, in one but not in both:
//                           from left to right, none binds stronger
//
// Gives names, each once, in the order in which they came: "vm1", or
// "vm1:7000" where the port is not `default_port`, "[::1]:7000". Empty if
// nothing is left. INVALID_ARGUMENT points at the part that is odd: an empty or
// impossible name, an unknown group, more than kMostHosts hosts. Pure.
absl::StatusOr<std::vector<std::string>> EvaluateHostSet(
    absl::string_view text, const HostCatalog& catalog, uint16_t default_port);

// The groups that an expression speaks of, without their @; those that cannot
// be read are left out, as EvaluateHostSet will refuse them. Pure.
std::vector<std::string> GroupsIn(absl::string_view text);

// Whether `name` looks like `wildcard`, in which * stands for any text and ?
// for any one character. Pure.
bool MatchesWildcard(absl::string_view name, absl::string_view wildcard);

}  // namespace specula::ctl

#endif  // SPECULA_CTL_HOSTS_HOST_SET_H_
