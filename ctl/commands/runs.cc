#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "ctl/batch_json.h"
#include "ctl/commands/commands.h"
#include "ctl/commands/read.h"
#include "ctl/from_proto.h"
#include "ctl/ledger/run.h"
#include "ctl/ledger/run_diff.h"
#include "ctl/ledger/store.h"
#include "ctl/table.h"
#include "lib/base/format.h"
#include "lib/base/status_macros.h"

namespace specula::ctl {
namespace {

int64_t FailedOf(const ledger::Run& run) {
  return std::count_if(
      run.hosts().begin(), run.hosts().end(),
      [](const ledger::Host& host) { return IsFailure(EndingOf(host)); });
}

absl::StatusOr<ledger::Run> LoadRun(const std::string& id) {
  ASSIGN_OR_RETURN(const int64_t number, ParseRunId(id));
  return LedgerStore().Get(number);
}

// One line, without its end.
std::string JsonHead(const ledger::Run& run) {
  return absl::StrFormat(
      "{\"run\":%d,\"time\":\"%s\",\"hosts\":%d,\"failed\":%d,"
      "\"exit_code\":%d,\"elapsed_seconds\":%.6f,\"command\":%s",
      run.id(),
      absl::FormatTime("%Y-%m-%dT%H:%M:%E6SZ", TimeOf(run),
                       absl::UTCTimeZone()),
      run.hosts_size(), FailedOf(run), run.exit_code(),
      absl::ToDoubleSeconds(FromProto(run.elapsed())),
      JsonMessage(run.command()));
}

int ShowRuns(bool json) {
  const LedgerStore store;
  const absl::StatusOr<std::vector<int64_t>> ids = store.Ids();
  if (!ids.ok()) return UsageError(ids.status());
  Table table({{"RUN", Table::Align::kRight},
               {"WHEN"},
               {"HOSTS", Table::Align::kRight},
               {"FAILED", Table::Align::kRight},
               {"TOOK", Table::Align::kRight},
               {"COMMAND"}});
  std::string text;
  for (const int64_t id : *ids) {
    const absl::StatusOr<ledger::Run> run = store.Get(id);
    // Another controller may have pruned it meanwhile.
    if (absl::IsNotFound(run.status())) continue;
    if (!run.ok()) {
      UsageError(run.status());
      continue;
    }
    if (json) {
      absl::StrAppend(&text, JsonHead(*run), "}\n");
      continue;
    }
    table.AddNote({absl::StrCat(id),
                   absl::FormatTime("%Y-%m-%d %H:%M:%S", TimeOf(*run),
                                    absl::LocalTimeZone()),
                   absl::StrCat(run->hosts_size()),
                   absl::StrCat(FailedOf(*run)),
                   FormatElapsed(FromProto(run->elapsed())),
                   CutToWidth(CommandLine(run->command()), 200)});
  }
  if (!json) text = table.Render(ViewForOutput().max_width);
  return Print(text);
}

std::string JsonRun(const ledger::Run& run) {
  const Gather gather = GatherOf(run);
  std::string text = absl::StrCat(JsonHead(run), ",\"results\":[");
  for (int i = 0; i < run.hosts_size(); ++i) {
    const ledger::Host& host = run.hosts(i);
    absl::StrAppend(&text, i == 0 ? "" : ",", "{\"id\":", host.id(),
                    ",\"host\":", JsonString(host.name()), ",",
                    JsonEnding(EndingOf(host), FromProto(host.elapsed())),
                    ",\"outputs\":[");
    bool first = true;
    for (const OutputStream stream :
         {OutputStream::kOutput, OutputStream::kError}) {
      const KeptOutput output = gather.Kept(static_cast<size_t>(i), stream);
      if (output.total_bytes == 0) continue;
      absl::StrAppend(&text, first ? "" : ",",
                      "{\"total_bytes\":", output.total_bytes,
                      JsonOutput(stream, output.kept), "}");
      first = false;
    }
    text += "]}";
  }
  return text + "]}\n";
}

int ShowRun(const std::string& id, bool diff, bool json) {
  const absl::StatusOr<ledger::Run> run = LoadRun(id);
  if (!run.ok()) return UsageError(run.status());
  if (json) return Print(JsonRun(*run));
  const Gather gather = GatherOf(*run);
  const bool safe = ViewForOutput().max_width != SIZE_MAX;
  std::string text = diff ? gather.ViewDiff(safe) : gather.ViewFolded(safe);
  text += gather.ViewSummary();
  if (const ExitCode code = Print(text); code != kExitOk) return code;
  for (const std::string& remark : gather.Remarks()) {
    SayError(remark);
  }
  SayError(absl::StrCat("run ", id, " of ",
                        absl::FormatTime("%Y-%m-%d %H:%M:%S", TimeOf(*run),
                                         absl::LocalTimeZone()),
                        ": ", EscapeControls(CommandLine(run->command()))));
  return kExitOk;
}

int DiffTwo(const std::string& from_id, const std::string& to_id) {
  const absl::StatusOr<ledger::Run> from = LoadRun(from_id);
  if (!from.ok()) return UsageError(from.status());
  const absl::StatusOr<ledger::Run> to = LoadRun(to_id);
  if (!to.ok()) return UsageError(to.status());
  const bool safe = ViewForOutput().max_width != SIZE_MAX;
  const std::string text = DiffRuns(*from, *to, safe);
  if (const ExitCode code = Print(text); code != kExitOk) return code;
  return text.empty() ? kExitOk : kExitFailed;
}

}  // namespace

void AddRunsCommand(CLI::App& app, CommandContext& context) {
  CLI::App* command = app.add_subcommand(
      "runs", "The batches that were run from here, the newest first");
  command->footer(
      "Kept are the last 200, 128 MiB at most, in "
      "~/.local/state/specula/runs (or under\n"
      "XDG_STATE_HOME): the command, without its standard input and the values "
      "of --env,\n"
      "and of each host how it ended and the beginning of its output. exec "
      "--forget keeps\n"
      "nothing; to forget a run, remove its file.\n\n"
      "Example: specula runs");
  command->callback([&context] {
    context.run = [&context](Interrupt&) {
      return ShowRuns(context.options.json);
    };
  });
}

void AddShowCommand(CLI::App& app, CommandContext& context) {
  CLI::App* command = app.add_subcommand(
      "show", "A batch as it was shown when it was run: show RUN");
  auto id = std::make_shared<std::string>();
  auto diff = std::make_shared<bool>(false);
  command->add_option("RUN", *id, "Its number, see 'specula runs'")->required();
  command->add_flag("--diff", *diff,
                    "Show what most hosts sent, and how the others differ");
  command->footer("Example: specula show 17");
  command->callback([&context, id, diff] {
    context.run = [&context, id, diff](Interrupt&) {
      return ShowRun(*id, *diff, context.options.json);
    };
  });
}

void AddDiffCommand(CLI::App& app, CommandContext& context) {
  CLI::App* command = app.add_subcommand(
      "diff", "What is otherwise in one batch than in another: diff RUN RUN");
  auto from = std::make_shared<std::string>();
  auto to = std::make_shared<std::string>();
  command
      ->add_option("FROM", *from, "The number of the one, see 'specula runs'")
      ->required();
  command->add_option("TO", *to, "The number of the other")->required();
  command->footer(
      "Hosts that are in one only, outcomes that have changed, and outputs in "
      "unified\n"
      "form, of hosts with the same change together. Exit code: 0 nothing, 1 "
      "something.\n\n"
      "Example: specula diff 16 17");
  command->callback([&context, from, to] {
    context.run = [from, to](Interrupt&) { return DiffTwo(*from, *to); };
  });
}

}  // namespace specula::ctl
