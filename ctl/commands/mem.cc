#include "ctl/commands/commands.h"
#include "ctl/commands/read.h"

namespace specula::ctl {

void AddMemCommand(CLI::App& app, CommandContext& context) {
  CLI::App* command = app.add_subcommand(
      "mem", "Memory, swap and huge pages; used = total - available");
  command->callback([&context] {
    context.run = [&context](Interrupt& interrupt) {
      using Response = v1::MemResponse;
      return RunRead<Response>(
          context.options, interrupt,
          {"memory",
           [](AgentClient& client, absl::Duration timeout,
              AgentClient::OnAnswer<Response> done) {
             return client.Mem({}, timeout, std::move(done));
           },
           [](const std::vector<Target>& targets,
              const Results<Response>& results) {
             return ViewMem(targets, results, ViewForOutput());
           },
           [](const Response& response) { return &response.memory(); }});
    };
  });
}

}  // namespace specula::ctl
