#include "clients/cpp/outcome.h"

#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "clients/cpp/call_status.h"
#include "clients/cpp/signal_name.h"
#include "lib/base/format.h"

namespace specula {
namespace {

bool Has(const absl::Status& status, absl::string_view part) {
  return absl::StrContains(status.message(), part);
}

// What our own verifier said about the server (see channel.cc), without the
// frame that gRPC puts around it.
std::string VerifierReason(const absl::Status& status) {
  constexpr absl::string_view kStart = "the server's certificate";
  absl::string_view text = status.message();
  const size_t start = text.find(kStart);
  if (start == absl::string_view::npos) return "";
  text.remove_prefix(start);
  // The frame ends in a brace of details or a further sentence.
  const size_t end = text.find_first_of("{\n\"");
  return EscapeControls(text.substr(0, end));
}

Ending ClassifyUnavailable(const absl::Status& status,
                           const Endpoint& endpoint) {
  const std::string address = EscapeControls(FormatHostPort(endpoint.address));
  if (std::string reason = VerifierReason(status); !reason.empty()) {
    return {Outcome::kRefused, reason};
  }
  if (Has(status, "CERTIFICATE_VERIFY_FAILED") ||
      Has(status, "certificate verify failed")) {
    return {Outcome::kRefused,
            "the server's certificate is not signed by the CA given with --ca, "
            "or is expired"};
  }
  if (Has(status, "WRONG_VERSION_NUMBER") ||
      Has(status, "wrong version number")) {
    return {Outcome::kRefused,
            absl::StrCat("what listens on ", address,
                         " does not speak TLS; is that the agent's port?")};
  }
  if (Has(status, "Connection refused")) {
    return {
        Outcome::kUnreachable,
        absl::StrCat(
            "connection refused; is specula-agent running and listening on ",
            address, "?")};
  }
  if (Has(status, "DNS resolution failed") ||
      Has(status, "Domain name not found") ||
      Has(status, "DNS server returned")) {
    return {Outcome::kUnreachable,
            absl::StrCat("the name '", EscapeControls(endpoint.address.host),
                         "' cannot be resolved")};
  }
  if (Has(status, "No route to host") ||
      Has(status, "Network is unreachable")) {
    return {Outcome::kUnreachable, absl::StrCat("no route to ", address)};
  }
  if (Has(status, "agent is stopping")) {
    return {Outcome::kLost, "the agent was stopping"};
  }
  // Without this the connection stood when it broke.
  if (!Has(status, "failed to connect to all addresses") &&
      (Has(status, "Socket closed") || Has(status, "Connection reset") ||
       Has(status, "Broken pipe") || Has(status, "GOAWAY") ||
       Has(status, "keepalive watchdog timeout"))) {
    return {Outcome::kLost,
            "the connection broke in the middle of the call; is the agent or "
            "the host down?"};
  }
  // The agent judges the client's certificate after the client's end of the
  // handshake. It says why in an alert, of which gRPC tells only that the bytes
  // are not what it waits for.
  if (Has(status, "Socket closed") || Has(status, "Connection reset") ||
      Has(status, "Handshake") || Has(status, "handshak") ||
      Has(status, "Broken pipe") || Has(status, "Endpoint read failed") ||
      Has(status, "Unwrap failed") || Has(status, "recvmsg")) {
    return {Outcome::kRefused,
            "the agent closed the connection; likely it does not accept this "
            "certificate "
            "(another CA or trust domain, no role, expired, revoked) or has "
            "too many "
            "connections; its log says which"};
  }
  return {Outcome::kUnreachable, EscapeControls(status.message())};
}

Ending ClassifyDeadline(const absl::Status& status) {
  if (!WasConnected(status)) {
    return {Outcome::kUnreachable,
            "no answer in time; is the host up and the port open?"};
  }
  // What the agent had no patience for, it says itself; else it is gRPC.
  if (!status.message().empty() && !Has(status, "Deadline Exceeded")) {
    return {Outcome::kTimeout, EscapeControls(status.message())};
  }
  return {Outcome::kTimeout,
          "the host is connected, but gave no answer in time"};
}

constexpr int kNoResult = 255;
constexpr int kTimedOut = 124;

std::vector<std::string> NotesOf(const v1::ExecExited& exited) {
  std::vector<std::string> notes;
  if (exited.truncated()) {
    notes.emplace_back("truncated: output beyond the limit was thrown away");
  }
  if (exited.killed_count() > 0) {
    notes.push_back(absl::StrCat(exited.killed_count(),
                                 exited.killed_count() == 1
                                     ? " process was left over and was killed"
                                     : " processes were left over and were "
                                       "killed"));
  }
  if (!exited.drained()) {
    notes.emplace_back(
        "the output may lack its end: a process that was left over held it "
        "open");
  }
  return notes;
}

CommandEnding ClassifyExited(const v1::ExecExited& exited) {
  CommandEnding ending;
  ending.notes = NotesOf(exited);
  switch (exited.outcome_case()) {
    case v1::ExecExited::kCode:
      ending.number = exited.code();
      ending.exit_code = exited.code();
      if (exited.code() != 0) {
        ending.outcome = Outcome::kExit;
      } else if (exited.truncated()) {
        ending.outcome = Outcome::kTruncated;
      }
      break;
    case v1::ExecExited::kSignal:
      ending.outcome = Outcome::kSignal;
      ending.number = exited.signal();
      ending.exit_code = 128 + exited.signal();
      break;
    case v1::ExecExited::OUTCOME_NOT_SET:
      ending.outcome = Outcome::kLost;
      ending.reason = "the agent did not say how the command ended";
      ending.exit_code = kNoResult;
      break;
  }
  if (exited.timed_out()) {
    ending.outcome = Outcome::kTimeout;
    ending.reason = "the time limit of the command was over";
    ending.exit_code = kTimedOut;
  } else if (ending.exit_code < 0 || ending.exit_code > kNoResult) {
    // Its low byte could be 0.
    ending.exit_code = kNoResult;
  }
  return ending;
}

}  // namespace

absl::string_view OutcomeName(Outcome outcome) {
  switch (outcome) {
    case Outcome::kOk:
      return "ok";
    case Outcome::kExit:
      return "exit";
    case Outcome::kSignal:
      return "signal";
    case Outcome::kTruncated:
      return "truncated";
    case Outcome::kTimeout:
      return "timeout";
    case Outcome::kUnreachable:
      return "unreachable";
    case Outcome::kRefused:
      return "refused";
    case Outcome::kDenied:
      return "denied";
    case Outcome::kLost:
      return "lost";
    case Outcome::kFailed:
      return "failed";
    case Outcome::kSkipped:
      return "skipped";
  }
  return "unknown";
}

Ending ClassifyEnding(const absl::Status& status, const Endpoint& endpoint) {
  if (IsUnreadableAnswer(status)) {
    return {
        Outcome::kFailed,
        absl::StrCat("the answer of ",
                     EscapeControls(FormatHostPort(endpoint.address)),
                     " cannot be read: ", EscapeControls(status.message()))};
  }
  switch (status.code()) {
    case absl::StatusCode::kOk:
      return {};
    case absl::StatusCode::kUnavailable:
      return ClassifyUnavailable(status, endpoint);
    case absl::StatusCode::kDeadlineExceeded:
      return ClassifyDeadline(status);
    case absl::StatusCode::kPermissionDenied:
    case absl::StatusCode::kUnauthenticated:
      return {Outcome::kDenied, EscapeControls(status.message())};
    case absl::StatusCode::kCancelled:
      return {Outcome::kFailed, "interrupted"};
    default:
      return {Outcome::kFailed,
              absl::StrCat(absl::StatusCodeToString(status.code()), ": ",
                           EscapeControls(status.message()))};
  }
}

Ending ClassifyStream(const absl::Status& status, bool begun,
                      const Endpoint& endpoint) {
  Ending ending = ClassifyEnding(status, endpoint);
  if (begun && (ending.outcome == Outcome::kUnreachable ||
                ending.outcome == Outcome::kRefused)) {
    ending = {Outcome::kLost,
              absl::StrCat("the connection broke in the middle of the call (",
                           EscapeControls(status.message()),
                           "); is the agent or the host down?")};
  }
  return ending;
}

std::string OutcomeWord(const CommandEnding& ending) {
  const absl::string_view name = OutcomeName(ending.outcome);
  if (ending.outcome == Outcome::kExit) {
    return absl::StrCat(name, " ", ending.number);
  }
  if (ending.outcome == Outcome::kSignal) {
    return absl::StrCat(name, " ", SignalName(ending.number));
  }
  return std::string(name);
}

CommandEnding ClassifyCommand(const v1::ExecExited* exited,
                              const absl::Status& status, bool started,
                              const Endpoint& endpoint) {
  if (exited != nullptr) return ClassifyExited(*exited);
  CommandEnding ending;
  ending.exit_code = kNoResult;
  if (status.ok()) {
    ending.outcome = Outcome::kLost;
    ending.reason = "the agent did not say how the command ended";
    return ending;
  }
  Ending call = ClassifyEnding(status, endpoint);
  ending.outcome = call.outcome;
  ending.reason = std::move(call.reason);
  if (!started) return ending;
  // From here on the command did run, so that nothing about connecting can be
  // what went wrong.
  if (status.code() == absl::StatusCode::kDeadlineExceeded) {
    ending.outcome = Outcome::kTimeout;
    ending.reason = "the caller's deadline was over";
    ending.exit_code = kTimedOut;
  } else if (call.outcome != Outcome::kDenied &&
             call.outcome != Outcome::kLost && !IsUnreadableAnswer(status)) {
    ending.outcome = Outcome::kLost;
    ending.reason =
        absl::StrCat("the agent ended the call before the command's end (",
                     absl::StatusCodeToString(status.code()), ": ",
                     EscapeControls(status.message()), ")");
  }
  return ending;
}

}  // namespace specula
