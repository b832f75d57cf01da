#include "ctl/console/console.h"

#include <unistd.h>

#include <algorithm>
#include <memory>

#include "absl/strings/str_cat.h"
#include "ctl/commands/commands.h"
#include "ctl/commands/read.h"
#include "ctl/console/line_reader.h"
#include "ctl/give_back_memory.h"
#include "ctl/user_files.h"

namespace specula::ctl {
namespace {

std::unique_ptr<LineReader> OpenReader(const Console& console) {
  if (isatty(STDIN_FILENO) == 0 || isatty(STDOUT_FILENO) == 0) {
    return ReadScript(STDIN_FILENO);
  }
  EditorOptions options;
  options.prompt = absl::StrCat("specula (", console.size(),
                                console.size() == 1 ? " host)> " : " hosts)> ");
  options.history = MakeUserStateFile("history");
  options.complete = [words = console.HostWords()](absl::string_view line) {
    return CompleteConsoleLine(line, words);
  };
  return EditLines(std::move(options));
}

// Of a script: the worst of its lines. Who types has seen how each ended.
int WorseOf(int a, int b) {
  for (const int code : {int{kExitNoResult}, int{kExitFailed}}) {
    if (a == code || b == code) return code;
  }
  if (a == kExitOk) return b == kExitUsage || b == kExitOk ? b : kExitFailed;
  return a;
}

int RunConsole(const CommandContext& context) {
  absl::StatusOr<std::unique_ptr<Console>> console =
      Console::Open(context.options);
  if (!console.ok()) return UsageError(console.status());
  const bool script = isatty(STDIN_FILENO) == 0;
  const std::unique_ptr<LineReader> reader = OpenReader(**console);
  int worst = kExitOk;
  std::string line;
  while (!(*console)->over()) {
    switch (reader->Read(line)) {
      case LineReader::What::kEnd:
        return script ? worst : kExitOk;
      case LineReader::What::kTerminated:
        return kExitInterrupted;
      case LineReader::What::kInterrupted:
        if (script) return kExitInterrupted;
        continue;
      case LineReader::What::kLine:
        break;
    }
    Interrupt interrupt;  // of this line
    const int code = (*console)->Run(line, interrupt);
    if (interrupt.terminated() || (script && interrupt.interrupted())) {
      return kExitInterrupted;
    }
    worst = WorseOf(worst, code);
    GiveBackMemory();
  }
  return script ? worst : kExitOk;
}

}  // namespace

void AddConsoleCommand(CLI::App& app, CommandContext& context) {
  CLI::App* command = app.add_subcommand(
      "console", "A session: STATUS, EXEC uptime, TAIL 1 /var/log/syslog, …");
  command->footer(
      "HELP in it shows its commands. Its connections stay open from line to "
      "line. Ctrl-C\n"
      "ends the command that runs, not the session. Lines of a script come "
      "from standard\n"
      "input; then the exit code is 0 if all went well, 255 if some host gave "
      "no result,\n"
      "1 if some command failed, 2 if some line was wrong.\n\n"
      "Examples: specula console\n"
      "          printf 'STATUS\\nEXEC uptime\\n' | specula console");
  command->callback([&context] {
    context.run = [&context](Interrupt&) { return RunConsole(context); };
  });
}

}  // namespace specula::ctl
