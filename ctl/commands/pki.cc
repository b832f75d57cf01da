#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "ctl/commands/commands.h"
#include "ctl/commands/read.h"
#include "ctl/exit_code.h"
#include "ctl/pki/renew.h"
#include "ctl/pki/show.h"
#include "ctl/pki/store.h"
#include "ctl/quantity.h"
#include "ctl/table.h"

namespace specula::ctl {
namespace {

// All that the pki commands take; each uses some of it.
struct PkiOptions {
  std::string directory;
  std::string name;
  std::string file;
  std::string serial_or_file;
  std::vector<std::string> sans;
  Role role = Role::kViewer;
  AuthorityOptions authority;
  IssueOptions issue;
  RenewOptions renew;
  std::string within = "30d";
};

int Report(const absl::StatusOr<Issued>& issued) {
  if (!issued.ok()) return UsageError(issued.status());
  return Print(
      absl::StrCat(issued->certificate_path, "\n", issued->key_path, "\n"));
}

using Action = int (*)(const PkiOptions&);

CLI::App* AddAction(CLI::App& pki, CommandContext& context,
                    const std::shared_ptr<PkiOptions>& options,
                    const std::string& name, const std::string& about,
                    Action action) {
  CLI::App* command = pki.add_subcommand(name, about);
  command->callback([&context, options, action] {
    context.run = [options, action](Interrupt&) { return action(*options); };
  });
  return command;
}

void AddDirectory(CLI::App* command, PkiOptions& options) {
  command->add_option("DIR", options.directory, "Directory of the authority")
      ->required();
}

void AddIssueOptions(CLI::App* command, PkiOptions& options) {
  AddDirectory(command, options);
  command->add_option("NAME", options.name, "Whose certificate: [a-z0-9._-]")
      ->required();
  command->add_option("--days", options.issue.days, "How long it is valid")
      ->capture_default_str();
  command->add_flag("--force", options.issue.force,
                    "Replace what is there under that name");
}

int Init(const PkiOptions& options) {
  return Report(InitAuthority(options.directory, options.authority));
}
int Agent(const PkiOptions& options) {
  return Report(
      IssueAgent(options.directory, options.name, options.sans, options.issue));
}
int Client(const PkiOptions& options) {
  return Report(IssueClient(options.directory, options.name, options.role,
                            options.issue));
}
int Shim(const PkiOptions& options) {
  return Report(IssueShim(options.directory, options.name, options.issue));
}
int ShowFile(const PkiOptions& options) {
  absl::StatusOr<std::string> text = Show(options.file, absl::Now());
  if (!text.ok()) return UsageError(text.status());
  return Print(*text);
}
int RevokeCertificate(const PkiOptions& options) {
  absl::StatusOr<Revoked> revoked =
      Revoke(options.directory, options.serial_or_file, absl::Now());
  if (!revoked.ok()) return UsageError(revoked.status());
  return Print(absl::StrCat(
      revoked->serial, revoked->added ? " is now" : " was already", " in ",
      options.directory,
      "/denylist\n"
      "Agents refuse it as soon as they have that file (--denylist).\n"));
}

std::string DayOf(absl::Time time) {
  return absl::FormatTime("%Y-%m-%d", time, absl::UTCTimeZone());
}

int RenewAll(const PkiOptions& options) {
  RenewOptions renew = options.renew;
  absl::StatusOr<absl::Duration> within = ParseQuantityOfTime(options.within);
  if (!within.ok()) return UsageError(within.status());
  renew.within = *within;
  absl::StatusOr<std::vector<Renewal>> renewals =
      Renew(options.directory, renew);
  if (!renewals.ok()) return UsageError(renewals.status());
  if (renewals->empty()) {
    return Print(absl::StrCat("Nothing ends within ", options.within, ".\n"));
  }
  bool all = true;
  Table table({{"NAME"}, {"ENDED"}, {"ENDS"}, {"SERIAL"}});
  for (const Renewal& renewal : *renewals) {
    all = all && renewal.status.ok();
    if (!renewal.status.ok()) {
      table.AddNote({renewal.name,
                     "not renewed: " + std::string(renewal.status.message())});
    } else if (renew.dry_run) {
      table.AddNote(
          {renewal.name, DayOf(renewal.before.not_after), "would be renewed"});
    } else {
      table.Add({renewal.name, DayOf(renewal.before.not_after),
                 DayOf(renewal.after.not_after), renewal.after.serial});
    }
  }
  if (const ExitCode code = Print(table.Render()); code != kExitOk) return code;
  return all ? kExitOk : kExitFailed;
}

}  // namespace

void AddPkiCommand(CLI::App& app, CommandContext& context) {
  CLI::App* pki = app.add_subcommand(
      "pki",
      "Make and judge certificates: an authority, agents, callers, shims");
  pki->require_subcommand(1);
  auto options = std::make_shared<PkiOptions>();

  CLI::App* init =
      AddAction(*pki, context, options, "init",
                "Make an authority: DIR/ca.crt and DIR/ca.key", Init);
  AddDirectory(init, *options);
  init->add_option(
          "--trust-domain", options->authority.trust_domain,
          "Name of the fleet; certificates of another are not accepted")
      ->capture_default_str();
  init->add_option("--days", options->authority.days, "How long it is valid")
      ->capture_default_str();
  init->add_flag("--force", options->authority.force,
                 "Replace an authority; all that it issued become worthless");

  CLI::App* agent =
      AddAction(*pki, context, options, "agent",
                "Issue for an agent: DIR/NAME.crt and DIR/NAME.key", Agent);
  AddIssueOptions(agent, *options);
  agent->add_option(
      "--san", options->sans,
      "Further DNS name or IP address by which it is dialled; may be repeated");

  CLI::App* client = AddAction(*pki, context, options, "client",
                               "Issue for a caller with a role", Client);
  AddIssueOptions(client, *options);
  client
      ->add_option("--role", options->role,
                   "What the caller may do: viewer, operator or admin")
      ->required()
      ->transform(CLI::CheckedTransformer(
          std::map<std::string, Role>{{"viewer", Role::kViewer},
                                      {"operator", Role::kOperator},
                                      {"admin", Role::kAdmin}}));

  CLI::App* shim =
      AddAction(*pki, context, options, "shim", "Issue for a shim", Shim);
  AddIssueOptions(shim, *options);

  CLI::App* renew = AddAction(
      *pki, context, options, "renew",
      "Reissue what ends soon: same names, new serial, new key", RenewAll);
  AddDirectory(renew, *options);
  renew->add_option("NAME", options->renew.names, "Only these");
  renew
      ->add_option("--within", options->within,
                   "What ends in that time, or has ended: 30d, 12h")
      ->capture_default_str();
  renew->add_option("--days", options->renew.days, "How long it is valid")
      ->capture_default_str();
  renew->add_flag("--keep-key", options->renew.keep_key,
                  "Certify the same key again");
  renew->add_flag("--dry-run", options->renew.dry_run,
                  "Only say what would be renewed");
  renew->footer(
      "Agents take a new certificate without a restart, once it is there:\n"
      "specula bootstrap --renew HOST… brings it.\n"
      "Exit code: 1 if something that ends soon could not be renewed.\n\n"
      "Examples: specula pki renew ca\n"
      "          specula pki renew ca vm1 --within 366d");

  CLI::App* show = AddAction(*pki, context, options, "show",
                             "Say what a certificate says", ShowFile);
  show->add_option("FILE", options->file, "PEM file")->required();

  CLI::App* revoke =
      AddAction(*pki, context, options, "revoke",
                "Put a certificate on DIR/denylist", RevokeCertificate);
  AddDirectory(revoke, *options);
  revoke
      ->add_option("CERTIFICATE", options->serial_or_file,
                   "Serial in hex, or a PEM file")
      ->required();
  init->footer("Example: specula pki init ca --trust-domain example.net");
  agent->footer(
      "Example: specula pki agent ca vm1 --san vm1.example.net --san 10.0.0.1");
  client->footer(
      "Example: specula pki client ca alice --role operator --days 90");
  shim->footer("Example: specula pki shim ca shim1");
  show->footer("Example: specula pki show ca/alice.crt");
  revoke->footer("Example: specula pki revoke ca ca/alice.crt");
}

}  // namespace specula::ctl
