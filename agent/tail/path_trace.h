#ifndef SPECULA_AGENT_TAIL_PATH_TRACE_H_
#define SPECULA_AGENT_TAIL_PATH_TRACE_H_

#include <string>
#include <vector>

#include "absl/status/status.h"

namespace specula::agent {

// A name in a directory on which it depends what a path leads to.
struct Hop {
  std::string directory;  // absolute, with no link in it
  std::string name;
  bool operator==(const Hop&) const = default;
};

// Where a path leads at the moment.
struct PathTrace {
  // Each link on the way, be it to a file or a directory, and last the file or
  // whatever is the first that is not there.
  std::vector<Hop> hops;
  // What is there at the end, with no link in it; "" if nothing is.
  std::string target;
  // Not OK if the way could not be followed to its end, for another reason than
  // that something is not there.
  absl::Status status;
  bool operator==(const PathTrace&) const = default;
};

// Follows `path`, which must be absolute, as the kernel does.
PathTrace TracePath(const std::string& path);

}  // namespace specula::agent

#endif  // SPECULA_AGENT_TAIL_PATH_TRACE_H_
