#include "ctl/ui/background_recording.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "ctl/ui/columns.h"

namespace specula::ctl {
namespace {

// How often the writer is given the chance to write what is old enough.
constexpr absl::Duration kFlushEvery = absl::Milliseconds(500);

}  // namespace

BackgroundRecording::BackgroundRecording(
    std::unique_ptr<RecordingWriter> writer, const Options& options)
    : options_(options), writer_(std::move(writer)) {
  thread_ = std::thread([this] { Run(); });
}

BackgroundRecording::~BackgroundRecording() {
  {
    absl::MutexLock lock(&mutex_);
    over_ = true;
  }
  thread_.join();
}

void BackgroundRecording::Add(const std::vector<FleetEvent>& events) {
  absl::MutexLock lock(&mutex_);
  if (!report_.status.ok()) return;
  for (const FleetEvent& event : events) {
    if (report_.behind) {
      newest_.Add(event);
      continue;
    }
    waiting_.push_back(event);
    waiting_bytes_ += RecordedBytes(event);
    report_.behind = waiting_bytes_ > options_.most_waiting_bytes;
  }
}

void BackgroundRecording::Run() {
  while (true) {
    std::vector<FleetEvent> events;
    bool over;
    {
      absl::MutexLock lock(&mutex_);
      mutex_.AwaitWithTimeout(absl::Condition(&over_), kFlushEvery);
      over = over_;
      events.swap(waiting_);
      waiting_bytes_ = 0;
    }
    writer_->Add(events, absl::Now());
    events.clear();
    {
      absl::MutexLock lock(&mutex_);
      // What came while it was behind is next, and then it has caught up.
      if (std::exchange(report_.behind, false)) waiting_ = newest_.Take();
      report_.bytes = writer_->size();
      report_.status = writer_->status();
      if (!report_.status.ok()) waiting_.clear();
      if (over && waiting_.empty()) break;
    }
  }
  writer_.reset();  // writes what waits
}

BackgroundRecording::Report BackgroundRecording::report() const {
  absl::MutexLock lock(&mutex_);
  return report_;
}

std::string RecordingWord(const BackgroundRecording::Report& report) {
  if (!report.status.ok()) return "REC ENDED";
  return absl::StrCat("REC ", ShortBytes(static_cast<double>(report.bytes)),
                      report.behind ? " BEHIND" : "");
}

}  // namespace specula::ctl
