#include "ctl/commands/commands.h"
#include "ctl/commands/read_commands.h"

namespace specula::ctl {

ReadCommand<v1::MemResponse> MemCommand() {
  using Response = v1::MemResponse;
  return {
      "memory",
      [](AgentClient& client, absl::Duration timeout,
         AgentClient::OnAnswer<Response> done) {
        return client.Mem({}, timeout, std::move(done));
      },
      [](const std::vector<Target>& targets, const Results<Response>& results) {
        return ViewMem(targets, results, ViewForOutput());
      },
      [](const Response& response) { return &response.memory(); }};
}

void AddMemCommand(CLI::App& app, CommandContext& context) {
  CLI::App* command = app.add_subcommand(
      "mem", "Memory, swap and huge pages; used = total - available");
  command->footer("Example: specula mem");
  command->callback([&context] {
    context.run = [&context](Interrupt& interrupt) {
      return RunRead(context.options, interrupt, MemCommand());
    };
  });
}

}  // namespace specula::ctl
