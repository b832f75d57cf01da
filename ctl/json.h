#ifndef SPECULA_CTL_JSON_H_
#define SPECULA_CTL_JSON_H_

#include <google/protobuf/message.h>

#include <string>

#include "absl/strings/string_view.h"
#include "clients/cpp/outcome.h"
#include "ctl/fan_out.h"

namespace specula::ctl {

// A JSON string literal with its quotes. Bytes that are not UTF-8 are replaced.
std::string JsonString(absl::string_view text);

// The standard JSON form of a proto message, on one line: field names as in the
// proto, int64 as strings, values that are absent left out.
std::string JsonMessage(const google::protobuf::Message& message);

// One host's line: {"id":1,"host":…,"port":…,"outcome":…,"reason":…,
// "elapsed_seconds":…,"NAME":…}; reason only with a failure, NAME only with
// `payload`.
std::string JsonLine(const Target& target, const Ending& ending,
                     absl::Duration elapsed, absl::string_view name,
                     const google::protobuf::Message* payload);

}  // namespace specula::ctl

#endif  // SPECULA_CTL_JSON_H_
