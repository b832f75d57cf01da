#ifndef SPECULA_CTL_BATCH_REPORT_H_
#define SPECULA_CTL_BATCH_REPORT_H_

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "ctl/batch.h"
#include "ctl/gather.h"
#include "ctl/interrupt.h"
#include "ctl/line_merger.h"
#include "ctl/output_writer.h"

namespace specula::ctl {

// Shows a batch: lines as they come, how far it is, and at the end what came,
// folded, and who ended how. What waits to be shown is bounded (OutputWriter),
// and so is what is kept (Gather).
//
// One thread, that of Batch::Run; writing has its own.
class BatchReport {
 public:
  // Keeps the batch when it has ended; gives the id under which it is kept.
  using Keep = std::function<absl::StatusOr<int64_t>(
      const Gather&, const std::vector<absl::Duration>& elapsed,
      int exit_code)>;
  struct Options {
    bool live = false;      // lines with their host as they come
    bool fold = true;       // identical output once, at the end
    bool diff = false;      // instead: the majority and what differs from it
    bool json = false;      // instead of all that: a line for each event
    bool raw = false;       // a terminal gets the bytes as they are
    bool progress = false;  // a line on standard error that says how far it is
    int key_fd = -1;        // a terminal on which Enter asks who still runs
    std::string directory;  // where each host gets its files; empty: nowhere
    Keep keep = nullptr;    // null: it is not kept
  };

  BatchReport(const std::vector<Target>& targets, Interrupt& interrupt,
              const Options& options);

  // Makes the directory, if there shall be one.
  absl::Status Prepare() const;

  // What a Batch is to be given; `batch` gives that batch, which may be made
  // later.
  BatchEvents Events(std::function<const Batch&()> batch);

  // Writes the end and waits until it is written. Gives the exit code.
  int Conclude(const Batch& batch);

 private:
  void Began(size_t host);
  void Output(size_t host, OutputStream stream, const std::string& bytes,
              std::function<void()> taken);
  void Ended(size_t host, const CommandEnding& ending, absl::Duration elapsed);
  bool Turn(const Batch& batch);
  void LookForEnter(const Batch& batch);
  void Save(size_t host, OutputStream stream, absl::string_view bytes);
  void Write(OutputStream stream, std::string text,
             std::function<void()> taken = nullptr);
  void Say(const std::string& line);
  void WriteEvent(size_t host, absl::string_view event, absl::string_view more,
                  std::function<void()> taken = nullptr);
  void ClearProgress();
  std::string ProgressText(const Batch& batch) const;
  std::string JsonSummary(const Batch& batch, int exit_code, int64_t run) const;
  void SayInterrupted(const Batch& batch);
  int ExitCode(const Batch& batch) const;
  void AwaitWritten();

  const std::vector<Target>& targets_;
  Interrupt& interrupt_;
  const Options options_;
  const std::vector<std::string> names_;
  OutputWriter writer_;
  Gather gather_;
  LineMerger merger_;
  const absl::Time begun_;
  absl::Time progress_due_;
  bool progress_shown_ = false;
  bool key_open_;
  std::vector<absl::Duration> elapsed_;  // by host
  bool left_ = false;                    // by the second Ctrl-C
  absl::Status saved_;                   // whether the files could be written
};

// "vm1" as the name of a file: without slashes, and never hidden.
std::string FileNameOf(absl::string_view host);

}  // namespace specula::ctl

#endif  // SPECULA_CTL_BATCH_REPORT_H_
