#ifndef SPECULA_CTL_FROM_PROTO_H_
#define SPECULA_CTL_FROM_PROTO_H_

#include <google/protobuf/duration.pb.h>

#include "absl/time/time.h"

namespace specula::ctl {

inline absl::Duration FromProto(const google::protobuf::Duration& duration) {
  return absl::Seconds(duration.seconds()) +
         absl::Nanoseconds(duration.nanos());
}

}  // namespace specula::ctl

#endif  // SPECULA_CTL_FROM_PROTO_H_
