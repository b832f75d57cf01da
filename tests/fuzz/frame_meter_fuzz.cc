#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "agent/border/frame_meter.h"

// Of any bytes, in both directions, no more passes than there is, limits hold,
// and the same passes however the bytes come.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using specula::agent::FrameAllowance;
  using specula::agent::FrameLimits;
  using specula::agent::FrameMeter;
  if (size < 2) return 0;
  const size_t piece = size_t{data[0]} + 1;
  const size_t ours = size_t{data[1]} * 16;
  const absl::string_view all(reinterpret_cast<const char*>(data + 2),
                              size - 2);
  const absl::string_view to_caller = all.substr(0, ours);
  const std::string from_caller = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" +
                                  std::string(all.substr(to_caller.size()));
  const FrameLimits limits{.resets = {1, 3},
                           .pings = {1, 3},
                           .settings = {1, 3},
                           .others = {1, 3},
                           .empty_data = {1, 3},
                           .small = {1, 9},
                           .header_block_bytes = 100,
                           .continuations = 2,
                           .open_streams = 5};
  const auto feed = [&](size_t step, std::string& cut) {
    FrameAllowance allowance(limits);
    FrameMeter meter(allowance);
    meter.ToCaller(to_caller);
    std::string held;
    size_t passed = 0;
    for (size_t at = 0; at < from_caller.size() && cut.empty(); at += step) {
      held.append(from_caller, at, step);
      const FrameMeter::Passed now =
          meter.FromCaller(held, absl::ZeroDuration());
      if (now.bytes > held.size()) abort();
      if (meter.open_streams() > limits.open_streams) abort();
      if (meter.unfinished_bytes() > 0 && meter.open_streams() == 0) abort();
      held.erase(0, now.bytes);
      passed += now.bytes;
      cut = now.cut;
    }
    return passed;
  };
  std::string cut_whole, cut_pieces;
  const size_t whole = feed(from_caller.size(), cut_whole);
  const size_t pieces = feed(piece, cut_pieces);
  if (cut_whole != cut_pieces) abort();
  // What is held back is held at the last byte of a header.
  if (pieces < whole || pieces - whole >= 9) abort();
  return 0;
}
