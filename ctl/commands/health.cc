// list and ping: both ask for health, as it costs an agent nothing.
#include "absl/strings/str_format.h"
#include "ctl/commands/commands.h"
#include "ctl/commands/read_commands.h"
#include "ctl/table.h"

namespace specula::ctl {
namespace {

AgentClient::Call BeginHealth(AgentClient& client, absl::Duration timeout,
                              AgentClient::OnAnswer<Healthy> done) {
  return client.CheckHealth(timeout,
                            [done = std::move(done)](absl::Status status) {
                              if (status.ok()) {
                                done(Healthy());
                              } else {
                                done(std::move(status));
                              }
                            });
}

std::string ViewList(const std::vector<Target>& targets,
                     const Results<Healthy>& results) {
  Table table({{"ID"}, {"HOST"}, {"PORT"}, {"STATUS"}});
  for (size_t i = 0; i < targets.size(); ++i) {
    const Ending& ending = results[i].ending;
    table.AddNote({absl::StrCat(targets[i].id), HostName(targets[i]),
                   absl::StrCat(targets[i].endpoint.address.port),
                   ending.outcome == Outcome::kOk
                       ? "connected"
                       : absl::StrCat("offline (", EndingText(ending), ")")});
  }
  return table.Render();
}

std::string ViewPing(const std::vector<Target>& targets,
                     const Results<Healthy>& results) {
  Table table({{"HOST"}, {"TIME", Table::Align::kRight}});
  for (size_t i = 0; i < targets.size(); ++i) {
    if (results[i].ending.outcome == Outcome::kOk) {
      table.Add({HostLabel(targets[i]),
                 absl::StrFormat("%.1fms", absl::ToDoubleMilliseconds(
                                               results[i].elapsed))});
    } else {
      table.AddNote({HostLabel(targets[i]), EndingText(results[i].ending)});
    }
  }
  return table.Render(ViewForOutput().max_width);
}

ReadCommand<Healthy> HealthCommand(
    std::string (*view)(const std::vector<Target>&, const Results<Healthy>&)) {
  return {"health", BeginHealth, view,
          [](const Healthy&) -> const google::protobuf::Message* {
            return nullptr;
          }};
}

}  // namespace

ReadCommand<Healthy> ListCommand() { return HealthCommand(ViewList); }

ReadCommand<Healthy> PingCommand() { return HealthCommand(ViewPing); }

void AddListCommand(CLI::App& app, CommandContext& context) {
  CLI::App* command = app.add_subcommand(
      "list", "The hosts with their ids, and whether they answer");
  command->footer("Example: specula list");
  command->callback([&context] {
    context.run = [&context](Interrupt& interrupt) {
      return RunRead(context.options, interrupt, ListCommand());
    };
  });
}

void AddPingCommand(CLI::App& app, CommandContext& context) {
  CLI::App* command =
      app.add_subcommand("ping",
                         "How long each host takes to answer, the first time "
                         "with the TLS handshake");
  command->footer("Example: specula ping --watch 1");
  command->callback([&context] {
    context.run = [&context](Interrupt& interrupt) {
      return RunRead(context.options, interrupt, PingCommand());
    };
  });
}

}  // namespace specula::ctl
