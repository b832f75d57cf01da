#ifndef SPECULA_SHIM_OPTIONS_H_
#define SPECULA_SHIM_OPTIONS_H_

#include <string>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "clients/cpp/channel.h"
#include "clients/cpp/credentials.h"
#include "lib/base/host_port.h"
#include "shim/exec_reply.h"

namespace specula::shim {

// One listening socket.
struct ListenOptions {
  HostPort address{"127.0.0.1", 60119};
  ExecReply exec_reply = ExecReply::kStream;
  bool operator==(const ListenOptions&) const = default;
};

// Everything that can be set from outside; docs are in options.cc, where --help
// gets them from.
struct Options {
  std::vector<ListenOptions> listen;
  Endpoint agent{{"127.0.0.1", 60120}, ""};
  CredentialPaths credentials;  // the shim's own, towards the agent
  std::string token_file;       // empty: MON_TOKEN
  bool tls = false;             // towards controllers
  std::string tls_certificate;
  std::string tls_key;
  int max_connections = 8192;
  int max_connections_per_source = 256;
  absl::Duration auth_timeout = absl::Seconds(5);
  absl::Duration frame_timeout = absl::Seconds(60);
  absl::Duration answer_within = absl::Seconds(5);
  absl::Duration reload_interval =
      absl::Seconds(1);  // how often TLS files are looked at
  bool check_config = false;
};

// Reads "ADDRESS:PORT[,exec-reply=stream|summary]". `exec_reply` stands where
// none is given. INVALID_ARGUMENT says what is odd. Pure.
absl::StatusOr<ListenOptions> ParseListen(absl::string_view text,
                                          ExecReply exec_reply);

// Reads command line, environment and configuration file. Gives the options, or
// the exit code with which to leave at once: 0 after --help, 2 after an error,
// which was then printed.
std::variant<Options, int> ParseOptions(int argc, char** argv);

}  // namespace specula::shim

#endif  // SPECULA_SHIM_OPTIONS_H_
