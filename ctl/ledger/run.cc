#include "ctl/ledger/run.h"

#include <algorithm>
#include <map>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/strip.h"
#include "ctl/from_proto.h"
#include "ctl/hosts/pattern.h"
#include "lib/base/format.h"

namespace specula::ctl {
namespace {

// Before the message, so that a foreign file is told from a damaged one.
constexpr absl::string_view kMagic = "specula run 1\n";
constexpr int kLastOutcome = static_cast<int>(Outcome::kSkipped);
constexpr size_t kDigestBytes = 32;

google::protobuf::Duration ToProtoDuration(absl::Duration duration) {
  google::protobuf::Duration message;
  message.set_seconds(
      absl::IDivDuration(duration, absl::Seconds(1), &duration));
  message.set_nanos(static_cast<int32_t>(absl::ToInt64Nanoseconds(duration)));
  return message;
}

// The streams that differ, each once.
class Outputs {
 public:
  explicit Outputs(ledger::Run& run) : run_(run) {}

  uint32_t PlaceOf(const KeptOutput& output) {
    const std::string digest(output.digest.begin(), output.digest.end());
    const auto [known, is_new] =
        places_.try_emplace(digest, static_cast<uint32_t>(places_.size()));
    if (is_new) run_.add_outputs();
    ledger::Output& kept =
        *run_.mutable_outputs(static_cast<int>(known->second));
    // Of the same output more may have been kept from one host than another.
    if (is_new || kept.kept().size() < output.kept.size()) {
      kept.set_kept(std::string(output.kept));
    }
    kept.set_total_bytes(output.total_bytes);
    kept.set_sha256(digest);
    return known->second;
  }

 private:
  ledger::Run& run_;
  std::map<std::string, uint32_t> places_;
};

// Shortens the longest outputs until all fit.
void Cut(ledger::Run& run, const RunLimits& limits) {
  for (size_t most = limits.output_bytes;; most /= 2) {
    size_t total = 0;
    for (ledger::Output& output : *run.mutable_outputs()) {
      if (output.kept().size() > most) output.mutable_kept()->resize(most);
      total += output.kept().size();
    }
    if (total <= limits.total_bytes || most == 0) return;
  }
}

absl::Status Odd(absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat("a damaged run: ", what));
}

absl::Status CheckHost(const ledger::Run& run, const ledger::Host& host) {
  const auto outputs = static_cast<uint32_t>(run.outputs_size());
  if (host.name().empty() || host.address().empty()) return Odd("no name");
  if (host.outcome() < 0 || host.outcome() > kLastOutcome) {
    return Odd("an unknown outcome");
  }
  if (host.port() == 0 || host.port() > 65535) return Odd("an odd port");
  if (host.standard_output() >= outputs || host.standard_error() >= outputs) {
    return Odd("an output is missing");
  }
  return absl::OkStatus();
}

bool IsPlain(absl::string_view word) {
  return !word.empty() &&
         std::all_of(word.begin(), word.end(), [](unsigned char c) {
           return absl::ascii_isalnum(c) ||
                  absl::string_view("_-./:=,@%+").find(static_cast<char>(c)) !=
                      absl::string_view::npos;
         });
}

std::string Quoted(absl::string_view word) {
  if (IsPlain(word)) return std::string(word);
  return absl::StrCat("'", absl::StrReplaceAll(word, {{"'", "'\\''"}}), "'");
}

}  // namespace

ledger::Run MakeRun(const v1::Command& command,
                    const std::vector<Target>& targets, const Gather& gather,
                    const std::vector<absl::Duration>& elapsed,
                    const RunLimits& limits) {
  ledger::Run run;
  *run.mutable_command() = command;
  run.set_stdin_bytes(static_cast<int64_t>(command.stdin().size()));
  run.mutable_command()->clear_stdin();
  for (auto& [name, value] : *run.mutable_command()->mutable_environment()) {
    value.clear();
  }
  Outputs outputs(run);
  for (size_t i = 0; i < targets.size(); ++i) {
    const Target& target = targets[i];
    ledger::Host& host = *run.add_hosts();
    host.set_name(ToUtf8(HostLabel(target)));
    host.set_id(target.id);
    host.set_address(ToUtf8(target.endpoint.address.host));
    host.set_port(target.endpoint.address.port);
    host.set_certificate_name(ToUtf8(target.endpoint.certificate_name));
    const CommandEnding& ending = gather.ending(i);
    host.set_outcome(static_cast<int>(ending.outcome));
    host.set_number(ending.number);
    host.set_exit_code(ending.exit_code);
    host.set_reason(ToUtf8(ending.reason));
    for (const std::string& note : ending.notes) host.add_notes(ToUtf8(note));
    *host.mutable_elapsed() = ToProtoDuration(elapsed[i]);
    host.set_standard_output(
        outputs.PlaceOf(gather.Kept(i, OutputStream::kOutput)));
    host.set_standard_error(
        outputs.PlaceOf(gather.Kept(i, OutputStream::kError)));
  }
  Cut(run, limits);
  return run;
}

std::string FormatRun(const ledger::Run& run) {
  return absl::StrCat(kMagic, run.SerializeAsString());
}

absl::StatusOr<ledger::Run> ParseRun(absl::string_view bytes) {
  if (!absl::ConsumePrefix(&bytes, kMagic)) {
    return absl::InvalidArgumentError("not a run of this version of specula");
  }
  ledger::Run run;
  if (!run.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return Odd("it cannot be read");
  }
  if (run.id() <= 0) return Odd("no id");
  if (run.hosts().empty()) return Odd("no hosts");
  if (static_cast<size_t>(run.hosts_size()) > kMostHosts) {
    return Odd("too many hosts");
  }
  if (run.command().argv().arguments().empty() &&
      run.command().shell().empty()) {
    return Odd("no command");
  }
  for (const ledger::Output& output : run.outputs()) {
    if (output.sha256().size() != kDigestBytes ||
        output.kept().size() > output.total_bytes()) {
      return Odd("an output is odd");
    }
  }
  for (const ledger::Host& host : run.hosts()) {
    if (absl::Status status = CheckHost(run, host); !status.ok()) return status;
  }
  return run;
}

CommandEnding EndingOf(const ledger::Host& host) {
  CommandEnding ending;
  ending.outcome = static_cast<Outcome>(host.outcome());
  ending.number = host.number();
  // The texts were made safe when they were made; a file may have been changed.
  ending.reason = EscapeControls(host.reason());
  for (const std::string& note : host.notes()) {
    ending.notes.push_back(EscapeControls(note));
  }
  ending.exit_code = host.exit_code();
  return ending;
}

Gather GatherOf(const ledger::Run& run) {
  std::vector<std::string> names;
  names.reserve(static_cast<size_t>(run.hosts_size()));
  for (const ledger::Host& host : run.hosts()) names.push_back(host.name());
  Gather gather(std::move(names), {});
  for (int i = 0; i < run.hosts_size(); ++i) {
    const ledger::Host& host = run.hosts(i);
    const auto place = static_cast<size_t>(i);
    for (const OutputStream which :
         {OutputStream::kOutput, OutputStream::kError}) {
      const ledger::Output& output = run.outputs(static_cast<int>(
          which == OutputStream::kOutput ? host.standard_output()
                                         : host.standard_error()));
      KeptOutput kept = {output.kept(), output.total_bytes(), {}};
      std::copy(output.sha256().begin(), output.sha256().end(),
                kept.digest.begin());
      gather.Restore(place, which, kept);
    }
    gather.End(place, EndingOf(host));
  }
  return gather;
}

absl::Time TimeOf(const ledger::Run& run) {
  return absl::FromUnixSeconds(run.time().seconds()) +
         absl::Nanoseconds(run.time().nanos());
}

void SetTimes(absl::Time begun, absl::Duration elapsed, ledger::Run& run) {
  const int64_t seconds = absl::ToUnixSeconds(begun);
  run.mutable_time()->set_seconds(seconds);
  run.mutable_time()->set_nanos(static_cast<int32_t>(
      absl::ToInt64Nanoseconds(begun - absl::FromUnixSeconds(seconds))));
  *run.mutable_elapsed() = ToProtoDuration(elapsed);
}

std::string CommandLine(const v1::Command& command) {
  if (!command.shell().empty()) {
    return absl::StrCat("-s ", Quoted(command.shell()));
  }
  return absl::StrJoin(
      command.argv().arguments(), " ",
      [](std::string* out, const std::string& word) { *out += Quoted(word); });
}

std::string MissingToRepeat(const ledger::Run& run, bool stdin_given,
                            const std::vector<std::string>& environment_given) {
  std::vector<std::string> missing;
  if (run.stdin_bytes() > 0 && !stdin_given) {
    missing.push_back(absl::StrCat("its standard input (",
                                   FormatBytes(run.stdin_bytes()),
                                   "; give it by --stdin FILE)"));
  }
  std::vector<std::string> names;
  for (const auto& [name, value] : run.command().environment()) {
    const bool given =
        std::any_of(environment_given.begin(), environment_given.end(),
                    [&name = name](const std::string& variable) {
                      return absl::StartsWith(variable, name + "=");
                    });
    if (!given) names.push_back(EscapeControls(name));
  }
  std::sort(names.begin(), names.end());
  if (!names.empty()) {
    missing.push_back(absl::StrCat("the values of its environment (",
                                   absl::StrJoin(names, ", "),
                                   "; give them by --env NAME=VALUE)"));
  }
  return absl::StrJoin(missing, ", and ");
}

}  // namespace specula::ctl
