#ifndef SPECULA_AGENT_METRICS_TO_PROTO_H_
#define SPECULA_AGENT_METRICS_TO_PROTO_H_

#include <google/protobuf/duration.pb.h>
#include <google/protobuf/timestamp.pb.h>

#include <algorithm>

#include "absl/time/time.h"

namespace specula::agent {

// Cut to 10,000 years, beyond which a Duration is not valid.
inline google::protobuf::Duration ToProto(absl::Duration duration) {
  constexpr absl::Duration kMost = absl::Seconds(315'576'000'000);
  duration = std::clamp(duration, -kMost, kMost);
  google::protobuf::Duration proto;
  proto.set_seconds(absl::IDivDuration(duration, absl::Seconds(1), &duration));
  proto.set_nanos(static_cast<int>(absl::ToInt64Nanoseconds(duration)));
  return proto;
}

// Times from 1970 to the end of 9999; others are cut.
inline google::protobuf::Timestamp ToProto(absl::Time time) {
  const absl::Time last = absl::FromUnixSeconds(253'402'300'799);
  time = std::clamp(time, absl::UnixEpoch(), last);
  const google::protobuf::Duration since = ToProto(time - absl::UnixEpoch());
  google::protobuf::Timestamp proto;
  proto.set_seconds(since.seconds());
  proto.set_nanos(since.nanos());
  return proto;
}

}  // namespace specula::agent

#endif  // SPECULA_AGENT_METRICS_TO_PROTO_H_
