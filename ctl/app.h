#ifndef SPECULA_CTL_APP_H_
#define SPECULA_CTL_APP_H_

namespace specula::ctl {

// Reads the command line, environment and configuration, and runs the chosen
// command. Gives the exit code; see exit_code.h.
int RunApp(int argc, char** argv);

}  // namespace specula::ctl

#endif  // SPECULA_CTL_APP_H_
