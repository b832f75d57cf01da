#include "ctl/man_text.h"

namespace specula::ctl {

ManText ControllerManText() {
  ManText text;
  text.section = 1;
  text.summary = "ask and command one Linux machine, or thousands at once";
  text.description =
      "specula asks the agents of a fleet, specula-agent(8), over gRPC with "
      "mutual TLS: how busy a host is, run this, start that, kill it, follow "
      "this file. All hosts are asked at once, each has an outcome of its own, "
      "and a dead one costs its own row and nothing else.\n\n"
      "Without --hosts a command is for the whole inventory. A host set is "
      "vm[01-64] with steps (1-9/2) and several dimensions, a name, "
      "NAME:PORT, @GROUP, @LABEL=VALUE or a pattern (db*), joined from left "
      "to right by a comma (union), ! (without), & (and) and ^ (one of both). "
      "A number alone is a host's id in 'specula list'. 'specula hosts' shows "
      "what a set comes to and asks nobody.\n\n"
      "How it ended on a host is one of these words: ok, 'exit N', 'signal "
      "NAME', timeout, unreachable, refused (TLS), denied (role or the host's "
      "ceiling), lost (the agent is gone in mid-command), failed (another "
      "error, or an answer that cannot be read), truncated, skipped.\n\n"
      "Settings come from the command line, else from the environment, else "
      "from the configuration file, whose keys are the names of the options "
      "below without their hyphens in front.";
  text.examples = {
      {"Make an authority, a certificate for an agent, and one for yourself:",
       "specula pki init ca\n"
       "specula pki agent ca vm1 --san vm1.example.net\n"
       "specula pki client ca alice --role operator"},
      {"The whole inventory in one table, and again every two seconds:",
       "specula status\n"
       "specula status --watch 2"},
      {"Run a program on all web servers but one, and show who differs:",
       "specula exec '@web!web07' --diff -- uname -r"},
      {"Upgrade one host, then groups of a tenth, and stop when more than one "
       "in twenty have failed; later where it went ill:",
       "specula exec @web --canary 1 --batch 10% --max-fail 5% \\\n"
       "  -s 'apt-get -y upgrade'\n"
       "specula rerun 17 --failed"},
      {"Follow a log on all hosts, only lines with an error:",
       "specula tail @db /var/log/syslog -f --grep 'error|fatal'"}};
  text.exit_status = {
      {"0", "Every host answered; exec on many hosts: it ended well on all."},
      {"1",
       "exec on many hosts: it failed on some. kill --name, ps --name: no "
       "process has that name. diff: there is a difference. "
       "doctor: something needs a hand. audit verify: the log is not intact."},
      {"2",
       "The command line, the configuration or a file is wrong; nobody "
       "was asked."},
      {"130",
       "Interrupted. The remote process trees of an exec are gone, or "
       "standard error says that it is not known."},
      {"141", "The reader of standard output has gone."},
      {"255",
       "Some host gave no result; the reason is in its row or on "
       "standard error."},
      {"exec on one host",
       "The command's own code; 128+N if it died by signal N; 124 if it was "
       "ended at its timeout."}};
  text.environment = {
      {"NO_COLOR", "If it is set and not empty, nothing is coloured."},
      {"XDG_CONFIG_HOME, XDG_STATE_HOME",
       "Stand for ~/.config and ~/.local/state below."}};
  text.files = {
      {"~/.config/specula/ctl.toml",
       "The configuration: hosts, inventory, ca, cert, key, timeout and the "
       "other options of the fleet."},
      {"~/.config/specula/inventory.toml",
       "The fleet, unless --inventory names another: [[host]] with name, "
       "address, port, labels; [group]."},
      {"~/.local/state/specula/runs/",
       "The last 200 batches, for runs, show, rerun and diff."},
      {"~/.local/state/specula/history", "Lines typed in the console."}};
  text.see_also = {"clush(1)", "jq(1)", "specula-agent(8)", "specula-shim(8)"};
  return text;
}

}  // namespace specula::ctl
