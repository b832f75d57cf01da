#include "agent/front/output_pipe.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace specula::agent {
namespace {

using Descriptor = boost::asio::posix::stream_descriptor;

// Fewer turns between child and reader; the most an unprivileged process may
// have.
constexpr int kPipeBytes = 1 << 20;

}  // namespace

OutputPipe::OutputPipe(EventLoop& loop, UniqueFd fd)
    : descriptor_(loop.context()), at_end_(!fd.valid()) {
  if (!fd.valid()) return;
  fcntl(fd.get(), F_SETPIPE_SZ, kPipeBytes);  // a wish
  descriptor_.assign(fd.Release());
}

bool OutputPipe::Read(std::string& chunk) {
  if (at_end_) return false;
  // Asked for first, as most outputs are short and a buffer for the longest
  // would have to be cleared. What `chunk` has already need not be.
  int available = 0;
  ioctl(descriptor_.native_handle(), FIONREAD, &available);
  // Not less than this: what comes between the question and the reading would
  // be taken apart.
  constexpr size_t kLeast = 512;
  const size_t wanted = std::clamp<size_t>(
      static_cast<size_t>(std::max(available, 0)), kLeast, kChunkBytes);
  if (chunk.size() < wanted || chunk.size() > kChunkBytes) chunk.resize(wanted);
  ssize_t got = -1;
  do {
    got = read(descriptor_.native_handle(), chunk.data(), chunk.size());
  } while (got < 0 && errno == EINTR);
  if (got > 0) {
    chunk.resize(static_cast<size_t>(got));
    return true;
  }
  if (got == 0 || errno != EAGAIN) Close();
  return false;
}

void OutputPipe::Wait(std::function<void()> readable) {
  if (at_end_ || waits_) return;
  waits_ = true;
  descriptor_.async_wait(Descriptor::wait_read,
                         [this, readable = std::move(readable)](
                             const boost::system::error_code& error) {
                           if (error) return;  // closed; this may be gone
                           waits_ = false;
                           readable();
                         });
}

void OutputPipe::Close() {
  at_end_ = true;
  boost::system::error_code ignored;
  if (descriptor_.is_open()) descriptor_.close(ignored);
}

}  // namespace specula::agent
