#include "ctl/ledger/run_diff.h"

#include <map>
#include <tuple>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "ctl/gather.h"
#include "ctl/hosts/fold.h"
#include "ctl/ledger/run.h"
#include "ctl/line_diff.h"
#include "lib/base/format.h"

namespace specula::ctl {
namespace {

using Names = std::vector<std::string>;

// "vm[1-3] (3)"
std::string Head(const Names& names) {
  return absl::StrCat(EscapeControls(FoldHosts(names)), " (", names.size(),
                      ")");
}

// By name; of a name that stands twice the last counts.
absl::flat_hash_map<std::string, size_t> PlacesOf(const ledger::Run& run) {
  absl::flat_hash_map<std::string, size_t> places;
  for (int i = 0; i < run.hosts_size(); ++i) {
    places[run.hosts(i).name()] = static_cast<size_t>(i);
  }
  return places;
}

std::string OnlyIn(const ledger::Run& run,
                   const absl::flat_hash_map<std::string, size_t>& others) {
  Names names;
  for (const ledger::Host& host : run.hosts()) {
    if (!others.contains(host.name())) names.push_back(host.name());
  }
  if (names.empty()) return "";
  return absl::StrCat("only in run ", run.id(), ": ", Head(names), "\n");
}

const ledger::Host& HostAt(const ledger::Run& run, size_t place) {
  return run.hosts(static_cast<int>(place));
}

// Which outputs a host had in both runs: those that agree need one diff.
using OutputPair = std::tuple<uint32_t, uint32_t, uint32_t, uint32_t>;

struct Change {
  size_t from;  // places of the first host that is changed so
  size_t to;
  Names names;
};

bool SameOutput(const ledger::Run& from, uint32_t a, const ledger::Run& to,
                uint32_t b) {
  return from.outputs(static_cast<int>(a)).sha256() ==
         to.outputs(static_cast<int>(b)).sha256();
}

}  // namespace

std::string DiffRuns(const ledger::Run& from, const ledger::Run& to,
                     bool safe) {
  const auto from_places = PlacesOf(from);
  const auto to_places = PlacesOf(to);
  std::string text =
      absl::StrCat(OnlyIn(from, to_places), OnlyIn(to, from_places));
  std::map<std::string, Names> outcomes;
  std::map<OutputPair, Change> outputs;
  for (int i = 0; i < from.hosts_size(); ++i) {
    const ledger::Host& before = from.hosts(i);
    const auto found = to_places.find(before.name());
    if (found == to_places.end() ||
        from_places.at(before.name()) != static_cast<size_t>(i)) {
      continue;
    }
    const ledger::Host& after = HostAt(to, found->second);
    const std::string was = OutcomeWord(EndingOf(before));
    const std::string is = OutcomeWord(EndingOf(after));
    if (was != is) {
      outcomes[absl::StrCat(was, " -> ", is)].push_back(before.name());
    }
    if (SameOutput(from, before.standard_output(), to,
                   after.standard_output()) &&
        SameOutput(from, before.standard_error(), to, after.standard_error())) {
      continue;
    }
    Change& change = outputs[{before.standard_output(), before.standard_error(),
                              after.standard_output(), after.standard_error()}];
    if (change.names.empty()) {
      change.from = static_cast<size_t>(i);
      change.to = found->second;
    }
    change.names.push_back(before.name());
  }
  for (const auto& [what, names] : outcomes) {
    absl::StrAppend(&text, what, ": ", Head(names), "\n");
  }
  if (outputs.empty()) return text;
  const Gather before = GatherOf(from);
  const Gather after = GatherOf(to);
  for (const auto& [pair, change] : outputs) {
    const std::string lines = UnifiedDiff(before.ViewHost(change.from, safe),
                                          after.ViewHost(change.to, safe));
    absl::StrAppend(&text, "--- run ", from.id(), " ", Head(change.names),
                    "\n+++ run ", to.id(), " ", Head(change.names), "\n",
                    lines.empty() ? "[specula: they differ in what is not "
                                    "kept, or not shown]\n"
                                  : lines);
  }
  return text;
}

}  // namespace specula::ctl
