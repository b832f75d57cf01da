#include "shim/man_text.h"

namespace specula::shim {

ManText ShimManText() {
  ManText text;
  text.section = 8;
  text.summary = "serve the older framed-TCP text protocol for a Specula agent";
  text.description =
      "specula-shim lets older controllers and nc(1) talk to specula-agent(8): "
      "it takes frames of a decimal length, a newline and so many bytes (AUTH, "
      "PING, STATUS, CPU, MEM, DISK, EXEC, START, KILL, TAIL, STOP, BYE) and "
      "asks one agent over gRPC with mutual TLS, as a client with a "
      "certificate of role shim.\n\n"
      "Who knows a token may do what its role allows: a viewer's looks, an "
      "operator's also acts. The agent's audit log names the token by its line "
      "in the file, never by its value. Without --tls tokens, commands and "
      "output pass in plain text, so it serves on loopback unless told "
      "otherwise.\n\n"
      "Settings come from the command line, else from the environment, else "
      "from the configuration file, whose keys are the names of the options "
      "below without their hyphens in front. At SIGTERM streams are ended and "
      "answers go out, for at most seven seconds.";
  text.examples = {
      {"Two tokens, and the shim for the agent on vm1:",
       "printf 'viewer:%s\\n%s\\n' \"$LOOKS\" \"$ACTS\" >tokens\n"
       "chmod 600 tokens\n"
       "specula-shim --agent vm1:60120 --token-file tokens \\\n"
       "  --ca ca.crt --cert shim1.crt --key shim1.key"},
      {"A session by hand (the token is 'secret'):",
       "printf '11\\nAUTH secret6\\nSTATUS' | nc -N 127.0.0.1 60119"}};
  text.exit_status = {
      {"0", "It was told to end, or the configuration is good."},
      {"1", "It could not start; the log says why."},
      {"2", "An option or the configuration file is wrong."}};
  text.environment = {
      {"MON_TOKEN",
       "An operator's token, where there is no --token-file. It is taken out "
       "of the environment at once."}};
  text.files = {
      {"/etc/specula/shim.toml", "The configuration."},
      {"/etc/specula/shim.tokens",
       "The tokens, where the systemd unit expects them; nobody but root may "
       "read them."},
      {"/etc/specula/tls/",
       "Where the packages expect certificates and keys."}};
  text.see_also = {"nc(1)", "specula(1)", "specula-agent(8)"};
  return text;
}

}  // namespace specula::shim
