#ifndef SPECULA_AGENT_BROKER_TAIL_OPEN_H_
#define SPECULA_AGENT_BROKER_TAIL_OPEN_H_

#include <sys/stat.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "agent/broker/off_loop.h"
#include "lib/base/unique_fd.h"

namespace specula::agent {

// A file that is open for reading; closed off the loop.
struct TailFile {
  std::shared_ptr<const UniqueFd> fd;
  struct stat info;
};

// Opens what a Tail asks for, off the loop. `done` gets what OpenRegularFile
// says; DEADLINE_EXCEEDED if the file system does not answer in a second,
// RESOURCE_EXHAUSTED if too much of what was opened before hangs in close().
// Never before this returns, but for the last one.
void OpenForTail(OffLoop& off_loop, const std::string& path,
                 std::vector<std::string> roots,
                 std::function<void(absl::StatusOr<TailFile>)> done);

}  // namespace specula::agent

#endif  // SPECULA_AGENT_BROKER_TAIL_OPEN_H_
