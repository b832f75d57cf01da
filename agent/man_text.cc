#include "agent/man_text.h"

namespace specula::agent {

ManText AgentManText() {
  ManText text;
  text.section = 8;
  text.summary = "answer for one Linux machine, and run what operators ask for";
  text.description =
      "specula-agent serves specula(1) and any other gRPC client of the "
      "contract specula.v1 over TLS 1.3, with certificates on both sides. It "
      "is two processes: the broker keeps root, has no network and alone "
      "starts, ends and opens; the front serves the network as the user "
      "specula. Started without root, both run as who started them, and "
      "commands can run as nobody else.\n\n"
      "Who may do what stands in the caller's certificate, in its only URI, "
      "spiffe://TRUST-DOMAIN/specula/ROLE/NAME. A viewer may ask; an operator, "
      "an admin and a shim may also run, start, kill and tail. Nobody may do "
      "more than the host's own ceiling allows: the options from --commands "
      "to --max-output-bytes.\n\n"
      "Settings come from the command line, else from the environment, else "
      "from the configuration file, whose keys are the names of the options "
      "below without their hyphens in front; an option that may be repeated "
      "takes a list there. Certificates, key and denylist are read again when "
      "they change; what would not work never replaces what does.\n\n"
      "At SIGTERM and SIGINT it ends its Execs with their process trees and "
      "then itself; what was started by Start goes on and is known to the next "
      "agent.";
  text.examples = {
      {"Serve on all addresses, with the files that specula pki has made:",
       "specula-agent --ca ca.crt --cert vm1.crt --key vm1.key"},
      {"Only look: no commands, no files, no signals, on one address:",
       "specula-agent --ca ca.crt --cert vm1.crt --key vm1.key \\\n"
       "  --listen 10.0.0.1:60120 --commands false --tail false "
       "--kill-scope none"},
      {"The same in /etc/specula/agent.toml:",
       "ca = \"/etc/specula/tls/ca.crt\"\n"
       "cert = \"/etc/specula/tls/agent.crt\"\n"
       "key = \"/etc/specula/tls/agent.key\"\n"
       "listen = \"10.0.0.1:60120\"\n"
       "commands = false\n"
       "tail = false\n"
       "kill-scope = \"none\""},
      {"Ask the agent that runs here whether it serves, as a container's "
       "health "
       "check does; with its own settings and certificate:",
       "specula-agent probe --timeout 3"}};
  text.exit_status = {
      {"0",
       "It was told to end, the configuration is good, or the agent serves "
       "(probe)."},
      {"1",
       "It could not start, or could not go on, and the log says why; or the "
       "agent does not serve (probe)."},
      {"2", "An option or the configuration file is wrong."}};
  text.environment = {
      {"NOTIFY_SOCKET, WATCHDOG_USEC, WATCHDOG_PID",
       "Of systemd: whom to tell that the agent serves, and how often."},
      {"XDG_STATE_HOME",
       "Without root: stands for ~/.local/state, below which the state "
       "directory is specula/agent."}};
  text.files = {
      {"/etc/specula/agent.toml", "The configuration."},
      {"/etc/specula/tls/", "Where the packages expect certificates and keys."},
      {"/var/lib/specula/log/, /var/lib/specula/started/",
       "The output of started programs (16 MiB each, and as much before that), "
       "and what is known of them."},
      {"/var/lib/specula/audit/audit.jsonl",
       "Who has run, started, killed and tailed what, and who was refused: a "
       "hash chain of JSON lines, to be checked by 'specula audit verify'."},
      {"/etc/passwd, /etc/group",
       "Users, below --proc-root; those that are not there are asked of "
       "getent(1)."}};
  text.see_also = {"getent(1)", "specula(1)", "systemd(1)", "specula-shim(8)"};
  return text;
}

}  // namespace specula::agent
