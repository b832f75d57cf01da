#ifndef SPECULA_CTL_BOOTSTRAP_REPLY_H_
#define SPECULA_CTL_BOOTSTRAP_REPLY_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

// What the remote script (remote.sh) answers. Foreign bytes: a host may say
// anything, and a login shell may chat before the script begins. Pure.
namespace specula::ctl {

// One line of the script: "@specula KEY VALUE".
struct Reply {
  std::string key;
  std::string value;  // the rest of the line; may hold anything but newlines
};

// Reads one line without its newline. Nothing if it is not one of ours.
std::optional<Reply> ParseReply(absl::string_view line);

// Cuts a stream into replies. Lines of others are dropped, and of a line that
// is too long everything, so that what is held is bounded.
class ReplyReader {
 public:
  static constexpr size_t kLongestLine = 4096;

  // The replies that are whole now, in order.
  std::vector<Reply> Feed(absl::string_view bytes);

 private:
  std::string line_;
  bool too_long_ = false;
};

// Who looks after the agent on a host.
enum class Supervisor { kNone, kSystemd, kPlain };

// The agent's process on a host, if any.
struct AgentProcess {
  Supervisor supervisor = Supervisor::kNone;
  int64_t pid = 0;     // 0: none runs
  std::string sha256;  // of the program it runs; empty: not known
};

// What is on a host.
struct Facts {
  std::string architecture;  // as `uname -m` says
  bool systemd = false;      // it is the init there
  bool packaged = false;     // an agent was installed by a package
  // SHA-256 of what is installed, by the script's names; not in it: no file.
  std::map<std::string, std::string> files;
  AgentProcess agent;
  std::vector<std::string> notes;  // what the script wants to be known
};

// "systemd 4711 ab12…" or "none 0 -".
absl::StatusOr<AgentProcess> ParseAgentProcess(absl::string_view value);

// Puts the replies to `facts` together. INVALID_ARGUMENT names what is missing
// or odd.
absl::StatusOr<Facts> ParseFacts(const std::vector<Reply>& replies);

}  // namespace specula::ctl

#endif  // SPECULA_CTL_BOOTSTRAP_REPLY_H_
