#include <memory>

#include "ctl/commands/commands.h"
#include "ctl/commands/read_commands.h"

namespace specula::ctl {
namespace {

struct PsOptions {
  int top = 10;
  v1::ProcessOrder order = v1::PROCESS_ORDER_CPU;
};

}  // namespace

ReadCommand<v1::ProcessesResponse> PsCommand(v1::ProcessesRequest request) {
  using Response = v1::ProcessesResponse;
  return {
      "processes",
      [request = std::move(request)](AgentClient& client,
                                     absl::Duration timeout,
                                     AgentClient::OnAnswer<Response> done) {
        return client.Processes(request, timeout, std::move(done));
      },
      [](const std::vector<Target>& targets, const Results<Response>& results) {
        return ViewProcesses(targets, results, ViewForOutput());
      },
      [](const Response& response) { return &response; }};
}

void AddPsCommand(CLI::App& app, CommandContext& context) {
  CLI::App* command = app.add_subcommand(
      "ps", "The processes that use most CPU (percent of one core) or memory");
  auto options = std::make_shared<PsOptions>();
  command->add_option("-n,--top", options->top, "How many of each host")
      ->check(CLI::Range(1, 10000))
      ->capture_default_str();
  command->add_option("--sort", options->order, "By cpu or mem")
      ->transform(
          CLI::CheckedTransformer(std::map<std::string, v1::ProcessOrder>{
              {"cpu", v1::PROCESS_ORDER_CPU},
              {"mem", v1::PROCESS_ORDER_MEMORY}}));
  command->footer("Example: specula --hosts '@web' ps -n 5 --sort mem");
  command->callback([&context, options] {
    context.run = [&context, options](Interrupt& interrupt) {
      v1::ProcessesRequest request;
      request.set_limit(options->top);
      request.set_order(options->order);
      return RunRead(context.options, interrupt, PsCommand(std::move(request)));
    };
  });
}

}  // namespace specula::ctl
