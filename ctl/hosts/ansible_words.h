#ifndef SPECULA_CTL_HOSTS_ANSIBLE_WORDS_H_
#define SPECULA_CTL_HOSTS_ANSIBLE_WORDS_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace specula::ctl {

// The words of Ansible's inventories in Ansible's sense (ansible-core 2.14).
// Errors are INVALID_ARGUMENT of the form "reason; what to do", without a
// place. Pure.

// Splits a line as Python's shlex does in its POSIX mode: quotes and
// backslashes are taken away, and a # that is not quoted begins a comment, also
// within a word.
absl::StatusOr<std::vector<std::string>> SplitAnsibleWords(
    absl::string_view line);

// Names of the hosts that a word comes to:
//
//   web1, web1:2222         one name; the port is that of ssh and falls away
//   [2001:db8::2]:2222      2001:db8::2
//   web[01:20], [1:9:2]     ranges of numbers, which keep leading zeros
//   db-[a:f].example.com    ranges of letters
//
// At least one, each a name that can be dialled, at most kMostHosts.
absl::StatusOr<std::vector<std::string>> ExpandAnsibleHosts(
    absl::string_view word);

// The value behind the = of an INI file. It is read as a literal of Python:
// quotes around the whole of it fall away, and a comment behind such a literal
// or a number. All else stays as it is.
std::string UnquoteAnsibleValue(absl::string_view value);

}  // namespace specula::ctl

#endif  // SPECULA_CTL_HOSTS_ANSIBLE_WORDS_H_
