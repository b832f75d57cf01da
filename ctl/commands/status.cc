#include "ctl/commands/commands.h"
#include "ctl/commands/read_commands.h"

namespace specula::ctl {

ReadCommand<v1::StatusResponse> StatusCommand() {
  using Response = v1::StatusResponse;
  return {
      "status",
      [](AgentClient& client, absl::Duration timeout,
         AgentClient::OnAnswer<Response> done) {
        return client.Status({}, timeout, std::move(done));
      },
      [](const std::vector<Target>& targets, const Results<Response>& results) {
        return ViewStatus(targets, results, ViewForOutput());
      },
      [](const Response& response) { return &response; }};
}

void AddStatusCommand(CLI::App& app, CommandContext& context) {
  CLI::App* command = app.add_subcommand(
      "status",
      "One line for each host: CPU, memory, disk, load, network, uptime");
  command->footer(
      "DISK% is of all local disks together. READ-ONLY: an error turned a file "
      "system\nread-only; 42.0?: one does not answer. specula disk shows "
      "which. A ~\nmarks what is estimated, as what the kernel says cannot be. "
      "Below the table\nstands what an agent cannot read of its host.\n\n"
      "Examples: specula status\n"
      "          specula status --hosts 'vm[01-64]' --json");
  command->callback([&context] {
    context.run = [&context](Interrupt& interrupt) {
      return RunRead(context.options, interrupt, StatusCommand());
    };
  });
}

}  // namespace specula::ctl
