#include "ctl/output_writer.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <deque>
#include <thread>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "ctl/terminal_filter.h"
#include "lib/base/clock.h"
#include "lib/base/output.h"

namespace specula::ctl {
namespace {

// Chunks are taken at once while less than this waits.
constexpr size_t kReadAheadBytes = 1 << 20;
// Written in one go, so that a reader who is slow can be told from one who has
// gone to sleep. What a pipe holds by default.
constexpr size_t kPieceBytes = 64 << 10;

// One of the two streams. The writer's thread only, but for what is const.
struct Sink {
  Sink(int fd_in, const char* name_in, bool raw)
      : fd(fd_in),
        name(name_in),
        terminal(isatty(fd_in) != 0),
        escape(terminal && !raw) {}
  const int fd;
  const char* const name;
  const bool terminal;
  const bool escape;
  TerminalFilter filter;
};

struct Item {
  Sink* sink = nullptr;
  std::string bytes;
  std::function<void()> taken;  // null: nobody waits
  enum class Kind { kBytes, kLine, kEnd } kind = Kind::kBytes;
};

}  // namespace

struct OutputWriter::State {
  explicit State(Options options)
      : wake(std::move(options.wake)),
        output(options.output_fd, "standard output", options.raw),
        error(options.error_fd, "standard error", options.raw) {}

  void Add(Item item);
  // Writes all of `bytes`, or until it is discarded.
  absl::Status WriteTo(const Sink& sink, absl::string_view bytes);
  absl::Status Put(Item& item);

  bool IsLineOpen() const {
    absl::MutexLock lock(&mutex);
    return line_open;
  }
  bool HasWork() const ABSL_SHARED_LOCKS_REQUIRED(mutex) {
    return !queue.empty() || closed;
  }

  const std::function<void()> wake;
  Sink output;
  Sink error;

  mutable absl::Mutex mutex;
  std::deque<Item> queue ABSL_GUARDED_BY(mutex);
  size_t queued_bytes ABSL_GUARDED_BY(mutex) = 0;
  bool busy ABSL_GUARDED_BY(mutex) = false;
  bool discarding ABSL_GUARDED_BY(mutex) = false;
  bool finishing ABSL_GUARDED_BY(mutex) = false;
  bool closed ABSL_GUARDED_BY(mutex) = false;
  absl::Time piece_begun ABSL_GUARDED_BY(mutex) = absl::InfiniteFuture();
  bool line_open ABSL_GUARDED_BY(mutex) = false;  // on a terminal
  absl::Status status ABSL_GUARDED_BY(mutex);
};

void OutputWriter::State::Add(Item item) {
  std::function<void()> taken;
  {
    absl::MutexLock lock(&mutex);
    if (discarding) {
      taken = std::move(item.taken);
    } else {
      queued_bytes += item.bytes.size();
      if (queued_bytes <= kReadAheadBytes) {
        taken = std::exchange(item.taken, nullptr);
      }
      queue.push_back(std::move(item));
    }
  }
  if (taken != nullptr) taken();
}

absl::Status OutputWriter::State::WriteTo(const Sink& sink,
                                          absl::string_view bytes) {
  while (!bytes.empty()) {
    const absl::string_view piece = bytes.substr(0, kPieceBytes);
    {
      absl::MutexLock lock(&mutex);
      if (discarding) return absl::OkStatus();
      piece_begun = SteadyNow();
      if (sink.terminal) line_open = piece.back() != '\n';
    }
    const int error_number = WriteAll(sink.fd, piece);
    if (error_number == EPIPE) {
      return absl::CancelledError(absl::StrCat(sink.name, " is closed"));
    }
    if (error_number != 0) {
      return absl::ErrnoToStatus(error_number,
                                 absl::StrCat("cannot write to ", sink.name));
    }
    bytes.remove_prefix(piece.size());
  }
  return absl::OkStatus();
}

absl::Status OutputWriter::State::Put(Item& item) {
  Sink& sink = *item.sink;
  switch (item.kind) {
    case Item::Kind::kBytes:
      return WriteTo(sink,
                     sink.escape ? sink.filter.Feed(item.bytes) : item.bytes);
    case Item::Kind::kLine:
      return WriteTo(sink,
                     absl::StrCat(sink.terminal && IsLineOpen() ? "\n" : "",
                                  item.bytes, "\n"));
    case Item::Kind::kEnd:
      return WriteTo(sink, sink.filter.Flush());
  }
  return absl::OkStatus();
}

void OutputWriter::Run(const std::shared_ptr<State>& state) {
  while (true) {
    Item item;
    {
      absl::MutexLock lock(&state->mutex);
      state->mutex.Await(absl::Condition(state.get(), &State::HasWork));
      if (state->queue.empty()) return;
      item = std::move(state->queue.front());
      state->queue.pop_front();
      state->queued_bytes -= item.bytes.size();
      state->busy = true;
    }
    if (item.taken != nullptr) item.taken();
    const absl::Status status = state->Put(item);
    bool tell = false;
    {
      absl::MutexLock lock(&state->mutex);
      state->busy = false;
      state->piece_begun = absl::InfiniteFuture();
      if (!status.ok() && state->status.ok()) {
        state->status = status;
        state->discarding = true;
      }
      tell = (state->finishing && state->queue.empty()) || !status.ok();
    }
    if (tell) state->wake();
  }
}

OutputWriter::OutputWriter(Options options)
    : state_(std::make_shared<State>(std::move(options))) {
  std::thread([state = state_] { Run(state); }).detach();
}

OutputWriter::~OutputWriter() {
  absl::MutexLock lock(&state_->mutex);
  state_->closed = true;
}

void OutputWriter::Write(Stream stream, std::string bytes,
                         std::function<void()> taken) {
  Sink& sink = stream == Stream::kOutput ? state_->output : state_->error;
  state_->Add({&sink, std::move(bytes), std::move(taken), Item::Kind::kBytes});
}

void OutputWriter::Say(std::string line, std::function<void()> taken) {
  state_->Add(
      {&state_->error, std::move(line), std::move(taken), Item::Kind::kLine});
}

void OutputWriter::Finish() {
  absl::MutexLock lock(&state_->mutex);
  state_->finishing = true;
  if (state_->discarding) return;
  for (Sink* sink : {&state_->output, &state_->error}) {
    state_->queue.push_back({sink, "", nullptr, Item::Kind::kEnd});
  }
}

void OutputWriter::Discard() {
  std::deque<Item> dropped;
  {
    absl::MutexLock lock(&state_->mutex);
    state_->discarding = true;
    state_->queued_bytes = 0;
    dropped.swap(state_->queue);
  }
  for (Item& item : dropped) {
    if (item.taken != nullptr) item.taken();
  }
}

bool OutputWriter::idle() const {
  absl::MutexLock lock(&state_->mutex);
  return state_->queue.empty() && (state_->discarding || !state_->busy);
}

bool OutputWriter::ends_in_line() {
  absl::MutexLock lock(&state_->mutex);
  return state_->error.terminal && std::exchange(state_->line_open, false);
}

absl::Duration OutputWriter::stuck_for() const {
  absl::MutexLock lock(&state_->mutex);
  if (state_->discarding || state_->piece_begun == absl::InfiniteFuture()) {
    return absl::ZeroDuration();
  }
  return std::max(SteadyNow() - state_->piece_begun, absl::ZeroDuration());
}

absl::Status OutputWriter::status() const {
  absl::MutexLock lock(&state_->mutex);
  return state_->status;
}

}  // namespace specula::ctl
