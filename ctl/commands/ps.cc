#include <algorithm>
#include <memory>

#include "absl/strings/str_cat.h"
#include "ctl/commands/commands.h"
#include "ctl/commands/read_commands.h"
#include "ctl/find_processes.h"
#include "lib/base/format.h"

namespace specula::ctl {
namespace {

constexpr int kMost = 10000;  // what the contract allows to ask for

struct PsOptions {
  int top = 10;
  v1::ProcessOrder order = v1::PROCESS_ORDER_CPU;
  NameOptions name;
};

std::string ViewFound(const std::vector<Target>& targets,
                      const Results<FoundProcesses>& results) {
  Results<v1::ProcessesResponse> lists;
  for (const HostResult<FoundProcesses>& result : results) {
    lists.push_back({result.ending, result.response.list, result.elapsed});
  }
  std::string text = ViewProcesses(targets, lists, ViewForOutput());
  for (size_t i = 0; i < targets.size(); ++i) {
    const FoundProcesses& found = results[i].response;
    if (found.gap.empty() || found.list.others_hidden()) continue;
    absl::StrAppend(&text, EscapeControls(HostLabel(targets[i])), ": ",
                    found.gap, "\n");
  }
  return text;
}

// `limit` of those that are meant, of each host.
ReadCommand<FoundProcesses> PsByNameCommand(const ProcessPattern& pattern,
                                            v1::ProcessOrder order, int limit) {
  return {
      "processes",
      [&pattern, order, limit](AgentClient& client, absl::Duration timeout,
                               AgentClient::OnAnswer<FoundProcesses> done) {
        return BeginFind(client, pattern, order, timeout,
                         [limit, done = std::move(done)](
                             absl::StatusOr<FoundProcesses> found) {
                           if (found.ok()) {
                             auto& rows = *found->list.mutable_processes();
                             if (rows.size() > limit) {
                               rows.DeleteSubrange(limit, rows.size() - limit);
                             }
                           }
                           done(std::move(found));
                         });
      },
      ViewFound,
      [](const FoundProcesses& found) -> const google::protobuf::Message* {
        return &found.list;
      },
      {},
      [](const Results<FoundProcesses>& results) {
        return std::any_of(results.begin(), results.end(),
                           [](const HostResult<FoundProcesses>& result) {
                             return !result.response.list.processes().empty();
                           });
      }};
}

int RunPs(const PsOptions& options, bool limited, const FleetOptions& fleet,
          Interrupt& interrupt) {
  if (options.name.pattern.empty()) {
    v1::ProcessesRequest request;
    request.set_limit(options.top);
    request.set_order(options.order);
    return RunRead(fleet, interrupt, PsCommand(std::move(request)));
  }
  const absl::StatusOr<ProcessPattern> pattern =
      ProcessPattern::Parse(options.name);
  if (!pattern.ok()) return UsageError(pattern.status());
  return RunRead(
      fleet, interrupt,
      PsByNameCommand(*pattern, options.order, limited ? options.top : kMost));
}

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
  CLI::Option* top =
      command
          ->add_option("-n,--top", options->top,
                       "How many of each host; with --name all if not given")
          ->check(CLI::Range(1, kMost))
          ->capture_default_str();
  command->add_option("--sort", options->order, "By cpu or mem")
      ->transform(
          CLI::CheckedTransformer(std::map<std::string, v1::ProcessOrder>{
              {"cpu", v1::PROCESS_ORDER_CPU},
              {"mem", v1::PROCESS_ORDER_MEMORY}}));
  DeclareName(command, options->name,
              "Those that kill --name would signal: whose name this regular "
              "expression\n(RE2) matches");
  command->footer(
      "Exit code: 0 all hosts answered, 1 none has a process of that name, 255 "
      "some host gave\n"
      "no result, or only a part of its processes and none of that name.\n\n"
      "Examples: specula --hosts '@web' ps -n 5 --sort mem\n"
      "          specula --hosts '@web' ps --name '^nginx$'");
  command->callback([&context, options, top] {
    context.run = [&context, options,
                   limited = top->count() > 0](Interrupt& interrupt) {
      return RunPs(*options, limited, context.options, interrupt);
    };
  });
}

}  // namespace specula::ctl
