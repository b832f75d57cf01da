#ifndef SPECULA_LIB_CONFIG_OPTION_TEXT_H_
#define SPECULA_LIB_CONFIG_OPTION_TEXT_H_

#include <string>
#include <vector>

#include "CLI/CLI.hpp"

namespace specula {

// What CLI11's tree says of an option, in words for people: the same in --help,
// in man pages and in completion. All pure.

// The only words it takes, if there are such: any, started, none.
std::vector<std::string> ChoicesOf(const CLI::Option& option);

// What its value is: "any|started|none", "N", "TEXT"; empty for a flag.
std::string ValueOf(const CLI::Option& option);

// "1 to 100000", "0 or more"; empty if any value will do.
std::string RangeOf(const CLI::Option& option);

// Its value where nobody gives one; empty if it has none.
std::string DefaultOf(const CLI::Option& option);

// How --help shows options: with the words above.
class HelpFormatter : public CLI::Formatter {
 public:
  std::string make_option_opts(const CLI::Option* option) const override;
};

}  // namespace specula

#endif  // SPECULA_LIB_CONFIG_OPTION_TEXT_H_
