#include "ctl/completion.h"

#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "ctl/commands/commands.h"
#include "ctl/commands/read.h"
#include "ctl/ledger/store.h"
#include "ctl/user_files.h"
#include "lib/base/format.h"
#include "lib/config/settings.h"

namespace specula::ctl {
namespace {

// The value of --NAME among words, else of the environment.
std::string ValueOf(const std::vector<std::string>& words,
                    const std::string& flag, const char* variable) {
  for (size_t i = 0; i < words.size(); ++i) {
    if (words[i] == flag && i + 2 < words.size()) return words[i + 1];
    if (absl::StartsWith(words[i], flag + "=")) {
      return words[i].substr(flag.size() + 1);
    }
  }
  const char* value = getenv(variable);
  return value == nullptr ? "" : value;
}

HostCatalog CatalogFor(CLI::App& app, CommandContext& context,
                       const std::vector<std::string>& words) {
  const std::string config = ValueOf(words, "--config", "SPECULA_CTL_CONFIG");
  // What is wrong with it will be said when the command is run.
  ApplyTomlFile(app, config.empty() ? UserConfigFile("ctl.toml") : config,
                false)
      .IgnoreError();
  FleetOptions options = context.options;
  const std::string named = ValueOf(words, "--inventory", "SPECULA_INVENTORY");
  if (!named.empty()) options.inventory = named;
  // No name server is asked while somebody types.
  if (absl::StartsWith(options.inventory, "dns:")) return {};
  absl::StatusOr<Inventory> inventory = LoadInventory(options);
  return inventory.ok() ? std::move(inventory->catalog) : HostCatalog();
}

}  // namespace

int RunComplete(CLI::App& app, CommandContext& context,
                const std::vector<std::string>& words) {
  const CompletionSources sources = {
      .catalog = [&] { return CatalogFor(app, context, words); },
      .runs =
          [] {
            std::vector<std::string> runs;
            const absl::StatusOr<std::vector<int64_t>> ids =
                LedgerStore().Ids();
            if (!ids.ok()) return runs;
            for (const int64_t id : *ids) runs.push_back(absl::StrCat(id));
            return runs;
          }};
  std::string text;
  for (const Candidate& candidate : Complete(app, words, sources)) {
    absl::StrAppend(&text, EscapeControls(candidate.word), "\t",
                    EscapeControls(candidate.help), "\n");
  }
  return Print(text);
}

void AddCompletionCommand(CLI::App& app, CommandContext& context) {
  CLI::App* command = app.add_subcommand(
      "completion", "Print the script that completes our words in your shell");
  auto shell = std::make_shared<std::string>();
  command->add_option("SHELL", *shell, "Which")
      ->required()
      ->check(CLI::IsMember({"bash", "zsh", "fish"}));
  command->footer(
      "It asks specula itself, which asks nobody: commands, options, hosts, "
      "@groups and\n"
      "@label=value of the inventory, and the numbers of runs.\n\n"
      "Examples: source <(specula completion bash)\n"
      "          specula completion fish "
      ">~/.config/fish/completions/specula.fish");
  command->callback([&context, shell] {
    context.run = [shell](Interrupt&) {
      return Print(CompletionScript(*shell));
    };
  });
}

}  // namespace specula::ctl
