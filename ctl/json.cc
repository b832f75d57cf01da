#include "ctl/json.h"

#include <google/protobuf/struct.pb.h>
#include <google/protobuf/util/json_util.h>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "lib/base/format.h"

namespace specula::ctl {

std::string JsonString(absl::string_view text) {
  google::protobuf::Value value;
  value.set_string_value(ToUtf8(text));
  return JsonMessage(value);
}

std::string JsonMessage(const google::protobuf::Message& message) {
  google::protobuf::util::JsonPrintOptions options;
  options.preserve_proto_field_names = true;
  options.always_print_primitive_fields = true;
  std::string json;
  if (!google::protobuf::util::MessageToJsonString(message, &json, options)
           .ok())
    return "null";
  return json;
}

std::string JsonLine(const Target& target, const Ending& ending,
                     absl::Duration elapsed, absl::string_view name,
                     const google::protobuf::Message* payload) {
  std::string line = absl::StrFormat(
      "{\"id\":%d,\"host\":%s,\"port\":%d,\"outcome\":%s", target.id,
      JsonString(HostName(target)), target.endpoint.address.port,
      JsonString(OutcomeName(ending.outcome)));
  if (!ending.reason.empty())
    absl::StrAppend(&line, ",\"reason\":", JsonString(ending.reason));
  absl::StrAppendFormat(&line, ",\"elapsed_seconds\":%.6f",
                        absl::ToDoubleSeconds(elapsed));
  if (payload != nullptr)
    absl::StrAppend(&line, ",\"", name, "\":", JsonMessage(*payload));
  line += "}\n";
  return line;
}

}  // namespace specula::ctl
