#ifndef SPECULA_CTL_FIND_PROCESSES_H_
#define SPECULA_CTL_FIND_PROCESSES_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "clients/cpp/agent_client.h"
#include "specula/v1/specula.pb.h"

namespace re2 {
class RE2;
}

// The processes of a host that are meant by a name: for all commands that take
// one.
namespace specula::ctl {

// As it stands on the command line.
struct NameOptions {
  std::string pattern;
  bool full = false;  // the whole command line counts
};

// Declares --name, with what it does, and --full.
void DeclareName(CLI::App* app, NameOptions& options, const std::string& about);

// The names by which a process goes: the kernel's short one; the program's, as
// the command line has it; and the one of which the kernel's is the beginning,
// if it was cut (a script that its interpreter runs). Pure.
std::vector<std::string> NamesOf(const v1::Process& process);

// A regular expression (RE2) that matches a name somewhere, as pgrep has it.
class ProcessPattern {
 public:
  // INVALID_ARGUMENT if it is no regular expression, or matches every name.
  static absl::StatusOr<ProcessPattern> Parse(const NameOptions& options);

  // Whether one of the process's names is meant or, with --full, its command
  // line; never init, kernel threads or the agent's own.
  bool Matches(const v1::Process& process) const;

  bool full() const { return full_; }

 private:
  ProcessPattern(std::shared_ptr<const re2::RE2> expression, bool full)
      : expression_(std::move(expression)), full_(full) {}

  std::shared_ptr<const re2::RE2> expression_;
  bool full_;
};

// Which of a host's processes we are: that one is never meant, nor, with
// --full, are those that it runs below and that have our command line in theirs
// (sudo, sh -c).
struct Self {
  int64_t pid = 0;
  int64_t start_ticks = 0;
};

// Reads /proc/self/stat. Nothing where that is not there.
Self OurProcess();

// What was found on a host.
struct FoundProcesses {
  v1::ProcessesResponse list;  // those that match, in their order
  // Why there may be more of them: the host gave a part of its processes only.
  // Empty: they are all.
  std::string gap;
};

// Takes out what does not match. PERMISSION_DENIED or RESOURCE_EXHAUSTED if
// then there is none, but the host hides some, has too many for one list, or
// has some whose command line does not come: nothing is known of it. Pure.
absl::StatusOr<FoundProcesses> FindIn(v1::ProcessesResponse list,
                                      const ProcessPattern& pattern,
                                      const Self& self);

// Why a list is not all of a host's processes although it was asked for as much
// as can be; empty if it is. Pure.
std::string GapOf(const v1::ProcessesResponse& list);

// Asks a host for all of its processes and keeps those that match; so the lists
// of a thousand hosts are not kept. `pattern` must stay until `done` is called.
AgentClient::Call BeginFind(AgentClient& client, const ProcessPattern& pattern,
                            v1::ProcessOrder order, absl::Duration within,
                            AgentClient::OnAnswer<FoundProcesses> done);

}  // namespace specula::ctl

#endif  // SPECULA_CTL_FIND_PROCESSES_H_
