#ifndef SPECULA_CTL_BATCH_JSON_H_
#define SPECULA_CTL_BATCH_JSON_H_

#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "clients/cpp/outcome.h"
#include "ctl/gather.h"

// What the events of a batch have in common as JSON, wherever they are told.
namespace specula::ctl {

// ,"stream":"stdout","text":"…"; bytes that are no text are "base64".
std::string JsonOutput(OutputStream stream, absl::string_view bytes);

// "outcome":…, code or signal, reason, notes, "elapsed_seconds":….
std::string JsonEnding(const CommandEnding& ending, absl::Duration elapsed);

}  // namespace specula::ctl

#endif  // SPECULA_CTL_BATCH_JSON_H_
