#ifndef SPECULA_LIB_CONFIG_MAN_PAGE_H_
#define SPECULA_LIB_CONFIG_MAN_PAGE_H_

#include <optional>
#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "absl/strings/string_view.h"
#include "lib/base/output.h"

namespace specula {

// A man page is made of a program's own tree of commands and options, so that
// it cannot say anything else than --help does. The programs print theirs for
// the hidden word below; the build installs what they print.
constexpr char kManWord[] = "__man";

struct ManEntry {
  absl::string_view term;
  absl::string_view text;
};

// What a page says that is not in the tree. Paragraphs stand apart by an empty
// line.
struct ManText {
  int section = 1;
  absl::string_view summary;  // for the line NAME and for apropos(1)
  absl::string_view description;
  std::vector<ManEntry> examples;     // what it does, the command lines
  std::vector<ManEntry> exit_status;  // code, meaning
  std::vector<ManEntry> environment;  // beside the variables of options
  std::vector<ManEntry> files;
  std::vector<absl::string_view> see_also;  // "specula(1)", in order
};

// The page in man(7). Of a footer, the paragraph "Example: …" or "Examples: …"
// is taken for command lines, one in which words stand in columns (three spaces
// in a row) is left as it is, and others are prose. Options and commands
// without a group are hidden, as in --help. `date` is YYYY-MM-DD or empty.
// Pure.
std::string ManPage(const CLI::App& app, const ManText& text,
                    absl::string_view date);

// Prints the page if the command line is `PROGRAM __man [DATE]`. Absent: it is
// not.
std::optional<Written> PrintManPageIfAsked(int argc, char** argv,
                                           const CLI::App& app,
                                           const ManText& text);

}  // namespace specula

#endif  // SPECULA_LIB_CONFIG_MAN_PAGE_H_
