#ifndef SPECULA_CTL_OUTPUT_WRITER_H_
#define SPECULA_CTL_OUTPUT_WRITER_H_

#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace specula::ctl {

// Writes what comes from a host to standard output and standard error, in the
// order in which it comes, on a thread of its own: whoever reads us may be as
// slow as he likes (a pager) without Ctrl-C having to wait for him.
//
// To a terminal it goes through a TerminalFilter unless raw; anywhere else byte
// by byte as it is. What is partly written is finished (see WriteAll).
//
// Bounded: it says `taken` for a chunk at once while little is waiting, else
// when there is room again, and whoever brings chunks brings no more before.
// Thread-safe.
class OutputWriter {
 public:
  enum class Stream { kOutput, kError };
  struct Options {
    bool raw = false;
    // Called, from any thread, when after Finish() all has been written, and
    // when writing has failed; must not block.
    std::function<void()> wake = [] {};
    int output_fd = 1;
    int error_fd = 2;
  };

  explicit OutputWriter(Options options);
  // Waits for nothing: what is not written by then may not be. Finish() and
  // idle() before.
  ~OutputWriter();
  OutputWriter(const OutputWriter&) = delete;
  OutputWriter& operator=(const OutputWriter&) = delete;

  // Takes bytes over. `taken`, if not null, is called once, here or on the
  // writer's thread, and must not block.
  void Write(Stream stream, std::string bytes, std::function<void()> taken);

  // One line of our own on standard error, without its newline, in its place
  // among the rest: at the start of a line, if that is a terminal.
  void Say(std::string line, std::function<void()> taken = nullptr);

  // No more bytes will come: shows what the filters hold, and wakes when idle.
  void Finish();

  // Throws away what waits and what comes: from now on it is idle, although a
  // last write may still hang.
  void Discard();

  bool idle() const;

  // Whether a terminal stands within a line, so that a message of our own needs
  // a newline first. False from the first such question on. After idle() only.
  bool ends_in_line();

  // How long the write that hangs has been hanging; 0 if none does.
  absl::Duration stuck_for() const;

  // Whether it could be written: CANCELLED if nobody reads it any more (EPIPE),
  // else what is wrong, with the stream's name. After an error all is thrown
  // away.
  absl::Status status() const;

 private:
  struct State;
  static void Run(const std::shared_ptr<State>& state);
  const std::shared_ptr<State> state_;  // the thread's too, which may hang
};

}  // namespace specula::ctl

#endif  // SPECULA_CTL_OUTPUT_WRITER_H_
