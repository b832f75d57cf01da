#ifndef SPECULA_AGENT_TAIL_OPENER_H_
#define SPECULA_AGENT_TAIL_OPENER_H_

#include <sys/stat.h>

#include <string>

#include "absl/status/statusor.h"
#include "lib/base/unique_fd.h"

namespace specula::agent {

// A file that was opened for reading, and what fstat said of it then.
struct OpenedFile {
  UniqueFd fd;
  struct stat info = {};
};

// Opens by name, under whatever rules the implementation keeps; asked anew each
// time somebody wants to know what a name stands for. Links are followed.
class Opener {
 public:
  virtual ~Opener() = default;

  // NOT_FOUND: the name, or a directory on the way, is not there. UNAVAILABLE
  // or RESOURCE_EXHAUSTED: nothing is known now, ask again. Anything else: what
  // stands there may not be read (PERMISSION_DENIED, FAILED_PRECONDITION).
  virtual absl::StatusOr<OpenedFile> Open(const std::string& path) = 0;
};

// Opens with this process's own rights, regular files only: FAILED_PRECONDITION
// for anything else, which is not touched (to open a FIFO or a device can have
// effects). Stateless.
class PlainOpener : public Opener {
 public:
  absl::StatusOr<OpenedFile> Open(const std::string& path) override;
};

}  // namespace specula::agent

#endif  // SPECULA_AGENT_TAIL_OPENER_H_
