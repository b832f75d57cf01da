#include "absl/strings/str_cat.h"
#include "ctl/commands/commands.h"
#include "ctl/commands/read.h"
#include "ctl/hosts/fold.h"

namespace specula::ctl {
namespace {

struct HostsOptions {
  std::string expression;
  bool count = false;
  bool expand = false;
};

int RunHosts(HostsOptions options, FleetOptions fleet) {
  if (!options.expression.empty()) fleet.selection.hosts = options.expression;
  absl::StatusOr<std::vector<SelectedHost>> hosts = SelectFleet(fleet);
  if (!hosts.ok()) return UsageError(hosts.status());
  std::vector<std::string> names;
  for (SelectedHost& host : *hosts) names.push_back(std::move(host.name));
  std::string text;
  if (options.count) {
    text = absl::StrCat(names.size(), "\n");
  } else if (options.expand) {
    for (const std::string& name : names) absl::StrAppend(&text, name, "\n");
  } else {
    text = absl::StrCat(FoldHosts(names), "\n");
  }
  return Print(text);
}

}  // namespace

void AddHostsCommand(CLI::App& app, CommandContext& context) {
  CLI::App* command = app.add_subcommand(
      "hosts", "Which hosts an expression comes to; nobody is asked");
  auto options = std::make_shared<HostsOptions>();
  command->add_option("EXPR", options->expression,
                      "A host set, instead of --hosts");
  command->add_flag("--count", options->count, "Only how many there are");
  command->add_flag("--expand", options->expand, "One on a line, not folded");
  command->footer(
      "vm[01-64]  vm[1-9/2,20]  r[1-3]n[1-4]  vm1:7000   patterns and ports\n"
      "@web  @rack=a  db*  *                            groups, labels, the "
      "inventory\n"
      "A,B  A!B  A&B  A^B                               union, without, and, "
      "one of both;\n"
      "                                                 from left to right\n\n"
      "Example: specula hosts '@web!vm[3,7]' --count");
  command->callback([&context, options] {
    context.run = [&context, options](Interrupt&) {
      return RunHosts(*options, context.options);
    };
  });
}

}  // namespace specula::ctl
