#ifndef SPECULA_CTL_LEDGER_STORE_H_
#define SPECULA_CTL_LEDGER_STORE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "ctl/ledger/run.pb.h"

namespace specula::ctl {

// The runs that are kept: a file each in one directory, that only its owner may
// read. Several controllers may use it at once. Bounded: the oldest go when
// there are too many, or too many bytes.
class LedgerStore {
 public:
  struct Limits {
    size_t runs = 200;
    size_t bytes = 128 << 20;
  };

  // That of this user: $XDG_STATE_HOME/specula/runs, or
  // ~/.local/state/specula/runs.
  LedgerStore();
  LedgerStore(std::string directory, Limits limits);

  // Keeps a run under the next free id and gives that; makes the directory if
  // there is none. Nothing of a run that could not be kept as a whole stays.
  absl::StatusOr<int64_t> Add(ledger::Run run) const;

  // The ids that there are, the newest first. None if there is no directory.
  absl::StatusOr<std::vector<int64_t>> Ids() const;

  // NOT_FOUND names those that there are.
  absl::StatusOr<ledger::Run> Get(int64_t id) const;

  const std::string& directory() const { return directory_; }

 private:
  struct File {
    int64_t id;
    size_t bytes;
  };
  std::string PathOf(int64_t id) const;
  absl::StatusOr<std::vector<File>> Files() const;
  void Prune() const;

  const std::string directory_;
  const Limits limits_;
};

// Reads an id as it stands on a command line. INVALID_ARGUMENT for anything but
// a number from 1 on. Pure.
absl::StatusOr<int64_t> ParseRunId(absl::string_view text);

}  // namespace specula::ctl

#endif  // SPECULA_CTL_LEDGER_STORE_H_
