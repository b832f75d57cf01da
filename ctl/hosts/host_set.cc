#include "ctl/hosts/host_set.h"

#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "ctl/hosts/pattern.h"
#include "lib/base/host_port.h"
#include "lib/base/status_macros.h"

namespace specula::ctl {
namespace {

constexpr char kUnion = ',';
constexpr char kWithout = '!';
constexpr char kAnd = '&';
constexpr char kXor = '^';

// One operand, with the operator before it.
struct Term {
  char op = kUnion;
  absl::string_view text;
};

bool IsOperator(char c) {
  return c == kUnion || c == kWithout || c == kAnd || c == kXor;
}

// Splits at operators that stand outside of brackets.
absl::StatusOr<std::vector<Term>> SplitTerms(absl::string_view text) {
  std::vector<Term> terms;
  char op = kUnion;
  size_t begin = 0;
  bool inside = false;
  for (size_t i = 0; i <= text.size(); ++i) {
    if (i == text.size() || (IsOperator(text[i]) && !inside)) {
      terms.push_back(
          {op, absl::StripAsciiWhitespace(text.substr(begin, i - begin))});
      if (i < text.size()) op = text[i];
      begin = i + 1;
      continue;
    }
    if (text[i] == '[') {
      if (inside) return OddHostSet(text.substr(begin), "a [ within [ ]");
      inside = true;
    } else if (text[i] == ']') {
      if (!inside) return OddHostSet(text.substr(begin), "a ] without its [");
      inside = false;
    }
  }
  if (inside) return OddHostSet(terms.back().text, "the ] is missing");
  return terms;
}

absl::StatusOr<std::string> CanonicalName(absl::string_view name,
                                          uint16_t default_port) {
  ASSIGN_OR_RETURN(HostPort host, ParseHostPort(name, default_port));
  if (host.port == 0) return OddHostSet(name, "port 0 cannot be dialled");
  if (host.port == default_port) return host.host;
  return FormatHostPort(host);
}

absl::StatusOr<std::vector<std::string>> GroupHosts(
    absl::string_view name, absl::string_view term,
    const HostCatalog& catalog) {
  if (name == "*") return catalog.hosts;
  auto group = catalog.groups.find(name);
  if (group != catalog.groups.end()) return group->second;
  if (catalog.groups.empty()) {
    return OddHostSet(term, "there are no groups: no inventory has any");
  }
  return OddHostSet(
      term, absl::StrCat("there is no such group; there are: ",
                         absl::StrJoin(catalog.groups, ", ",
                                       [](std::string* out, const auto& known) {
                                         absl::StrAppend(out, "@", known.first);
                                       })));
}

absl::StatusOr<std::vector<std::string>> TermHosts(absl::string_view term,
                                                   size_t most,
                                                   const HostCatalog& catalog,
                                                   uint16_t default_port) {
  std::vector<std::string> hosts;
  const bool is_group = term.front() == '@';
  if (is_group && term == "@*") return catalog.hosts;
  ASSIGN_OR_RETURN(std::vector<std::string> patterns,
                   ExpandPattern(is_group ? term.substr(1) : term, most));
  for (std::string& pattern : patterns) {
    if (is_group) {
      ASSIGN_OR_RETURN(std::vector<std::string> group,
                       GroupHosts(pattern, term, catalog));
      hosts.insert(hosts.end(), group.begin(), group.end());
    } else if (pattern.find_first_of("*?") != std::string::npos) {
      for (const std::string& host : catalog.hosts) {
        if (MatchesWildcard(host, pattern)) hosts.push_back(host);
      }
    } else {
      ASSIGN_OR_RETURN(std::string name, CanonicalName(pattern, default_port));
      hosts.push_back(std::move(name));
    }
    // Groups and wildcards may give many for each of many patterns.
    if (hosts.size() > kMostHosts) {
      return OddHostSet(term, absl::StrCat("more than ", kMostHosts, " hosts"));
    }
  }
  return hosts;
}

// An ordered set of names.
class NameSet {
 public:
  void Apply(char op, std::vector<std::string> hosts) {
    if (op == kUnion) {
      for (std::string& host : hosts) Add(std::move(host));
      return;
    }
    const absl::flat_hash_set<std::string> other(hosts.begin(), hosts.end());
    std::vector<std::string> before = std::move(names_);
    const absl::flat_hash_set<std::string> had = std::move(seen_);
    names_.clear();
    seen_.clear();
    for (std::string& name : before) {
      if (other.contains(name) == (op == kAnd)) Add(std::move(name));
    }
    if (op != kXor) return;
    for (std::string& host : hosts) {
      if (!had.contains(host)) Add(std::move(host));
    }
  }
  size_t size() const { return names_.size(); }
  std::vector<std::string> Take() && { return std::move(names_); }

 private:
  void Add(std::string name) {
    if (seen_.insert(name).second) names_.push_back(std::move(name));
  }
  std::vector<std::string> names_;
  absl::flat_hash_set<std::string> seen_;
};

}  // namespace

std::vector<std::string> GroupsIn(absl::string_view text) {
  std::vector<std::string> groups;
  absl::StatusOr<std::vector<Term>> terms = SplitTerms(text);
  if (!terms.ok()) return groups;
  for (const Term& term : *terms) {
    if (term.text.empty() || term.text.front() != '@') continue;
    absl::StatusOr<std::vector<std::string>> names =
        ExpandPattern(term.text.substr(1));
    if (!names.ok()) continue;
    groups.insert(groups.end(), names->begin(), names->end());
  }
  return groups;
}

bool MatchesWildcard(absl::string_view name, absl::string_view wildcard) {
  // On a mismatch the last * takes one character more: linear in practice, and
  // never worse than the product of the lengths.
  size_t at = 0;
  size_t place = 0;
  size_t star = absl::string_view::npos;
  size_t star_at = 0;
  while (at < name.size()) {
    if (place < wildcard.size() &&
        (wildcard[place] == '?' || wildcard[place] == name[at]) &&
        wildcard[place] != '*') {
      ++at;
      ++place;
    } else if (place < wildcard.size() && wildcard[place] == '*') {
      star = place++;
      star_at = at;
    } else if (star != absl::string_view::npos) {
      place = star + 1;
      at = ++star_at;
    } else {
      return false;
    }
  }
  return wildcard.find_first_not_of('*', place) == absl::string_view::npos;
}

absl::StatusOr<std::vector<std::string>> EvaluateHostSet(
    absl::string_view text, const HostCatalog& catalog, uint16_t default_port) {
  ASSIGN_OR_RETURN(std::vector<Term> terms, SplitTerms(text));
  NameSet set;
  for (const Term& term : terms) {
    if (term.text.empty()) {
      return OddHostSet(text,
                        terms.size() > 1 && &term == &terms.front()
                            ? "a host is missing before the first operator; "
                              "all hosts are *, so all but db is *!db"
                            : "a host is missing");
    }
    const size_t most = term.op == kUnion || term.op == kXor
                            ? kMostHosts - set.size()
                            : kMostHosts;
    ASSIGN_OR_RETURN(std::vector<std::string> hosts,
                     TermHosts(term.text, most, catalog, default_port));
    set.Apply(term.op, std::move(hosts));
    if (set.size() > kMostHosts) {
      return OddHostSet(term.text,
                        absl::StrCat("more than ", kMostHosts, " hosts"));
    }
  }
  return std::move(set).Take();
}

}  // namespace specula::ctl
