#ifndef SPECULA_LIB_BASE_OUTPUT_H_
#define SPECULA_LIB_BASE_OUTPUT_H_

#include "absl/strings/string_view.h"

// How the programs write to a terminal, a pipe or a file: all of it, or a word
// of what is wrong.
namespace specula {

// Writes all of `bytes`, however slowly they are read. Interrupted and partial
// writes are finished. A descriptor that would block is waited for: another
// program that shares the terminal or pipe may have made it so. Returns 0, or
// the errno of the write that failed.
int WriteAll(int fd, absl::string_view bytes);

// What became of a text.
enum class Written {
  kAll,
  kNoReader,  // the pipe's other end is closed, which is no news to the user
  kFailed,    // standard error has the reason
};

// Writes a text to standard output.
Written PrintText(absl::string_view text);

// Writes a text to standard error. What cannot be written there is lost.
void PrintErrorText(absl::string_view text);

}  // namespace specula

#endif  // SPECULA_LIB_BASE_OUTPUT_H_
