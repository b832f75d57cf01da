#ifndef SPECULA_LIB_CONFIG_SETTINGS_H_
#define SPECULA_LIB_CONFIG_SETTINGS_H_

#include <optional>
#include <string>

#include "CLI/CLI.hpp"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "lib/base/output.h"

namespace specula {

// The order of authority of every program's settings is: command line, then
// environment, then file. The first two are CLI11's own (envname); this adds
// the third.

// Gives the values of the TOML file `path` to those options of `app` that
// neither the command line nor the environment has set. The key max-connections
// (or max_connections) sets --max-connections; an array sets an option that
// takes several values. INVALID_ARGUMENT with FILE:LINE for bad TOML, an
// unknown key (with those that are known), a key in both spellings or a value
// the option refuses. A file that is not there is NOT_FOUND if `must_exist`,
// else nothing happens.
//
// Call it after app.parse.
absl::Status ApplyTomlFile(CLI::App& app, const std::string& path,
                           bool must_exist);

// Prints what has ended app.parse: help or a version; or on standard error what
// is wrong with the command line, and then gives nothing.
std::optional<Written> PrintParseEnd(const CLI::App& app,
                                     const CLI::ParseError& error);

// As ApplyTomlFile, on `text`; `name` stands for the file in errors.
absl::Status ApplyToml(CLI::App& app, absl::string_view text,
                       const std::string& name);

}  // namespace specula

#endif  // SPECULA_LIB_CONFIG_SETTINGS_H_
