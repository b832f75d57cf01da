#ifndef SPECULA_AGENT_BROKER_STARTED_STORE_H_
#define SPECULA_AGENT_BROKER_STARTED_STORE_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "agent/broker/broker.pb.h"
#include "agent/broker/off_loop.h"
#include "agent/broker/process_table.h"
#include "lib/base/unique_fd.h"

namespace specula::agent {

// What is known of started programs, those that run and those that ended not
// long ago, and their logs, in a directory that survives the broker:
//   DIR/started/ID.job   a StartedJob
//   DIR/log/ID.log       its output, and ID.log.1
// The oldest ended ones are forgotten, log and all, when there are more than
// 1,000 or their logs need more than `max_log_bytes` together.
//
// A record is there before its program is: first without a pid, which says that
// the program was being started. A broker that finds it so knows that the
// Start was not answered.
//
// What is known is in memory and changes at once; the directory follows, off
// the loop and in the order of the calls, because a disk may be dead. A
// callback comes within a second whether it has followed or not. Loop thread
// only.
//
// Survives the death of the broker, as long as the system runs: the programs
// (where the unit says KillMode=process), their log helpers, and these records;
// the next broker takes them over. It is not told how a program ended
// meanwhile.
class StartedStore {
 public:
  // Makes the directories, mode 0700, and reads what is there. Records that
  // cannot be read are left alone; if it cannot be known which there are, that
  // is an error. FAILED_PRECONDITION if another broker has it open: both would
  // take over the same programs; it is waited for, for a second. Blocks; the
  // rest does not. `off_loop` must outlive this.
  static absl::StatusOr<std::unique_ptr<StartedStore>> Open(
      std::string directory, int64_t max_log_bytes, OffLoop* off_loop);
  StartedStore(const StartedStore&) = delete;

  // Names the directory, by letters and digits; no other has it.
  std::string owner() const;

  std::string LogPath(JobId id) const;
  std::string log_directory() const { return directory_ + "/log"; }

  // Adds or replaces a record. It is not synced to the disk: it is of no use
  // after the system itself has died. `done` gets why it could not be written,
  // or DEADLINE_EXCEEDED if it is late; then it is written as soon as the disk
  // answers.
  void Put(const broker::StartedJob& job,
           std::function<void(absl::Status)> done);

  // Forgets ended ones beyond the bounds, but those of which something is left:
  // by its record the next broker knows whose that is.
  void Prune(const std::function<bool(JobId)>& is_left);

  // The call that writes the record, without a pid, of a program that is about
  // to be started and then makes its log; for OffLoop::Run.
  OffLoop::Call Begin(const broker::StartedJob& job,
                      Found<absl::StatusOr<UniqueFd>> log) const;

  // Removes record and log, those too that are on their way to the disk.
  void Forget(JobId id, std::function<void()> done);

  // DEADLINE_EXCEEDED: the directory does not answer.
  absl::Status Silent() const;

  // Records are on their way to the disk, and not late.
  bool writing() const { return writing_ > 0; }

  const std::map<JobId, broker::StartedJob>& jobs() const { return jobs_; }

  // By JobName, those whose records were there and could not be read.
  const std::vector<std::string>& unread() const { return unread_; }

  // The one that this caller has started with this key, or null.
  const broker::StartedJob* FindKey(absl::string_view caller,
                                    absl::string_view key) const;

 private:
  StartedStore(std::string directory, int64_t max_log_bytes, OffLoop* off_loop)
      : directory_(std::move(directory)),
        max_log_bytes_(max_log_bytes),
        off_loop_(off_loop) {}

  std::string RecordPath(JobId id) const;
  absl::Status Load();

  std::string directory_;
  UniqueFd lock_;  // the directory, locked
  int64_t max_log_bytes_;
  OffLoop* off_loop_;
  int writing_ = 0;
  std::map<JobId, broker::StartedJob> jobs_;
  std::vector<std::string> unread_;
};

// A job's id as it stands in file names and SPECULA_EXEC_ID: 16 hex digits.
std::string JobName(JobId id);

}  // namespace specula::agent

#endif  // SPECULA_AGENT_BROKER_STARTED_STORE_H_
