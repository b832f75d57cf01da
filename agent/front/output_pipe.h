#ifndef SPECULA_AGENT_FRONT_OUTPUT_PIPE_H_
#define SPECULA_AGENT_FRONT_OUTPUT_PIPE_H_

#include <boost/asio/posix/stream_descriptor.hpp>
#include <functional>
#include <string>
#include <utility>  // before Boost.Asio 1.74, which forgets it

#include "agent/front/event_loop.h"
#include "lib/base/unique_fd.h"

namespace specula::agent {

// The read end of a child's output. It is read only when there is room for what
// it gives, so a slow reader stops the child and nothing else. Loop thread
// only.
class OutputPipe {
 public:
  static constexpr size_t kChunkBytes = 256 << 10;

  // An fd that is not valid makes a pipe that is at its end.
  OutputPipe(EventLoop& loop, UniqueFd fd);

  // Reads at most kChunkBytes into `chunk`, replacing it; what it held before
  // is memory to be used again. True if there was something; false if there is
  // nothing now, or at the end: then `chunk` says nothing.
  bool Read(std::string& chunk);

  // Calls `readable` once, when there is something to read or the end is there.
  // Nothing happens if it waits already or is at its end.
  void Wait(std::function<void()> readable);

  // All writers have closed it and all was read.
  bool at_end() const { return at_end_; }

  // Stops reading; the pipe is closed and counts as being at its end.
  void Close();

 private:
  boost::asio::posix::stream_descriptor descriptor_;
  bool at_end_ = false;
  bool waits_ = false;
};

}  // namespace specula::agent

#endif  // SPECULA_AGENT_FRONT_OUTPUT_PIPE_H_
