#include "lib/config/settings.h"

#include <algorithm>
#include <map>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "lib/base/file.h"
#include "lib/base/format.h"
#include "lib/config/toml.h"

namespace specula {
namespace {

absl::Status Odd(const std::string& name, const toml::source_region& where,
                 absl::string_view why) {
  return absl::InvalidArgumentError(
      absl::StrCat(name, ":", where.begin.line, ": ", EscapeControls(why)));
}

// --config names the file itself, and the rest is for people only.
bool IsSetting(const CLI::Option& option) {
  static constexpr std::string_view kNot[] = {"help", "version", "config",
                                              "check-config"};
  const std::vector<std::string>& names = option.get_lnames();
  return !names.empty() && std::find(std::begin(kNot), std::end(kNot),
                                     names.front()) == std::end(kNot);
}

std::vector<std::string> KnownKeys(CLI::App& app) {
  std::vector<std::string> keys;
  for (const CLI::Option* option : app.get_options()) {
    if (IsSetting(*option)) keys.push_back(option->get_lnames().front());
  }
  return keys;
}

// The words of a value as they would stand on the command line; empty if it is
// of a kind that no option takes.
std::vector<std::string> Words(const toml::node& value) {
  if (const auto* text = value.as_string()) return {text->get()};
  if (const auto* number = value.as_integer()) {
    return {absl::StrCat(number->get())};
  }
  if (const auto* number = value.as_floating_point()) {
    return {absl::StrCat(number->get())};
  }
  if (const auto* flag = value.as_boolean()) {
    return {flag->get() ? "true" : "false"};
  }
  std::vector<std::string> words;
  if (const auto* list = value.as_array()) {
    for (const toml::node& element : *list) {
      std::vector<std::string> inner = Words(element);
      if (element.is_array() || inner.size() != 1) return {};
      words.push_back(std::move(inner.front()));
    }
  }
  return words;
}

// The option that a key sets; null if there is none.
CLI::Option* FindOption(CLI::App& app, std::string key) {
  std::replace(key.begin(), key.end(), '_', '-');
  CLI::Option* option = app.get_option_no_throw("--" + key);
  return option != nullptr && IsSetting(*option) ? option : nullptr;
}

absl::Status ApplyOne(CLI::Option* option, const std::string& key,
                      const toml::node& value, const std::string& name) {
  if (option->count() > 0) return absl::OkStatus();  // set with more authority
  std::vector<std::string> words = Words(value);
  if (words.empty()) {
    return Odd(
        name, value.source(),
        absl::StrCat("'", key, "' has a value of a kind it cannot take"));
  }
  if (value.is_array() && option->get_items_expected_max() <= 1) {
    return Odd(name, value.source(),
               absl::StrCat("'", key, "' takes one value"));
  }
  try {
    option->add_result(std::move(words));
    option->run_callback();
  } catch (const CLI::Error& error) {
    return Odd(name, value.source(),
               absl::StrCat("'", key, "': ", error.what()));
  }
  return absl::OkStatus();
}

}  // namespace

std::optional<Written> PrintParseEnd(const CLI::App& app,
                                     const CLI::ParseError& error) {
  std::ostringstream out;
  std::ostringstream err;
  const int code = app.exit(error, out, err);
  PrintErrorText(err.str());
  if (code != 0) return std::nullopt;
  return PrintText(out.str());
}

absl::Status ApplyToml(CLI::App& app, absl::string_view text,
                       const std::string& name) {
  toml::parse_result table =
      toml::parse(std::string_view(text.data(), text.size()));
  if (!table) {
    const std::string_view why = table.error().description();
    return Odd(name, table.error().source(), {why.data(), why.size()});
  }
  std::map<const CLI::Option*, std::string> seen;
  for (const auto& [toml_key, value] : table.table()) {
    const std::string key(toml_key.str());
    CLI::Option* option = FindOption(app, key);
    if (option == nullptr) {
      return Odd(name, value.source(),
                 absl::StrCat("unknown key '", key, "'; known are: ",
                              absl::StrJoin(KnownKeys(app), ", ")));
    }
    // TOML itself refuses a key that is there twice, but not in two spellings.
    if (auto [first, is_new] = seen.try_emplace(option, key); !is_new) {
      return Odd(name, value.source(),
                 absl::StrCat("'", key, "' and '", first->second,
                              "' are one setting; give it once"));
    }
    absl::Status status = ApplyOne(option, key, value, name);
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status ApplyTomlFile(CLI::App& app, const std::string& path,
                           bool must_exist) {
  absl::StatusOr<std::string> text = ReadFile(path);
  if (!text.ok()) {
    if (!must_exist && absl::IsNotFound(text.status())) return absl::OkStatus();
    return text.status();
  }
  return ApplyToml(app, *text, path);
}

}  // namespace specula
