#include "tests/e2e/hand.h"

#include <unistd.h>

#include <filesystem>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "lib/base/file.h"
#include "lib/rpc/grpc_status.h"
#include "tests/e2e/harness.h"

namespace specula::testing {
namespace {

constexpr char kMark[] = "SPECULA_TEST_MARK";

std::vector<pid_t> AllPids() {
  std::vector<pid_t> pids;
  std::error_code ignored;
  for (const auto& entry :
       std::filesystem::directory_iterator("/proc", ignored)) {
    pid_t pid;
    if (absl::SimpleAtoi(entry.path().filename().string(), &pid))
      pids.push_back(pid);
  }
  return pids;
}

std::string ReadOf(pid_t pid, absl::string_view file) {
  return ReadFile(absl::StrCat("/proc/", pid, "/", file)).value_or("");
}

// State and parent of each child of `parent`.
std::vector<std::string> StatesOfChildren(pid_t parent) {
  std::vector<std::string> states;
  for (pid_t pid : AllPids()) {
    const std::string stat = ReadOf(pid, "stat");
    // The name before it may hold anything.
    const std::vector<std::string> fields =
        absl::StrSplit(stat.substr(stat.rfind(')') + 1), ' ');
    if (fields.size() > 2 && fields[2] == absl::StrCat(parent))
      states.push_back(fields[1]);
  }
  return states;
}

}  // namespace

v1::ExecRequest Shell(const std::string& line) {
  v1::ExecRequest request;
  request.mutable_command()->set_shell(line);
  return request;
}

v1::ExecRequest Argv(const std::vector<std::string>& arguments) {
  v1::ExecRequest request;
  for (const std::string& argument : arguments)
    request.mutable_command()->mutable_argv()->add_arguments(argument);
  return request;
}

v1::ExecRequest Marked(const std::string& mark, v1::ExecRequest request) {
  (*request.mutable_command()->mutable_environment())[kMark] = mark;
  return request;
}

Execution RunExec(v1::Specula::Stub& stub, const v1::ExecRequest& request,
                  const std::function<void()>& on_started) {
  Execution execution;
  grpc::ClientContext context;
  context.set_deadline(absl::ToChronoTime(absl::Now() + kHangLimit));
  auto reader = stub.Exec(&context, request);
  v1::ExecResponse response;
  while (reader->Read(&response)) {
    switch (response.event_case()) {
      case v1::ExecResponse::kStarted:
        execution.started = response.started();
        if (on_started) on_started();
        break;
      case v1::ExecResponse::kStdout:
        execution.out += response.stdout();
        break;
      case v1::ExecResponse::kStderr:
        execution.error += response.stderr();
        break;
      case v1::ExecResponse::kExited:
        execution.exited = response.exited();
        break;
      case v1::ExecResponse::EVENT_NOT_SET:
        break;
    }
  }
  execution.status = FromGrpc(reader->Finish());
  return execution;
}

std::vector<pid_t> MarkedProcesses(const std::string& mark) {
  const std::string wanted = absl::StrCat(kMark, "=", mark);
  std::vector<pid_t> marked;
  for (pid_t pid : AllPids()) {
    const std::string environment = ReadOf(pid, "environ");
    for (absl::string_view variable : absl::StrSplit(environment, '\0')) {
      if (variable == wanted) {
        marked.push_back(pid);
        break;
      }
    }
  }
  return marked;
}

int ZombiesOf(pid_t parent) {
  int count = 0;
  for (const std::string& state : StatesOfChildren(parent))
    count += state == "Z" ? 1 : 0;
  return count;
}

int ChildrenOf(pid_t parent) {
  return static_cast<int>(StatesOfChildren(parent).size());
}

int DescriptorsOf(pid_t pid) {
  int count = 0;
  std::error_code ignored;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(
           absl::StrCat("/proc/", pid, "/fd"), ignored)) {
    ++count;
  }
  return count;
}

int64_t ResidentBytes(pid_t pid) {
  const std::vector<std::string> pages =
      absl::StrSplit(ReadOf(pid, "statm"), ' ');
  int64_t resident = 0;
  if (pages.size() < 2 || !absl::SimpleAtoi(pages[1], &resident)) return 0;
  return resident * sysconf(_SC_PAGESIZE);
}

}  // namespace specula::testing
