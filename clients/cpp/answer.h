#ifndef SPECULA_CLIENTS_CPP_ANSWER_H_
#define SPECULA_CLIENTS_CPP_ANSWER_H_

#include <grpcpp/impl/serialization_traits.h>
#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/proto_buffer_reader.h>
#include <grpcpp/support/status.h>

#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "specula/v1/specula.grpc.pb.h"

// What a server answers, and whether it is an answer. gRPC 1.51's calls by
// callback end with OK when the message cannot be parsed, and leave the half of
// it that could; a stream's read looks like the stream's end then.
namespace specula {

template <typename Message>
struct Answer {
  enum class State {
    kNone,       // nothing came
    kRead,       // `message` is whole
    kUnreadable  // its bytes are no such message; `message` means nothing
  };
  State state = State::kNone;
  Message message;
};

// Why it cannot be read, for UnreadableAnswer.
inline std::string NotA(const google::protobuf::Message& message) {
  return absl::StrCat("its bytes are no ", message.GetTypeName(),
                      "; does a specula-agent listen there, and is nothing "
                      "between that changes what it says?");
}

// The path of a method of the contract, by which gRPC calls it.
inline std::string MethodPath(absl::string_view method) {
  return absl::StrCat("/", v1::Specula::service_full_name(), "/", method);
}

}  // namespace specula

namespace grpc {

// Never fails, so that the caller learns it from `state` instead.
template <typename Message>
class SerializationTraits<specula::Answer<Message>, void> {
 public:
  static Status Deserialize(ByteBuffer* bytes,
                            specula::Answer<Message>* answer) {
    const bool read =
        SerializationTraits<Message>::Deserialize(bytes, &answer->message).ok();
    using State = typename specula::Answer<Message>::State;
    answer->state = read ? State::kRead : State::kUnreadable;
    return Status::OK;
  }
};

}  // namespace grpc

#endif  // SPECULA_CLIENTS_CPP_ANSWER_H_
