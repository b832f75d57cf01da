#ifndef SPECULA_AGENT_TAIL_NAME_LOOKUP_H_
#define SPECULA_AGENT_TAIL_NAME_LOOKUP_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "agent/tail/opener.h"

namespace specula::agent {

// Finds out what a name stands for now, and what it stood for since the newest
// file that is known. Rotation may be faster than the looks: if that file is
// found at log.3 by now, the files at log.2 and log.1 had the name since, in
// this order. (Only names with a number that grows at each rotation are
// understood, and only files born after the known one are believed.)
//
// A state machine: give what TakePath() returns to an Opener and the outcome to
// Feed. Not thread-safe.
class NameLookup {
 public:
  struct Answer {
    // What may be followed at the name, or why there is nothing.
    absl::StatusOr<OpenedFile> now = absl::UnknownError("");
    // What had the name in between, oldest first. Empty unless `now` is OK.
    std::vector<OpenedFile> missed;
  };

  explicit NameLookup(std::string path);

  // Starts a lookup. None may be under way.
  void Begin();
  bool under_way() const { return under_way_; }

  // What to open next. Each path is returned once; then its outcome is awaited.
  std::optional<std::string> TakePath();

  // The outcome. `newest_fd` is the newest file that is known, -1 if there is
  // none. Returns the answer when the lookup is over.
  std::optional<Answer> Feed(absl::StatusOr<OpenedFile> file, int newest_fd);

 private:
  std::optional<Answer> Finish();
  // Wants `now_place_`.`depth`, or the first look again when that was the last.
  std::optional<Answer> Want(int depth, int newest_fd);

  const std::string path_;
  bool under_way_ = false;
  std::optional<std::string> wanted_;
  int attempts_ = 0;
  int depth_ = 0;             // 0: the name itself is being opened
  std::string newest_place_;  // where the newest known file was
  std::string now_place_;     // the name, with links resolved
  Answer answer_;
};

}  // namespace specula::agent

#endif  // SPECULA_AGENT_TAIL_NAME_LOOKUP_H_
