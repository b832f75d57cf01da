#ifndef SPECULA_TESTS_E2E_HARNESS_H_
#define SPECULA_TESTS_E2E_HARNESS_H_

#include <sys/resource.h>
#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "clients/cpp/agent_client.h"
#include "clients/cpp/channel.h"
#include "ctl/pki/authority.h"
#include "ctl/pki/store.h"

// The real programs with real certificates, for tests. Everything that is
// started or written here is ended and removed when its object goes, also after
// a failure.
namespace specula::testing {

// How long anything may take before it counts as hanging. Generous: these
// machines are shared.
inline constexpr absl::Duration kHangLimit = absl::Seconds(60);

// Calls `condition` until it is true or the hang limit is over.
bool Eventually(const std::function<bool()>& condition);

// A directory of its own, removed at the end.
class TemporaryDirectory {
 public:
  TemporaryDirectory();
  ~TemporaryDirectory();
  const std::string& path() const { return path_; }
  std::string File(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

// A program that runs. Its outputs go to files.
class Process {
 public:
  struct Options {
    std::vector<std::string> arguments = {};    // the first is the program
    std::vector<std::string> environment = {};  // NAME=VALUE, in place of ours
    rlim_t open_files = 0;  // RLIMIT_NOFILE, both limits; 0: as here
  };
  explicit Process(const Options& options);
  ~Process();  // SIGKILL if it still runs

  pid_t pid() const { return pid_; }
  void Signal(int signal) const;
  bool Running();
  // Waits for the end: the exit code, or 128 + signal. Fails the test and kills
  // it beyond the hang limit.
  int Wait();
  std::string Stdout() const;
  std::string Stderr() const;
  // The greatest resident set it had; after its end.
  int64_t peak_resident_bytes() const { return peak_resident_bytes_; }

 private:
  // Whether it has ended, which is noted; `options` as of wait4.
  bool Reap(int options);

  TemporaryDirectory directory_;
  pid_t pid_ = -1;
  bool reaped_ = false;
  int status_ = 0;
  int64_t peak_resident_bytes_ = 0;
};

// Runs a program to its end.
struct Result {
  int exit_code;
  std::string out;
  std::string err;
  int64_t peak_resident_bytes = 0;
};
Result RunProgram(const std::vector<std::string>& arguments,
                  const std::vector<std::string>& environment = {});

// Path of a program of this build: "specula-agent", "specula".
std::string Program(const std::string& name);

// A directory as `specula pki` makes it: the agent `localhost` (also
// 127.0.0.1), and the callers viewer, operator and admin.
class Pki {
 public:
  Pki();
  const std::string& path() const { return directory_.path(); }
  std::string File(const std::string& name) const {
    return directory_.File(name);
  }

  // Credentials of an issued name, without the checks of LoadCredentials.
  Credentials Load(const std::string& name) const;
  // A certificate that `specula pki` would not make.
  Credentials Issue(const ctl::CertificateRequest& request) const;
  // A request like that of the viewer, to be changed.
  static ctl::CertificateRequest ViewerRequest();

 private:
  TemporaryDirectory directory_;
};

struct AgentOptions {
  std::vector<std::string> arguments =
      {};  // further ones; the last of a kind counts
  rlim_t open_files = 0;
};

// A specula-agent on a free port of 127.0.0.1.
class AgentProcess {
 public:
  // Returns when it listens.
  explicit AgentProcess(const Pki& pki, const AgentOptions& options = {});
  // TERM, so that it tidies up, control groups too; KILL if that takes long.
  ~AgentProcess();

  Process& process() { return *process_; }
  const HostPort& address() const { return address_; }
  std::string host() const { return FormatHostPort(address_); }
  int health_port() const { return health_port_; }
  // The process that serves the network; process() is the broker.
  pid_t front_pid() const { return front_pid_; }
  std::string Log() const { return process_->Stderr(); }

  // After the front was killed: waits until the next one listens, perhaps
  // elsewhere, and is what the above says from then on. False: none does.
  bool AwaitNextFront();

  std::shared_ptr<grpc::Channel> Connect(const Credentials& credentials) const;

 private:
  // Reads where the `nth` front listens.
  bool ReadListening(size_t nth);

  std::unique_ptr<Process> process_;
  size_t fronts_ = 0;
  HostPort address_;
  int health_port_ = 0;
  pid_t front_pid_ = -1;
};

// The flags that make `specula` ask an agent as somebody of the pki.
std::vector<std::string> ControllerArguments(
    const Pki& pki, const std::string& name, const std::string& hosts,
    const std::vector<std::string>& command);

// One call of Cpu, waited for.
absl::Status CallCpu(const std::shared_ptr<grpc::Channel>& channel,
                     absl::Duration deadline = absl::Seconds(20));

}  // namespace specula::testing

#endif  // SPECULA_TESTS_E2E_HARNESS_H_
