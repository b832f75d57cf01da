#ifndef SPECULA_AGENT_BROKER_TAIL_OPENER_H_
#define SPECULA_AGENT_BROKER_TAIL_OPENER_H_

#include <sys/stat.h>

#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "agent/broker/off_loop.h"
#include "lib/base/unique_fd.h"

namespace specula::agent {

// A file that is open for reading; closed off the loop.
struct OpenedTail {
  std::shared_ptr<const UniqueFd> fd;
  struct stat info;
};

// Where what `path` names is mounted, from /proc/self/mountinfo, by its words
// alone: links are not followed. "/" if nothing fits. Pure.
std::string MountPointOf(absl::string_view mountinfo, absl::string_view path);

// Opens what a Tail asks for, off the loop. So that one dead file system leaves
// room for the others, not many of its files are opened at once like that; the
// rest shares a smaller number of threads. Loop thread only.
class TailOpener {
 public:
  using Done = std::function<void(absl::StatusOr<OpenedTail>)>;

  explicit TailOpener(OffLoop* off_loop) : off_loop_(off_loop) {}
  TailOpener(const TailOpener&) = delete;

  // `done` gets what OpenRegularFile says; DEADLINE_EXCEEDED if the file system
  // does not answer in a second, RESOURCE_EXHAUSTED if too much of what was
  // opened before hangs in close(). It may be called before this returns.
  void Open(const std::string& path, std::vector<std::string> roots, Done done);

 private:
  using Token = std::shared_ptr<void>;  // lives as long as the call is out
  struct Out {
    std::weak_ptr<void> alive;
    MayHang kind = MayHang::kMoreFiles;
  };

  void OpenAs(MayHang kind, const std::string& path,
              std::vector<std::string> roots, Token token, Done done);

  OffLoop* off_loop_;
  std::map<std::string, Out> out_;  // by path
};

}  // namespace specula::agent

#endif  // SPECULA_AGENT_BROKER_TAIL_OPENER_H_
