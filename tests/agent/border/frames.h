#ifndef SPECULA_TESTS_AGENT_BORDER_FRAMES_H_
#define SPECULA_TESTS_AGENT_BORDER_FRAMES_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"

// HTTP/2 as a client writes it (RFC 9113).
namespace specula::agent {

inline constexpr absl::string_view kPreface =
    "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

// A frame with `length` bytes of content.
inline std::string Frame(int type, int flags, uint32_t stream, size_t length) {
  std::string frame;
  for (const size_t byte :
       {length >> 16, length >> 8, length, static_cast<size_t>(type),
        static_cast<size_t>(flags), size_t{stream >> 24}, size_t{stream >> 16},
        size_t{stream >> 8}, size_t{stream}}) {
    frame.push_back(static_cast<char>(byte & 0xff));
  }
  frame.append(length, 'x');
  return frame;
}

}  // namespace specula::agent

#endif  // SPECULA_TESTS_AGENT_BORDER_FRAMES_H_
