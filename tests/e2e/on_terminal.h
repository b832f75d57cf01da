#ifndef SPECULA_TESTS_E2E_ON_TERMINAL_H_
#define SPECULA_TESTS_E2E_ON_TERMINAL_H_

#include <cstdint>
#include <string>
#include <vector>

namespace specula::testing {

// What a terminal got, and how the program ended.
struct Shown {
  std::string text;
  int status = 0;  // as waitpid gives it
};

// Runs a program to its end, with a terminal of its own for all three streams,
// typing `typed` once something has been shown.
Shown RunOnTerminal(std::vector<std::string> words,
                    const std::string& typed = "");

}  // namespace specula::testing

#endif  // SPECULA_TESTS_E2E_ON_TERMINAL_H_
