#include <memory>

#include "ctl/commands/commands.h"
#include "ctl/commands/read.h"

namespace specula::ctl {

void AddCpuCommand(CLI::App& app, CommandContext& context) {
  CLI::App* command =
      app.add_subcommand("cpu", "CPU time by state, in percent of the machine");
  auto cores = std::make_shared<bool>(false);
  command->add_flag("--cores", *cores, "A row for each core as well");
  command->callback([&context, cores] {
    context.run = [&context, cores](Interrupt& interrupt) {
      using Response = v1::CpuResponse;
      return RunRead<Response>(
          context.options, interrupt,
          {"cpu",
           [](AgentClient& client, absl::Duration timeout,
              AgentClient::OnAnswer<Response> done) {
             return client.Cpu({}, timeout, std::move(done));
           },
           [cores](const std::vector<Target>& targets,
                   const Results<Response>& results) {
             return ViewCpu(targets, results, *cores, ViewForOutput());
           },
           [](const Response& response) { return &response.cpu(); }});
    };
  });
}

}  // namespace specula::ctl
