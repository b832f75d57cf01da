#include "ctl/completion.h"

#include <algorithm>
#include <array>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "lib/config/option_text.h"

namespace specula::ctl {
namespace {

// By their names in the tree.
constexpr std::array<absl::string_view, 5> kHostSets = {
    "--hosts", "--exclude", "HOSTS", "HOST", "EXPR"};
constexpr std::array<absl::string_view, 3> kRuns = {"RUN", "FROM", "TO"};

bool IsOneOf(absl::string_view name, const auto& names) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

std::string FirstLine(const std::string& text) {
  return text.substr(0, text.find('\n'));
}

// Where the words up to the last one have led.
struct Place {
  const CLI::App* app;
  const CLI::Option* pending = nullptr;  // its value is next
  size_t positionals = 0;                // of `app`, that have been given
  bool beyond = false;                   // behind --
};

// An option of a command, or of those above it.
const CLI::Option* FindOption(const CLI::App* app, const std::string& name) {
  for (; app != nullptr; app = app->get_parent()) {
    if (const CLI::Option* found = app->get_option_no_throw(name)) return found;
  }
  return nullptr;
}

void Step(const std::string& word, Place& place) {
  if (place.beyond) return;
  if (place.pending != nullptr) {
    place.pending = nullptr;
  } else if (word == "--") {
    place.beyond = true;
  } else if (absl::StartsWith(word, "-") && word.size() > 1) {
    const CLI::Option* option = FindOption(place.app, word);
    if (option != nullptr && option->get_items_expected_max() > 0) {
      place.pending = option;
    }
  } else if (!place.app->get_subcommands({}).empty()) {
    for (const CLI::App* command : place.app->get_subcommands({})) {
      if (command->get_name() == word) {
        place = {.app = command};
        return;
      }
    }
  } else {
    ++place.positionals;
  }
}

// Completes the part of a host set behind its last operator.
std::vector<Candidate> HostSets(const std::string& word,
                                const HostCatalog& catalog) {
  const size_t bracket = word.rfind('[');
  if (bracket != std::string::npos &&
      word.find(']', bracket) == std::string::npos) {
    return {};
  }
  const size_t cut = word.find_last_of(",!&^") + 1;
  const std::string before = word.substr(0, cut);
  std::vector<Candidate> candidates;
  for (const std::string& host : catalog.hosts) {
    candidates.push_back({before + host, "host"});
  }
  for (const auto& [group, hosts] : catalog.groups) {
    candidates.push_back({absl::StrCat(before, "@", group),
                          absl::StrCat("group of ", hosts.size())});
  }
  return candidates;
}

std::vector<Candidate> Values(const CLI::Option& option,
                              const std::string& word,
                              const CompletionSources& sources) {
  const std::string name = option.get_name();
  const std::string last = name.substr(name.rfind(',') + 1);
  if (IsOneOf(last, kHostSets)) return HostSets(word, sources.catalog());
  std::vector<Candidate> candidates;
  if (IsOneOf(last, kRuns)) {
    for (std::string& run : sources.runs()) {
      candidates.push_back({std::move(run), "run"});
    }
  }
  for (std::string& choice : ChoicesOf(option)) {
    candidates.push_back({std::move(choice), ""});
  }
  return candidates;
}

std::vector<Candidate> Options(const CLI::App* app) {
  std::vector<Candidate> candidates;
  for (; app != nullptr; app = app->get_parent()) {
    for (const CLI::Option* option : app->get_options({})) {
      if (!option->nonpositional()) continue;
      for (const std::string& name : option->get_lnames()) {
        candidates.push_back(
            {"--" + name, FirstLine(option->get_description())});
      }
      for (const std::string& name : option->get_snames()) {
        candidates.push_back(
            {"-" + name, FirstLine(option->get_description())});
      }
    }
  }
  return candidates;
}

std::vector<Candidate> All(const Place& place, const std::string& word,
                           const CompletionSources& sources) {
  if (place.beyond) return {};
  if (place.pending != nullptr) return Values(*place.pending, word, sources);
  const size_t equals = word.find('=');
  if (absl::StartsWith(word, "--") && equals != std::string::npos) {
    const CLI::Option* option = FindOption(place.app, word.substr(0, equals));
    if (option == nullptr) return {};
    std::vector<Candidate> candidates =
        Values(*option, word.substr(equals + 1), sources);
    for (Candidate& candidate : candidates) {
      candidate.word.insert(0, word.substr(0, equals + 1));
    }
    return candidates;
  }
  if (absl::StartsWith(word, "-")) return Options(place.app);
  std::vector<Candidate> candidates;
  for (const CLI::App* command : place.app->get_subcommands({})) {
    if (command->get_group().empty()) continue;  // hidden
    candidates.push_back(
        {command->get_name(), FirstLine(command->get_description())});
  }
  if (!candidates.empty()) return candidates;
  size_t positional = 0;
  for (const CLI::Option* option : place.app->get_options({})) {
    if (option->nonpositional()) continue;
    if (positional++ == place.positionals) {
      return Values(*option, word, sources);
    }
  }
  return {};
}

constexpr absl::string_view kBash = R"(# bash completion of specula:
#   specula completion bash >~/.local/share/bash-completion/completions/specula
_specula() {
  local line=${COMP_LINE:0:COMP_POINT} words current done='' candidate i
  COMPREPLY=()
  read -ra words <<<"$line"
  if [[ $line == *[[:space:]] ]]; then words+=(''); fi
  current=${words[${#words[@]} - 1]}
  # readline replaces only what stands behind the last of its own breaks.
  for ((i = 0; i < ${#current}; i++)); do
    if [[ $COMP_WORDBREAKS == *"${current:i:1}"* ]]; then done=${current:0:i+1}; fi
  done
  while IFS=$'\t' read -r candidate _; do
    COMPREPLY+=("${candidate#"$done"}")
  done < <("${words[0]}" __complete "${words[@]:1}" 2>/dev/null)
}
complete -o default -F _specula specula
)";

constexpr absl::string_view kZsh = R"(#compdef specula
# zsh completion of specula: put it as _specula into a directory of $fpath, or
#   source <(specula completion zsh)
_specula() {
  local line
  local -a candidates shown
  for line in "${(@f)$("$words[1]" __complete "${(@Q)words[2,CURRENT-1]}" "$PREFIX" 2>/dev/null)}"; do
    [[ -n $line ]] || continue
    candidates+=("${line%%$'\t'*}")
    shown+=("${line/$'\t'/  }")
  done
  if (( $#candidates )); then
    compadd -l -d shown -a candidates
  else
    _files
  fi
}
if [[ $funcstack[1] == _specula ]]; then
  _specula "$@"
else
  compdef _specula specula
fi
)";

constexpr absl::string_view kFish = R"(# fish completion of specula:
#   specula completion fish >~/.config/fish/completions/specula.fish
function __specula_complete
    set -l words (commandline -opc)
    set -l candidates ($words[1] __complete $words[2..-1] (commandline -ct) 2>/dev/null)
    if test (count $candidates) -gt 0
        printf '%s\n' $candidates
    else
        __fish_complete_path (commandline -ct)
    end
end
complete -c specula -f -a '(__specula_complete)'
)";

}  // namespace

std::vector<Candidate> Complete(const CLI::App& app,
                                const std::vector<std::string>& words,
                                const CompletionSources& sources) {
  if (words.empty()) return {};
  Place place = {.app = &app};
  for (size_t i = 0; i + 1 < words.size(); ++i) Step(words[i], place);
  std::vector<Candidate> candidates = All(place, words.back(), sources);
  std::erase_if(candidates, [&](const Candidate& candidate) {
    return !absl::StartsWith(candidate.word, words.back());
  });
  return candidates;
}

absl::string_view CompletionScript(absl::string_view shell) {
  if (shell == "bash") return kBash;
  if (shell == "zsh") return kZsh;
  if (shell == "fish") return kFish;
  return "";
}

}  // namespace specula::ctl
