#ifndef SPECULA_CTL_EXIT_CODE_H_
#define SPECULA_CTL_EXIT_CODE_H_

namespace specula::ctl {

// With what `specula` ends; never 0 when something failed.
enum ExitCode : int {
  kExitOk = 0,
  // The answer is no: an audit log that is not intact, a command that failed on
  // some of many hosts.
  kExitFailed = 1,
  kExitUsage = 2,  // the command line, the configuration or a file is wrong
  kExitInterrupted = 130,  // Ctrl-C
  kExitClosedPipe = 141,   // the reader of standard output has gone
  kExitNoResult = 255,     // at least one host gave no result
};

}  // namespace specula::ctl

#endif  // SPECULA_CTL_EXIT_CODE_H_
