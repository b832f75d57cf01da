#ifndef SPECULA_CTL_BOOTSTRAP_SSH_TARGET_H_
#define SPECULA_CTL_BOOTSTRAP_SSH_TARGET_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "ctl/hosts/inventory.h"

// Whom to bootstrap, and how ssh is asked for it. Pure.
namespace specula::ctl {

struct SshTarget {
  std::string name;    // by which it is called, shown and kept
  std::string user;    // empty: as ssh's configuration has it
  uint16_t port = 0;   // of sshd; 0: as ssh's configuration has it
  bool known = false;  // it is in the inventory:
  HostPort address;    // where its agent is dialled; not known: no host yet
  std::string
      certificate_name;  // for what its certificate is; not known: empty
};

// Reads [USER@]EXPRESSION words, in which a port is that of sshd; hosts of the
// inventory are found by their names. INVALID_ARGUMENT says what is odd: no
// host, a name that came twice with another user or port.
absl::StatusOr<std::vector<SshTarget>> ParseSshTargets(
    const std::vector<std::string>& words, const Inventory& inventory);

struct SshOptions {
  std::string program = "ssh";       // and its first options, parted by blanks
  std::vector<std::string> options;  // for -o: "IdentityFile=…"
  bool batch = true;                 // it must not ask anybody anything
};

// The words of `ssh … -- HOST COMMAND`, or with an empty command those of
// `ssh -G … HOST`, which tells what ssh's configuration makes of the host.
std::vector<std::string> SshWords(const SshOptions& options,
                                  const SshTarget& target,
                                  absl::string_view command);

// The host name in what `ssh -G` printed; empty if it is not there.
std::string HostNameOf(absl::string_view configuration);

// What a shell on the host is asked to run: it reads `script_bytes` bytes of
// its input and does what they say, as root by `sudo -n` if it is not.
std::string RemoteCommand(size_t script_bytes);

// The name in the certificate of a host: lower case, of [a-z0-9._-].
std::string AgentNameOf(absl::string_view host);

}  // namespace specula::ctl

#endif  // SPECULA_CTL_BOOTSTRAP_SSH_TARGET_H_
