#include "ctl/batch_report.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "ctl/batch_json.h"
#include "ctl/commands/read.h"
#include "ctl/exit_code.h"
#include "ctl/json.h"
#include "ctl/table.h"
#include "lib/base/clock.h"
#include "lib/base/format.h"
#include "lib/base/unique_fd.h"

namespace specula::ctl {
namespace {

// Interrupted, nobody waits longer than this for a reader who sleeps.
constexpr absl::Duration kMostStuck = absl::Seconds(1);
constexpr absl::Duration kProgressEvery = absl::Milliseconds(250);
constexpr size_t kSlowestShown = 3;
constexpr char kClearLine[] = "\r\033[K";

bool IsTerminal(int fd) { return isatty(fd) != 0; }

std::string WithElapsed(const std::string& name, absl::Time since) {
  return absl::StrCat(EscapeControls(name), " ",
                      FormatElapsed(SteadyNow() - since));
}

}  // namespace

std::string FileNameOf(absl::string_view host) {
  std::string name(host);
  std::replace(name.begin(), name.end(), '/', '_');
  std::replace(name.begin(), name.end(), '\0', '_');
  if (name.empty() || name.front() == '.') name.insert(0, 1, '_');
  return name;
}

BatchReport::BatchReport(const std::vector<Target>& targets,
                         Interrupt& interrupt, const Options& options)
    : targets_(targets),
      interrupt_(interrupt),
      options_(options),
      names_(LabelsOf(targets)),
      // Our own text moves the cursor; what hosts send is filtered before.
      writer_({.raw = true, .wake = interrupt.waker()}),
      gather_(names_, {}),
      merger_(names_, {.safe = !options.raw && (IsTerminal(STDOUT_FILENO) ||
                                                IsTerminal(STDERR_FILENO)),
                       .colours = WantsColours()}),
      begun_(SteadyNow()),
      progress_due_(begun_ + kProgressEvery),
      key_open_(options.key_fd >= 0),
      elapsed_(targets.size()) {}

absl::Status BatchReport::Prepare() const {
  if (options_.directory.empty()) return absl::OkStatus();
  if (mkdir(options_.directory.c_str(), 0777) != 0 && errno != EEXIST) {
    return absl::ErrnoToStatus(errno,
                               absl::StrCat("--out-dir: ", options_.directory));
  }
  // A file that is left from before would be taken for an answer of now.
  for (const std::string& name : names_) {
    for (const char* suffix : {"", ".err"}) {
      const std::string path =
          absl::StrCat(options_.directory, "/", FileNameOf(name), suffix);
      if (unlink(path.c_str()) != 0 && errno != ENOENT) {
        return absl::ErrnoToStatus(errno, absl::StrCat("--out-dir: ", path));
      }
    }
  }
  return absl::OkStatus();
}

BatchEvents BatchReport::Events(std::function<const Batch&()> batch) {
  BatchEvents events;
  events.began = [this](size_t host) { Began(host); };
  events.output = [this](size_t host, OutputStream stream, std::string bytes,
                         std::function<void()> taken) {
    Output(host, stream, bytes, std::move(taken));
  };
  events.ended = [this](size_t host, const CommandEnding& ending,
                        absl::Duration elapsed) {
    Ended(host, ending, elapsed);
  };
  events.turn = [this, batch] { return Turn(batch()); };
  events.leave = [this] {
    left_ = true;
    writer_.Discard();
  };
  return events;
}

void BatchReport::Began(size_t host) {
  // An empty file says that the host was asked and sent nothing.
  Save(host, OutputStream::kOutput, "");
  if (options_.json) WriteEvent(host, "began", "");
}

void BatchReport::Output(size_t host, OutputStream stream,
                         const std::string& bytes,
                         std::function<void()> taken) {
  Save(host, stream, bytes);
  if (options_.fold || options_.keep != nullptr) {
    gather_.Add(host, stream, bytes);
  }
  if (options_.json) {
    WriteEvent(host, "output", JsonOutput(stream, bytes), std::move(taken));
    return;
  }
  std::string lines =
      options_.live ? merger_.Feed(host, stream, bytes) : std::string();
  if (lines.empty()) {
    taken();
  } else {
    Write(stream, std::move(lines), std::move(taken));
  }
}

void BatchReport::Ended(size_t host, const CommandEnding& ending,
                        absl::Duration elapsed) {
  if (options_.json) {
    WriteEvent(host, "ended", absl::StrCat(",", JsonEnding(ending, elapsed)));
  } else if (options_.live) {
    for (const OutputStream stream :
         {OutputStream::kOutput, OutputStream::kError}) {
      std::string rest = merger_.Flush(host, stream);
      if (!rest.empty()) Write(stream, std::move(rest));
    }
  }
  gather_.End(host, ending);
  elapsed_[host] = elapsed;
}

bool BatchReport::Turn(const Batch& batch) {
  if (interrupt_.interrupted() && writer_.stuck_for() >= kMostStuck) {
    writer_.Discard();
  }
  if (!writer_.status().ok() || !saved_.ok()) return false;
  if (key_open_) LookForEnter(batch);
  if (options_.progress && SteadyNow() >= progress_due_) {
    progress_due_ = SteadyNow() + kProgressEvery;
    // A terminal that stands still is not to be filled further.
    if (writer_.stuck_for() == absl::ZeroDuration()) {
      progress_shown_ = true;
      writer_.Write(OutputWriter::Stream::kError,
                    absl::StrCat(kClearLine, ProgressText(batch)), nullptr);
    }
  }
  return true;
}

std::string BatchReport::ProgressText(const Batch& batch) const {
  const absl::Duration elapsed = SteadyNow() - begun_;
  std::string text = absl::StrFormat(
      "%d/%d done, %d failed, %.1f/s", batch.ended(), targets_.size(),
      batch.failed(),
      static_cast<double>(batch.ended()) / absl::ToDoubleSeconds(elapsed));
  std::vector<Batch::Running> running = batch.RunningHosts();
  const size_t shown = std::min(kSlowestShown, running.size());
  std::partial_sort(
      running.begin(), running.begin() + static_cast<std::ptrdiff_t>(shown),
      running.end(), [](const Batch::Running& a, const Batch::Running& b) {
        return a.since < b.since;
      });
  for (size_t i = 0; i < shown; ++i) {
    absl::StrAppend(&text, i == 0 ? ", slowest: " : ", ",
                    WithElapsed(names_[running[i].host], running[i].since));
  }
  return CutToWidth(text, std::min<size_t>(ViewForOutput().max_width, 120) - 1);
}

void BatchReport::LookForEnter(const Batch& batch) {
  pollfd key = {options_.key_fd, POLLIN, 0};
  // A read from the background would stop us.
  if (poll(&key, 1, 0) <= 0 || tcgetpgrp(options_.key_fd) != getpgrp()) return;
  char typed[256];
  key_open_ = read(options_.key_fd, typed, sizeof typed) > 0;
  if (!key_open_) return;
  std::vector<std::string> names;
  for (const Batch::Running& running : batch.RunningHosts()) {
    names.push_back(names_[running.host]);
  }
  Say(names.empty()
          ? "nobody is running"
          : absl::StrCat(names.size(),
                         " still running: ", EscapeControls(ListHosts(names))));
}

void BatchReport::Save(size_t host, OutputStream stream,
                       absl::string_view bytes) {
  if (options_.directory.empty() || !saved_.ok()) return;
  // Opened anew each time: there may be more hosts than descriptors.
  const std::string path =
      absl::StrCat(options_.directory, "/", FileNameOf(names_[host]),
                   stream == OutputStream::kError ? ".err" : "");
  const UniqueFd file(
      open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC,
           0666));
  bool whole = file.valid();
  while (whole && !bytes.empty()) {
    const ssize_t written = write(file.get(), bytes.data(), bytes.size());
    if (written >= 0) {
      bytes.remove_prefix(static_cast<size_t>(written));
    } else {
      whole = errno == EINTR;
    }
  }
  if (!whole) {
    saved_ = absl::ErrnoToStatus(errno, absl::StrCat("cannot write ", path));
  }
}

void BatchReport::ClearProgress() {
  if (!std::exchange(progress_shown_, false)) return;
  writer_.Write(OutputWriter::Stream::kError, kClearLine, nullptr);
  progress_due_ = SteadyNow() + kProgressEvery;
}

void BatchReport::Write(OutputStream stream, std::string text,
                        std::function<void()> taken) {
  ClearProgress();
  writer_.Write(stream == OutputStream::kOutput ? OutputWriter::Stream::kOutput
                                                : OutputWriter::Stream::kError,
                std::move(text), std::move(taken));
}

void BatchReport::Say(const std::string& line) {
  if (left_) {
    SayError(line);
    return;
  }
  Write(OutputStream::kError, absl::StrCat("specula: ", line, "\n"));
}

void BatchReport::WriteEvent(size_t host, absl::string_view event,
                             absl::string_view more,
                             std::function<void()> taken) {
  const Target& target = targets_[host];
  Write(OutputStream::kOutput,
        absl::StrCat("{\"event\":\"", event, "\",\"id\":", target.id,
                     ",\"host\":", JsonString(HostName(target)),
                     ",\"port\":", target.endpoint.address.port, more, "}\n"),
        std::move(taken));
}

int BatchReport::ExitCode(const Batch& batch) const {
  if (batch.interrupted()) return kExitInterrupted;
  if (!saved_.ok()) return kExitNoResult;
  if (targets_.size() == 1) return gather_.ending(0).exit_code;
  bool all_have_results = true;
  bool all_well = true;
  for (size_t host = 0; host < targets_.size(); ++host) {
    const CommandEnding& ending = gather_.ending(host);
    all_have_results = all_have_results && !IsWithoutResult(ending);
    all_well = all_well && !IsFailure(ending);
  }
  if (!all_have_results) return kExitNoResult;
  return all_well ? kExitOk : kExitFailed;
}

std::string BatchReport::JsonSummary(const Batch& batch, int exit_code,
                                     int64_t run) const {
  std::vector<std::pair<std::string, std::vector<std::string>>> words;
  for (size_t host = 0; host < targets_.size(); ++host) {
    const std::string word = OutcomeWord(gather_.ending(host));
    auto known =
        std::find_if(words.begin(), words.end(),
                     [&](const auto& entry) { return entry.first == word; });
    if (known == words.end()) known = words.insert(words.end(), {word, {}});
    known->second.push_back(JsonString(names_[host]));
  }
  std::string text = absl::StrFormat(
      "{\"event\":\"summary\",\"hosts\":%d,\"failed\":%d,\"interrupted\":%s,"
      "\"exit_code\":%d,\"elapsed_seconds\":%.6f",
      targets_.size(),
      std::count_if(targets_.begin(), targets_.end(),
                    [&](const Target& target) {
                      return IsFailure(gather_.ending(
                          static_cast<size_t>(&target - targets_.data())));
                    }),
      batch.interrupted() ? "true" : "false", exit_code,
      absl::ToDoubleSeconds(SteadyNow() - begun_));
  if (run > 0) absl::StrAppend(&text, ",\"run\":", run);
  text += ",\"outcomes\":{";
  bool first = true;
  for (const auto& [word, names] : words) {
    absl::StrAppend(&text, std::exchange(first, false) ? "" : ",",
                    JsonString(word), ":[", absl::StrJoin(names, ","), "]");
  }
  return absl::StrCat(text, "}}\n");
}

void BatchReport::SayInterrupted(const Batch& batch) {
  auto names = [this](const std::vector<size_t>& hosts) {
    std::vector<std::string> list;
    list.reserve(hosts.size());
    for (const size_t host : hosts) list.push_back(names_[host]);
    return EscapeControls(ListHosts(list));
  };
  if (batch.unfinished().empty()) {
    Say("interrupted: nobody was running");
    return;
  }
  Say(absl::StrCat("interrupted: ", batch.unfinished().size(),
                   " had not finished: ", names(batch.unfinished())));
  Say(batch.unproved().empty()
          ? "interrupted: all their process trees have ended"
          : absl::StrCat("interrupted: there is no proof that the process "
                         "trees have ended on ",
                         names(batch.unproved())));
}

void BatchReport::AwaitWritten() {
  writer_.Finish();
  while (!writer_.idle()) {
    if (interrupt_.interrupted() && writer_.stuck_for() >= kMostStuck) {
      writer_.Discard();
    }
    interrupt_.Wait(kMostStuck / 4);
  }
}

int BatchReport::Conclude(const Batch& batch) {
  const int exit_code = ExitCode(batch);
  absl::StatusOr<int64_t> run = absl::NotFoundError("not to be kept");
  if (options_.keep != nullptr) {
    run = options_.keep(gather_, elapsed_, exit_code);
  }
  if (options_.json) {
    Write(OutputStream::kOutput,
          JsonSummary(batch, exit_code, run.ok() ? *run : 0));
  } else {
    const bool safe = !options_.raw && IsTerminal(STDOUT_FILENO);
    if (options_.fold) {
      std::string text =
          options_.diff ? gather_.ViewDiff(safe) : gather_.ViewFolded(safe);
      if (!text.empty()) Write(OutputStream::kOutput, std::move(text));
    }
    for (const std::string& remark : gather_.Remarks()) Say(remark);
  }
  if (batch.interrupted()) SayInterrupted(batch);
  if (!options_.json) Write(OutputStream::kOutput, gather_.ViewSummary());
  if (!saved_.ok()) Say(std::string(saved_.message()));
  if (run.ok() && !options_.json) {
    Say(absl::StrCat("run ", *run, "; 'specula show ", *run,
                     "' shows it again"));
  } else if (!run.ok() && options_.keep != nullptr) {
    Say(absl::StrCat("this run is not kept: ",
                     EscapeControls(run.status().message())));
  }
  AwaitWritten();
  const absl::Status written = writer_.status();
  if (written.ok() || batch.interrupted()) return exit_code;
  if (absl::IsCancelled(written)) return kExitClosedPipe;
  SayError(written.message());
  return kExitNoResult;
}

}  // namespace specula::ctl
