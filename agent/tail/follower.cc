#include "agent/tail/follower.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "lib/base/status_macros.h"

namespace specula::agent {
namespace {

constexpr int64_t kMostLines = 100'000;

TailItem Event(TailItem::Kind kind) { return {.kind = kind, .data = {}}; }

// Whether the opener could not find out, as opposed to found that it is not so.
bool IsPassing(const absl::Status& status) {
  return absl::IsUnavailable(status) || absl::IsResourceExhausted(status) ||
         absl::IsDeadlineExceeded(status) || absl::IsAborted(status) ||
         absl::IsCancelled(status);
}

}  // namespace

absl::StatusOr<std::unique_ptr<Follower>> Follower::Create(
    TailOptions options) {
  if (options.path.empty() || options.path[0] != '/' ||
      options.path.find('\0') != std::string::npos) {
    return absl::InvalidArgumentError("path must be absolute");
  }
  if (options.lines < 0 || options.lines > kMostLines) {
    return absl::InvalidArgumentError(absl::StrCat(
        "lines must be 0 to ", kMostLines, ", not ", options.lines));
  }
  return std::unique_ptr<Follower>(new Follower(std::move(options)));
}

Follower::Follower(TailOptions options)
    : options_(std::move(options)), lookup_(options_.path) {}

absl::StatusOr<Follower::Progress> Follower::Step(absl::Duration now,
                                                  size_t room_bytes) {
  RETURN_IF_ERROR(fatal_);
  if (room_bytes == 0) waiting_ = false;  // it is the reader who waits
  for (Generation& generation : generations_) {
    RETURN_IF_ERROR(generation.file.Observe(now));
  }
  Progress progress;
  again_ = false;
  if (room_bytes > 0 && !done_) {
    ASSIGN_OR_RETURN(progress.item, Next(now, room_bytes));
    if (progress.item.has_value()) again_ = true;
  }
  progress.done = done_;
  if (done_) return progress;

  if (!generations_.empty() && generations_.back().file.deleted() &&
      name_ == Name::kThere && now - look_time_ >= options_.limits.poll) {
    look_ = true;
  }
  const bool may_look = options_.follow || !started_;
  if (may_look && !lookup_.under_way() && (look_ || now >= LookTime())) {
    look_ = false;
    lookup_.Begin();
  }
  progress.open = lookup_.TakePath();
  progress.wake_time = WakeTime(now, room_bytes > 0);
  return progress;
}

void Follower::Opened(absl::Duration now, absl::StatusOr<OpenedFile> file) {
  const int newest = generations_.empty() ? -1 : generations_.back().file.fd();
  std::optional<NameLookup::Answer> answer =
      lookup_.Feed(std::move(file), newest);
  if (answer.has_value()) Learn(now, *std::move(answer));
}

void Follower::Learn(absl::Duration now, NameLookup::Answer answer) {
  const absl::Status status = answer.now.status();
  const bool first = name_ == Name::kUnknown;
  if (first && !status.ok() &&
      !(absl::IsNotFound(status) && options_.wait_for_file)) {
    fatal_ = status;
    return;
  }
  look_time_ = now;
  look_soon_ = IsPassing(status);
  if (look_soon_) return;  // what was known still holds

  const Name name = status.ok()                ? Name::kThere
                    : absl::IsNotFound(status) ? Name::kGone
                                               : Name::kForbidden;
  if (name != name_) name_time_ = now;
  name_ = name;
  name_status_ = status;
  if (name == Name::kThere) {
    for (OpenedFile& missed : answer.missed) Append(now, std::move(missed));
    Append(now, *std::move(answer.now));
    return;
  }
  if (first) absent_ = tell_absent_ = true;
  const bool long_gone = now - name_time_ >= options_.limits.poll;
  look_soon_ = name == Name::kForbidden || (!long_gone && !absent_);
  if (generations_.empty()) return;
  Generation& newest = generations_.back();
  if (!newest.left.has_value()) newest.left = now;
  if (name == Name::kGone && long_gone) newest.missing = true;
}

void Follower::Append(absl::Duration now, OpenedFile file) {
  std::optional<TailItem::Kind> arrival;
  if (absent_) arrival = TailItem::Kind::kAppeared;
  if (!generations_.empty()) {
    Generation& newest = generations_.back();
    if (newest.file.IsThat(file.info)) {
      if (newest.missing_told) newest.arrival = TailItem::Kind::kAppeared;
      newest.missing = newest.missing_told = false;
      newest.left.reset();
      newest.file.Refresh(std::move(file));
      return;
    }
    if (!newest.left.has_value()) newest.left = now;
    arrival =
        newest.missing ? TailItem::Kind::kAppeared : TailItem::Kind::kRotated;
  }
  const bool from_start = started_ || (absent_ && options_.follow);
  if (!from_start) {
    seek_.emplace(file.info.st_size, options_.lines,
                  options_.limits.scan_bytes);
  }
  if (!started_) end_ = file.info.st_size;
  started_ = true;
  absent_ = false;
  generations_.push_back(
      {.file = FollowedFile(std::move(file), options_.path, now),
       .arrival = arrival});
  fatal_.Update(generations_.back().file.Observe(now));
  if (generations_.size() <= options_.limits.most_files) return;
  // The reader stands still while files come and go. The first is kept: it was
  // begun.
  const Generation& dropped = generations_[1];
  generations_[2].skipped_bytes +=
      dropped.skipped_bytes + dropped.file.unread_bytes();
  generations_.erase(generations_.begin() + 1);
}

absl::StatusOr<std::optional<TailItem>> Follower::Next(absl::Duration now,
                                                       size_t room_bytes) {
  if (std::exchange(tell_absent_, false))
    return Event(TailItem::Kind::kMissing);
  if (waiting_) {
    waited_bytes_ = BehindBytes() - generations_.front().file.unread_bytes();
  }
  while (!generations_.empty()) {
    Generation& first = generations_.front();
    if (first.arrival.has_value()) {
      return Event(*std::exchange(first.arrival, std::nullopt));
    }
    if (seek_.has_value()) {
      ASSIGN_OR_RETURN(again_, Seek(first.file));
      if (again_) return std::nullopt;
    }
    if (std::exchange(tell_cut_, false))
      return Event(TailItem::Kind::kLinesCut);
    if (first.file.TakeTruncated()) {
      done_ = !options_.follow;
      return Event(TailItem::Kind::kTruncated);
    }
    if (options_.follow && first.file.unread_bytes() > 0) {
      RETURN_IF_ERROR(SkipIfBehind());
      if (first.file.truncated()) continue;
    }
    if (first.skipped_bytes > 0) {
      return TailItem{.kind = TailItem::Kind::kSkipped,
                      .data = {},
                      .skipped_bytes = std::exchange(first.skipped_bytes, 0)};
    }
    const int64_t end =
        options_.follow ? std::numeric_limits<int64_t>::max() : end_;
    const size_t most = std::min(room_bytes, options_.limits.chunk_bytes);
    ASSIGN_OR_RETURN(std::string data, first.file.Read(most, end));
    if (!data.empty()) {
      return TailItem{.kind = TailItem::Kind::kData, .data = std::move(data)};
    }
    if (first.file.truncated()) continue;
    done_ = !options_.follow;
    if (first.missing && !std::exchange(first.missing_told, true)) {
      return Event(TailItem::Kind::kMissing);
    }
    if (done_ || !TurnPage(now)) break;
  }
  const bool at_end =
      generations_.empty() ||
      (generations_.size() == 1 && now >= QuietTime(generations_.front()));
  if (name_ == Name::kForbidden && at_end &&
      now - name_time_ >= options_.limits.quiet) {
    return name_status_;
  }
  return std::nullopt;
}

absl::StatusOr<bool> Follower::Seek(FollowedFile& file) {
  ASSIGN_OR_RETURN(const bool found, seek_->Scan(file.fd(), options_.path));
  RETURN_IF_ERROR(file.Verify());
  if (!found && !file.truncated()) return true;
  if (!file.truncated()) {
    RETURN_IF_ERROR(file.GoTo(seek_->start()));
    tell_cut_ = seek_->cut();
  }
  seek_.reset();
  return false;
}

bool Follower::TurnPage(absl::Duration now) {
  Generation& first = generations_.front();
  const bool quiet = now >= QuietTime(first);
  const bool last = generations_.size() == 1;
  waiting_ = last ||
             (!quiet && generations_.size() <= options_.limits.impatient_files);
  if (!waiting_) {
    generations_.pop_front();
    return true;
  }
  waited_bytes_ = BehindBytes();
  if (last && quiet && first.missing_told && first.file.deleted() &&
      now - *first.left >= options_.limits.deleted_hold) {
    generations_.pop_front();
    waiting_ = false;
    absent_ = true;
  }
  return false;
}

absl::Status Follower::SkipIfBehind() {
  const int64_t allowed = options_.limits.behind_bytes + waited_bytes_;
  if (BehindBytes() <= allowed) return absl::OkStatus();
  // What was truncated unseen would be counted wrongly.
  for (Generation& generation : generations_) {
    RETURN_IF_ERROR(generation.file.Verify());
  }
  int64_t excess = BehindBytes() - allowed;
  for (Generation& generation : generations_) {
    const int64_t skip = std::min(excess, generation.file.unread_bytes());
    if (skip <= 0) continue;
    RETURN_IF_ERROR(generation.file.GoTo(generation.file.position() + skip));
    generation.skipped_bytes += skip;
    excess -= skip;
  }
  return absl::OkStatus();
}

int64_t Follower::BehindBytes() const {
  int64_t bytes = 0;
  for (const Generation& generation : generations_) {
    bytes += generation.file.unread_bytes();
  }
  return bytes;
}

absl::Duration Follower::QuietTime(const Generation& generation) const {
  return std::max(generation.file.changed_time(),
                  generation.left.value_or(absl::ZeroDuration())) +
         options_.limits.quiet;
}

absl::Duration Follower::LookTime() const {
  return look_time_ + (announced_ && !look_soon_ ? options_.limits.recheck
                                                 : options_.limits.poll);
}

absl::Duration Follower::WakeTime(absl::Duration now, bool room) const {
  if (room && again_) return now;
  const absl::Duration poll = now + options_.limits.poll;
  absl::Duration wake = absl::InfiniteDuration();
  if (options_.follow || !started_) {
    // While the answer is awaited, bytes are to be looked for all the same.
    if (!lookup_.under_way()) {
      wake = look_ ? now : LookTime();
    } else if (!announced_) {
      wake = poll;
    }
  }
  // A file without the name may be one that nobody tells of.
  if (room && generations_.size() > 1) {
    wake =
        std::min({wake, poll, std::max(now, QuietTime(generations_.front()))});
  }
  return wake;
}

absl::StatusOr<Follower::Progress> StepWith(Follower& follower, Opener& opener,
                                            absl::Duration now,
                                            size_t room_bytes) {
  std::optional<TailItem> item;
  while (true) {
    ASSIGN_OR_RETURN(Follower::Progress progress,
                     follower.Step(now, item.has_value() ? 0 : room_bytes));
    if (progress.item.has_value()) item = std::move(progress.item);
    if (progress.open.has_value()) {
      follower.Opened(now, opener.Open(*progress.open));
      continue;
    }
    if (item.has_value()) progress.wake_time = now;
    progress.item = std::move(item);
    return progress;
  }
}

}  // namespace specula::agent
