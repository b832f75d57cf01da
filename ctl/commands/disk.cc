#include <memory>

#include "ctl/commands/commands.h"
#include "ctl/commands/read_commands.h"

namespace specula::ctl {

ReadCommand<v1::DiskResponse> DiskCommand(bool io) {
  using Response = v1::DiskResponse;
  return {"disk",
          [](AgentClient& client, absl::Duration timeout,
             AgentClient::OnAnswer<Response> done) {
            return client.Disk({}, timeout, std::move(done));
          },
          [io](const std::vector<Target>& targets,
               const Results<Response>& results) {
            return ViewDisk(targets, results, io, ViewForOutput());
          },
          [](const Response& response) { return &response.disk(); }};
}

void AddDiskCommand(CLI::App& app, CommandContext& context) {
  CLI::App* command =
      app.add_subcommand("disk", "File systems, or with --io what disks do");
  auto io = std::make_shared<bool>(false);
  command->add_flag("--io", *io,
                    "Reads and writes of each disk instead of file systems");
  command->footer("Example: specula disk --io --watch 5");
  command->callback([&context, io] {
    context.run = [&context, io](Interrupt& interrupt) {
      return RunRead(context.options, interrupt, DiskCommand(*io));
    };
  });
}

}  // namespace specula::ctl
