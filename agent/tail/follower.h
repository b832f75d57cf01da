#ifndef SPECULA_AGENT_TAIL_FOLLOWER_H_
#define SPECULA_AGENT_TAIL_FOLLOWER_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "agent/tail/followed_file.h"
#include "agent/tail/last_lines.h"
#include "agent/tail/name_lookup.h"
#include "agent/tail/opener.h"

namespace specula::agent {

// How far a Follower goes. Tests make these small.
struct TailLimits {
  size_t chunk_bytes = 256 << 10;
  // A reader that is further behind loses the difference.
  int64_t behind_bytes = 64 << 20;
  // A file that lost its name is left when nothing was written to it for so
  // long.
  absl::Duration quiet = absl::Seconds(5);
  // From look to look where nobody tells of changes. A name that is gone for a
  // shorter time, as in every rotation, is not called missing.
  absl::Duration poll = absl::Milliseconds(250);
  // From look to look where changes are told: for what is not (mmap, a
  // directory further up that was renamed).
  absl::Duration recheck = absl::Seconds(10);
  // A deleted file is not kept from being freed for longer.
  absl::Duration deleted_hold = absl::Seconds(60);
  // With more files in line the first is not waited for to be quiet.
  size_t impatient_files = 8;
  // No more are held open; what is in between is skipped.
  size_t most_files = 32;
  // How far back the last lines are looked for.
  int64_t scan_bytes = LastLines::kMaxScanBytes;
};

struct TailOptions {
  std::string path;    // absolute
  int64_t lines = 10;  // 0 to 100,000 come first
  bool follow = false;
  bool wait_for_file = false;
  TailLimits limits = {};
};

// One thing to be sent, in order.
struct TailItem {
  enum class Kind {
    kData,
    kRotated,    // the bytes after it are those of another file, from its start
    kTruncated,  // the bytes after it are the file's from its start
    kMissing,    // the name stands for nothing
    kAppeared,   // the name is there (again); another file is read from its
                 // start
    kSkipped,    // skipped_bytes were left out here
    kLinesCut,   // fewer lines than asked for follow, the first perhaps cut
  };
  Kind kind = Kind::kData;
  std::string data;
  int64_t skipped_bytes = 0;
};

// Reads the end of a file and follows its name: `tail -n N -F`, as a state
// machine over what stat, read and opening by name give. Files that lose the
// name are read to their end and until they are quiet, one after the other, so
// that rotation by renaming loses nothing; what truncation loses is told.
//
// Driven by its owner, in one loop: Step when there is room, when the watcher
// says that something changed, and at Progress::wake_time. Holds descriptors
// and at most one chunk, which it gives away. One thread at a time.
class Follower {
 public:
  struct Progress {
    // To be sent. Then Step again as soon as there is room, else with 0.
    std::optional<TailItem> item;
    // To be given to an Opener, and the outcome to Opened(); then Step again.
    // Not asked for again before that.
    std::optional<std::string> open;
    // Nothing comes after `item`: the call ends with OK.
    bool done = false;
    // When to Step again even if nothing is heard of the file. Infinite: no
    // need.
    absl::Duration wake_time = absl::InfiniteDuration();
  };

  // INVALID_ARGUMENT if the options are not what they may be.
  static absl::StatusOr<std::unique_ptr<Follower>> Create(TailOptions options);
  Follower(const Follower&) = delete;

  // Whether changes of file and name are told by Step and NameMayHaveChanged.
  // If not (at first), the file is looked at every 250 ms.
  void SetAnnounced(bool announced) { announced_ = announced; }

  // The next Step finds out what the name stands for.
  void NameMayHaveChanged() { look_ = true; }

  // What an Opener said to Progress::open.
  void Opened(absl::Duration now, absl::StatusOr<OpenedFile> file);

  // Does what can be done. Takes at most `room_bytes` from the file, and
  // returns no item if that is 0. `now` as of MonotonicNow(). An error ends the
  // call: at the start whatever keeps from opening the file (NOT_FOUND unless
  // it is waited for), later a failing read, or that the name stands for
  // something that may not be read and what it stood for before is read to its
  // end.
  absl::StatusOr<Progress> Step(absl::Duration now, size_t room_bytes);

 private:
  // A file and its place in the story. The last one is what the name stands
  // for, or stood for when it was there.
  struct Generation {
    FollowedFile file;
    std::optional<TailItem::Kind> arrival =
        std::nullopt;           // to be told before its bytes
    int64_t skipped_bytes = 0;  // to be told after that
    std::optional<absl::Duration> left =
        std::nullopt;      // when it was seen without the name
    bool missing = false;  // the name is gone; to be told at its end
    bool missing_told = false;
  };
  enum class Name { kUnknown, kThere, kGone, kForbidden };

  explicit Follower(TailOptions options);

  // What the name was found to stand for.
  void Learn(absl::Duration now, NameLookup::Answer answer);
  void Append(absl::Duration now, OpenedFile file);

  absl::StatusOr<std::optional<TailItem>> Next(absl::Duration now,
                                               size_t room_bytes);
  // Goes to the last lines: true as long as they are not found.
  absl::StatusOr<bool> Seek(FollowedFile& file);
  // At the end of the first file: true if it was left for the next.
  bool TurnPage(absl::Duration now);
  absl::Status SkipIfBehind();
  int64_t BehindBytes() const;
  absl::Duration QuietTime(const Generation& generation) const;
  absl::Duration LookTime() const;
  absl::Duration WakeTime(absl::Duration now, bool room) const;

  const TailOptions options_;
  std::deque<Generation> generations_;
  NameLookup lookup_;
  absl::Status fatal_;

  bool announced_ = false;
  bool look_ = true;        // a look is due
  bool look_soon_ = false;  // and another one soon, announced or not
  bool started_ = false;    // there was a file
  bool done_ = false;
  bool again_ = false;             // there is more to do without waiting
  bool absent_ = false;            // waiting, with no file in hand
  bool tell_absent_ = false;       // and that is to be told
  std::optional<LastLines> seek_;  // the first line is being looked for
  bool tell_cut_ = false;          // the search for it ended at its limit
  int64_t end_ = 0;                // without follow: no more is sent
  bool waiting_ = false;           // at the end of a file, for it to be quiet
  int64_t waited_bytes_ = 0;       // that piled up because of that

  Name name_ = Name::kUnknown;
  absl::Duration name_time_ = absl::ZeroDuration();  // since when name_ is so
  absl::Duration look_time_ = absl::ZeroDuration();  // the last look
  absl::Status name_status_;                         // with kForbidden
};

// Step, with `opener` asked at once for whatever is to be opened.
absl::StatusOr<Follower::Progress> StepWith(Follower& follower, Opener& opener,
                                            absl::Duration now,
                                            size_t room_bytes);

}  // namespace specula::agent

#endif  // SPECULA_AGENT_TAIL_FOLLOWER_H_
