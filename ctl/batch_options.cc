#include "ctl/batch_options.h"

namespace specula::ctl {

void DeclareBatchOptions(CLI::App* command, ExecForm& form) {
  command->add_flag("--raw", form.raw,
                    "Let the hosts' bytes reach the terminal as they are");
  auto choice = [command](const char* flag, std::optional<bool>& chosen,
                          bool value, const char* help) {
    command->add_flag_callback(
        flag, [&chosen, value] { chosen = value; }, help);
  };
  choice("--fold", form.fold, true,
         "Show output that is the same once, at the end (default)");
  choice("--no-fold", form.fold, false, "Show live lines only");
  choice("--live", form.live, true,
         "Show lines with their host as they come (default on a terminal)");
  choice("--no-live", form.live, false, "Do not");
  command->add_flag("--diff", form.diff,
                    "Show what most hosts sent, and how the others differ");
  command->add_option("--out-dir", form.directory,
                      "A file for each host: DIR/HOST, and DIR/HOST.err");
  command->add_option("--width", form.width, "So many at a time (all)")
      ->check(CLI::Range(size_t{1}, size_t{1} << 31));
  command->add_option("--canary", form.canary, "First so many alone (N or N%)");
  command->add_option("--batch", form.group,
                      "Then in groups of so many (N or N%)");
  command->add_option("--max-fail", form.most_failed,
                      "Begin no further one when more have failed (N or N%;\n"
                      "0 with --canary or --batch, else no limit)");
  command->add_flag("--forget", form.forget,
                    "Do not keep this run for 'specula runs'");
}

void FitForm(const FleetOptions& fleet, const CommandOptions& command,
             ExecForm& form) {
  form.answer_within = absl::Seconds(fleet.timeout_seconds);
  form.json = fleet.json;
  form.keys = command.stdin_path != "-";
}

}  // namespace specula::ctl
