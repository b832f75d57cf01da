#ifndef SPECULA_TESTS_E2E_SHIM_HARNESS_H_
#define SPECULA_TESTS_E2E_SHIM_HARNESS_H_

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "lib/base/unique_fd.h"
#include "tests/e2e/harness.h"

// The real shim, and an older controller that speaks to it.
namespace specula::testing {

// "<LENGTH>\n<PAYLOAD>"
std::string Frame(absl::string_view payload);
// All of them, one behind the other.
std::string Frames(const std::vector<std::string>& payloads);

// What stands for a reply where there is none.
inline constexpr char kEnd[] = "<end>";        // the shim has closed
inline constexpr char kReset[] = "<reset>";    // the same by a reset
inline constexpr char kSilent[] = "<silent>";  // nothing within the hang limit
inline constexpr char kNoFrame[] = "<no frame>";

// A connected TCP socket; invalid if it cannot. `source` is an address of ours.
UniqueFd ConnectTo(int port, const std::string& source = "127.0.0.1");

// One connection of an older controller.
class LegacyClient {
 public:
  // With a token it is authenticated at once.
  explicit LegacyClient(int port, const std::string& token = "",
                        const std::string& source = "127.0.0.1");

  int fd() const { return fd_.get(); }

  // Sends all of it, in one write or byte by byte. A shim that has closed is no
  // failure here: what it said is still to be read.
  void Send(absl::string_view bytes);
  void SendByteByByte(absl::string_view bytes);
  // No more will be sent.
  void HalfClose();
  // Closes, as a program that was killed.
  void Vanish() { fd_.Reset(); }

  // The next payload, or one of the words above.
  std::string Next(absl::Duration within = kHangLimit);
  // One request, one reply.
  std::string Ask(const std::string& payload);
  // Whether nothing comes for a moment.
  bool IsSilent(absl::Duration moment = absl::Milliseconds(200));

 private:
  bool Fill(absl::Duration within);

  UniqueFd fd_;
  std::string received_;
  size_t taken_ = 0;
  std::string end_;  // once there is one
};

// All that a stream said, by sid.
struct StreamResult {
  std::string output;
  std::string end;  // the exit code; "" if it has not come
};
// Reads replies until `count` streams have ended; other replies go to `others`.
std::map<std::string, StreamResult> ReadStreams(
    LegacyClient& client, int count,
    std::vector<std::string>* others = nullptr);

struct ShimOptions {
  std::vector<std::string> arguments = {};
  std::vector<std::string> environment = {};
  // Of the token file; empty: none.
  std::string tokens = "secret\nviewer:look\n";
  std::string listen = "127.0.0.1:0";
  // Where the agent is; empty: the one that is given.
  std::string agent = {};
  rlim_t open_files = 0;
};

// A specula-shim on a free port of 127.0.0.1.
class ShimProcess {
 public:
  // Returns when it listens.
  ShimProcess(const Pki& pki, const std::string& agent,
              const ShimOptions& options = {});

  Process& process() { return *process_; }
  std::string Log() const { return process_->Stderr(); }
  int port() const { return ports_.empty() ? 0 : ports_[0]; }
  int port(size_t listener) const { return ports_.at(listener); }

 private:
  std::unique_ptr<Process> process_;
  std::vector<int> ports_;
};

// The flags that every shim of the pki has; makes its files if need be.
std::vector<std::string> ShimArguments(const Pki& pki,
                                       const std::string& agent);

// A server certificate for localhost, in `directory`: tls.crt and tls.key.
void IssueTlsCertificate(const Pki& pki);

int CountDescriptors(pid_t pid);
int64_t ResidentKilobytes(pid_t pid);
bool Runs(const std::string& command);

}  // namespace specula::testing

#endif  // SPECULA_TESTS_E2E_SHIM_HARNESS_H_
