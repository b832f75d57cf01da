#ifndef SPECULA_AGENT_BROKER_STARTED_STORE_H_
#define SPECULA_AGENT_BROKER_STARTED_STORE_H_

#include <cstdint>
#include <map>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "agent/broker/broker.pb.h"
#include "agent/broker/process_table.h"
#include "lib/base/unique_fd.h"

namespace specula::agent {

// What is known of started programs, those that run and those that ended not
// long ago, and their logs, in a directory that survives the broker:
//   DIR/started/ID.job   a StartedJob
//   DIR/log/ID.log       its output, and ID.log.1
// The oldest ended ones are forgotten, log and all, when there are more than
// 1,000 or their logs need more than `max_log_bytes` together. Not thread-safe.
//
// Survives the death of the broker, as long as the system runs: the programs
// (where the unit says KillMode=process), their log helpers, and these records;
// the next broker takes them over. It is not told how a program ended
// meanwhile.
class StartedStore {
 public:
  // Makes the directories, mode 0700, and reads what is there. Records that
  // cannot be read are left alone. FAILED_PRECONDITION if another broker has
  // it open: both would take over the same programs.
  static absl::StatusOr<StartedStore> Open(std::string directory,
                                           int64_t max_log_bytes);

  // Names the directory, by letters and digits; no other has it.
  std::string owner() const;

  std::string LogPath(JobId id) const;
  std::string log_directory() const { return directory_ + "/log"; }

  // Adds or replaces a record. It is not synced to the disk: it is of no use
  // after the system itself has died, and the loop cannot wait for a disk.
  absl::Status Put(const broker::StartedJob& job);

  // Forgets ended ones beyond the bounds.
  void Prune();

  const std::map<JobId, broker::StartedJob>& jobs() const { return jobs_; }

  // The one that this caller has started with this key, or null.
  const broker::StartedJob* FindKey(absl::string_view caller,
                                    absl::string_view key) const;

 private:
  StartedStore(std::string directory, int64_t max_log_bytes)
      : directory_(std::move(directory)), max_log_bytes_(max_log_bytes) {}

  std::string RecordPath(JobId id) const;
  void Load();
  int64_t LogBytes(JobId id) const;
  void Forget(JobId id);

  std::string directory_;
  UniqueFd lock_;  // the directory, locked
  int64_t max_log_bytes_;
  std::map<JobId, broker::StartedJob> jobs_;
};

// A job's id as it stands in file names and SPECULA_EXEC_ID: 16 hex digits.
std::string JobName(JobId id);

}  // namespace specula::agent

#endif  // SPECULA_AGENT_BROKER_STARTED_STORE_H_
