#include <memory>

#include "ctl/commands/commands.h"
#include "ctl/commands/read_commands.h"

namespace specula::ctl {

ReadCommand<v1::CpuResponse> CpuCommand(bool cores) {
  using Response = v1::CpuResponse;
  return {"cpu",
          [](AgentClient& client, absl::Duration timeout,
             AgentClient::OnAnswer<Response> done) {
            return client.Cpu({}, timeout, std::move(done));
          },
          [cores](const std::vector<Target>& targets,
                  const Results<Response>& results) {
            return ViewCpu(targets, results, cores, ViewForOutput());
          },
          [](const Response& response) { return &response.cpu(); }};
}

void AddCpuCommand(CLI::App& app, CommandContext& context) {
  CLI::App* command =
      app.add_subcommand("cpu", "CPU time by state, in percent of the machine");
  auto cores = std::make_shared<bool>(false);
  command->add_flag("--cores", *cores, "A row for each core as well");
  command->footer("Example: specula cpu --cores");
  command->callback([&context, cores] {
    context.run = [&context, cores](Interrupt& interrupt) {
      return RunRead(context.options, interrupt, CpuCommand(*cores));
    };
  });
}

}  // namespace specula::ctl
