#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "ctl/commands/commands.h"
#include "ctl/commands/read.h"
#include "ctl/exit_code.h"
#include "lib/audit/verify.h"
#include "lib/base/format.h"
#include "lib/base/unique_fd.h"

namespace specula::ctl {
namespace {

absl::Status CannotRead(const std::string& file) {
  return absl::ErrnoToStatus(
      errno, absl::StrCat("cannot read ", EscapeControls(file)));
}

// Feeds a whole file, or the part of it up to a fault or a signal.
absl::Status FeedFile(const std::string& file, audit::Verifier& verifier,
                      Interrupt& interrupt) {
  const UniqueFd fd(open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY));
  if (!fd.valid()) return CannotRead(file);
  verifier.BeginFile(file);
  std::string buffer(1 << 18, '\0');
  while (!interrupt.Wait(absl::ZeroDuration())) {
    const ssize_t got = read(fd.get(), buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return CannotRead(file);
    const bool more = verifier.Feed(
        absl::string_view(buffer.data(), static_cast<size_t>(got)));
    if (got == 0 || !more) break;
  }
  return absl::OkStatus();
}

std::string Describe(const audit::Verdict& verdict) {
  std::string text = absl::StrCat(verdict.records, " records, ", verdict.gaps,
                                  " gaps, chain intact\n");
  if (verdict.first_seq > 1) {
    absl::StrAppend(&text, "It begins with seq ", verdict.first_seq,
                    ": what was before is not in these files.\n");
  }
  absl::StrAppend(&text, "It ends with seq ", verdict.last_seq, ", sha256 ",
                  verdict.last_hash, "\n");
  return text;
}

int Verify(const std::vector<std::string>& files, Interrupt& interrupt) {
  audit::Verifier verifier;
  for (const std::string& file : files) {
    const absl::Status status = FeedFile(file, verifier, interrupt);
    if (!status.ok()) return UsageError(status);
    if (interrupt.interrupted()) return kExitInterrupted;
  }
  const audit::Verdict verdict = verifier.Finish();
  if (verdict.fault) {
    Print(absl::StrCat(EscapeControls(verdict.fault->file), ":",
                       verdict.fault->line, ": ", verdict.fault->what, "\n"));
    return kExitFailed;
  }
  if (verdict.records == 0) {
    Print("no records: there is nothing that the chain could vouch for\n");
    return kExitFailed;
  }
  return Print(Describe(verdict));
}

}  // namespace

void AddAuditCommand(CLI::App& app, CommandContext& context) {
  CLI::App* audit =
      app.add_subcommand("audit", "Check the audit logs that agents write");
  audit->require_subcommand(1);
  CLI::App* verify = audit->add_subcommand(
      "verify",
      "Walk the chain of a log: 0 intact, 1 not, with the first line that is "
      "wrong");
  auto files = std::make_shared<std::vector<std::string>>();
  verify
      ->add_option("FILE", *files,
                   "Audit log; of a rotated one all files, the oldest first")
      ->required();
  verify->footer(
      "Example: specula audit verify audit.jsonl.2 audit.jsonl.1 audit.jsonl");
  verify->callback([&context, files] {
    context.run = [files](Interrupt& interrupt) {
      return Verify(*files, interrupt);
    };
  });
}

}  // namespace specula::ctl
