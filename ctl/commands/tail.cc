#include <memory>

#include "absl/strings/str_cat.h"
#include "ctl/command_options.h"
#include "ctl/commands/commands.h"
#include "ctl/commands/read.h"
#include "ctl/run_tail.h"
#include "lib/base/format.h"
#include "re2/re2.h"

namespace specula::ctl {
namespace {

struct TailOptions {
  // HOST PATH, or PATH alone with --hosts.
  std::string first;
  std::string second;
  int64_t lines = 10;
  bool follow = false;
  bool wait = false;
  bool raw = false;
  std::string grep;
};

int RunTail(const TailOptions& options, const CommandContext& context,
            Interrupt& interrupt) {
  absl::Status usable = CheckNoFleetForm(context.options, "tail", false);
  if (!usable.ok()) return UsageError(usable);
  v1::TailRequest request;
  request.set_path(options.second.empty() ? options.first : options.second);
  if (absl::Status status = CheckTailPath(request.path()); !status.ok()) {
    return UsageError(status);
  }
  request.set_lines(options.lines);
  request.set_follow(options.follow);
  request.set_wait_for_file(options.wait);
  const RE2 pattern(options.grep, RE2::Quiet);
  if (!pattern.ok()) {
    return UsageError(absl::InvalidArgumentError(
        absl::StrCat("--grep: ", EscapeControls(pattern.error()))));
  }
  absl::StatusOr<std::vector<Target>> targets =
      OpenFleet(context.options, options.second.empty() ? "" : options.first);
  if (!targets.ok()) return UsageError(targets.status());
  TailFleetOptions form;
  form.answer_within = absl::Seconds(context.options.timeout_seconds);
  form.raw = options.raw;
  if (!options.grep.empty()) {
    form.keep = [&pattern](absl::string_view line) {
      return RE2::PartialMatch(re2::StringPiece(line.data(), line.size()),
                               pattern);
    };
  }
  return RunTailOn(*targets, request, form, interrupt);
}

}  // namespace

void AddTailCommand(CLI::App& app, CommandContext& context) {
  CLI::App* command = app.add_subcommand(
      "tail", "The end of a file, and what is appended: tail [HOSTS] PATH");
  auto options = std::make_shared<TailOptions>();
  command
      ->add_option("HOSTS", options->first,
                   "Where; left out with --hosts, so that PATH comes first")
      ->required();
  command->add_option("PATH", options->second, "Absolute path on the host");
  command
      ->add_option("-n,--lines", options->lines, "How many of its last lines")
      ->check(CLI::Range(0, 100000))
      ->capture_default_str();
  command->add_flag("-f,--follow", options->follow,
                    "Go on with what is appended, across rotation");
  command->add_flag("--wait", options->wait,
                    "Wait for a file that is not there yet");
  command->add_option("--grep", options->grep,
                      "Only lines that this regular expression (RE2) matches");
  command->add_flag("--raw", options->raw,
                    "Let the file's bytes reach the terminal as they are");
  command->footer(
      "Of many hosts come whole lines, each with its host in front.\n"
      "What happens to the file (rotated, truncated, missing, …) is said on "
      "standard error.\n"
      "Exit code: 0, also when Ctrl-C ends a --follow; 255 no result, with the "
      "reason on\n"
      "standard error; 141 nobody read the output.\n\n"
      "Examples: specula tail vm1 /var/log/syslog -n 100\n"
      "          specula tail @db /var/log/syslog -f --grep 'error|fatal'");
  command->callback([&context, options] {
    context.run = [&context, options](Interrupt& interrupt) {
      return RunTail(*options, context, interrupt);
    };
  });
}

}  // namespace specula::ctl
