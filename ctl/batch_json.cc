#include "ctl/batch_json.h"

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "ctl/json.h"
#include "lib/base/format.h"

namespace specula::ctl {
namespace {

absl::string_view StreamName(OutputStream stream) {
  return stream == OutputStream::kOutput ? "stdout" : "stderr";
}

// Text as text, anything else so that it can be had back.
std::string JsonBytes(absl::string_view bytes) {
  if (ToUtf8(bytes) == bytes) {
    return absl::StrCat("\"text\":", JsonString(bytes));
  }
  return absl::StrCat("\"base64\":\"", absl::Base64Escape(bytes), "\"");
}

}  // namespace

std::string JsonOutput(OutputStream stream, absl::string_view bytes) {
  return absl::StrCat(",\"stream\":\"", StreamName(stream), "\",",
                      JsonBytes(bytes));
}

std::string JsonEnding(const CommandEnding& ending, absl::Duration elapsed) {
  std::string text =
      absl::StrCat("\"outcome\":", JsonString(OutcomeName(ending.outcome)));
  if (ending.outcome == Outcome::kExit || ending.outcome == Outcome::kOk) {
    absl::StrAppend(&text, ",\"code\":", ending.number);
  }
  if (ending.outcome == Outcome::kSignal) {
    absl::StrAppend(&text, ",\"signal\":", ending.number);
  }
  if (!ending.reason.empty()) {
    absl::StrAppend(&text, ",\"reason\":", JsonString(ending.reason));
  }
  if (!ending.notes.empty()) {
    absl::StrAppend(
        &text, ",\"notes\":[",
        absl::StrJoin(ending.notes, ",",
                      [](std::string* out, const std::string& note) {
                        *out += JsonString(note);
                      }),
        "]");
  }
  absl::StrAppendFormat(&text, ",\"elapsed_seconds\":%.6f",
                        absl::ToDoubleSeconds(elapsed));
  return text;
}

}  // namespace specula::ctl
