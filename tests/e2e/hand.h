#ifndef SPECULA_TESTS_E2E_HAND_H_
#define SPECULA_TESTS_E2E_HAND_H_

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "specula/v1/specula.grpc.pb.h"

// What tests of the hand need: an Exec as a caller sees it, and what /proc says
// of the processes on both sides.
namespace specula::testing {

// An Exec, from the request to the end of its stream.
struct Execution {
  absl::Status status;
  std::optional<v1::ExecStarted> started;
  std::optional<v1::ExecExited> exited;
  std::string out;
  std::string error;
};

v1::ExecRequest Shell(const std::string& line);
v1::ExecRequest Argv(const std::vector<std::string>& arguments);

// Adds a variable to the environment by which MarkedProcesses finds the tree.
v1::ExecRequest Marked(const std::string& mark, v1::ExecRequest request);

// Reads to the end, for at most the hang limit. `on_started` runs in the
// middle.
Execution RunExec(v1::Specula::Stub& stub, const v1::ExecRequest& request,
                  const std::function<void()>& on_started = nullptr);

// Living processes with this mark in their environment. What has been killed
// and not yet waited for does not live.
std::vector<pid_t> MarkedProcesses(const std::string& mark);

// Children of `parent`: those that are zombies, and all.
int ZombiesOf(pid_t parent);
int ChildrenOf(pid_t parent);

int DescriptorsOf(pid_t pid);
int64_t ResidentBytes(pid_t pid);

}  // namespace specula::testing

#endif  // SPECULA_TESTS_E2E_HAND_H_
