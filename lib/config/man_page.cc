#include "lib/config/man_page.h"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "lib/config/option_text.h"
#include "lib/config/roff.h"

namespace specula {
namespace {

std::string Bold(absl::string_view text) {
  return absl::StrCat("\\fB", RoffLiteral(text), "\\fR");
}

std::string Italic(absl::string_view text) {
  return absl::StrCat("\\fI", RoffLiteral(text), "\\fR");
}

void Section(std::string& page, absl::string_view name) {
  absl::StrAppend(&page, ".SH ", name, "\n");
}

void Entry(std::string& page, const std::string& term, absl::string_view text) {
  absl::StrAppend(&page, ".TP\n", term, "\n", RoffProse(text));
}

// A paragraph in which lines stay lines.
void Verbatim(std::string& page, absl::string_view lines) {
  absl::StrAppend(&page, ".PP\n.RS 4\n.nf\n", RoffLines(lines), ".fi\n.RE\n");
}

void Paragraphs(std::string& page, absl::string_view text, bool first) {
  for (absl::string_view paragraph :
       absl::StrSplit(text, "\n\n", absl::SkipEmpty())) {
    if (absl::StrContains(paragraph, "   ")) {
      Verbatim(page, paragraph);
    } else {
      absl::StrAppend(&page, first ? "" : ".PP\n", RoffProse(paragraph));
    }
    first = false;
  }
}

// What a footer says, and the command lines it shows.
struct Footer {
  std::string notes;
  std::string examples;
};

Footer ReadFooter(const CLI::App& app) {
  Footer footer;
  const std::string text = app.get_footer();
  for (absl::string_view paragraph :
       absl::StrSplit(text, "\n\n", absl::SkipEmpty())) {
    if (!absl::ConsumePrefix(&paragraph, "Examples: ") &&
        !absl::ConsumePrefix(&paragraph, "Example: ")) {
      absl::StrAppend(&footer.notes, paragraph, "\n\n");
      continue;
    }
    for (absl::string_view line : absl::StrSplit(paragraph, '\n')) {
      absl::StrAppend(&footer.examples, absl::StripAsciiWhitespace(line), "\n");
    }
  }
  return footer;
}

std::string Sentence(absl::string_view text) {
  text = absl::StripAsciiWhitespace(text);
  const bool ended =
      text.empty() || absl::StrContains(".?!", text.substr(text.size() - 1));
  return absl::StrCat(text, ended ? "" : ".");
}

std::string About(const CLI::Option& option) {
  std::string text = Sentence(option.get_description());
  const std::pair<absl::string_view, std::string> facts[] = {
      {"From", RangeOf(option)},
      {"Default:", DefaultOf(option)},
      {"Environment:", option.get_envname()}};
  for (const auto& [name, value] : facts) {
    if (!value.empty()) absl::StrAppend(&text, " ", name, " ", value, ".");
  }
  if (option.get_required() && option.nonpositional()) {
    absl::StrAppend(&text, " Must be given.");
  }
  return text;
}

bool IsShown(const CLI::Option& option) { return !option.get_group().empty(); }

bool IsMany(const CLI::Option& option) {
  return option.get_expected_max() == CLI::detail::expected_max_vector_size;
}

std::string TermOf(const CLI::Option& option) {
  if (!option.nonpositional()) return Italic(option.get_name(true, false));
  std::vector<std::string> names;
  for (const std::string& name : option.get_snames()) {
    names.push_back(Bold("-" + name));
  }
  for (const std::string& name : option.get_lnames()) {
    names.push_back(Bold("--" + name));
  }
  const std::string value = ValueOf(option);
  return absl::StrCat(absl::StrJoin(names, ", "), value.empty() ? "" : " ",
                      value.empty() ? "" : Italic(value));
}

void Options(std::string& page, const CLI::App& app) {
  for (const bool positional : {true, false}) {
    for (const CLI::Option* option : app.get_options({})) {
      if (!IsShown(*option) || option->nonpositional() == positional) continue;
      // Every command has it; the page says so once.
      if (option == app.get_help_ptr() && app.get_parent() != nullptr) continue;
      Entry(page, TermOf(*option), About(*option));
    }
  }
}

std::vector<const CLI::App*> Commands(const CLI::App& app) {
  return app.get_subcommands([](const CLI::App* command) {
    return !command->get_group().empty() && !command->get_name().empty();
  });
}

// "specula pki init"
std::string FullName(const CLI::App& app) {
  if (app.get_parent() == nullptr) return app.get_name();
  return absl::StrCat(FullName(*app.get_parent()), " ", app.get_name());
}

// The forms of a command line that a description ends with: "…: kill [HOST]
// PID, or kill [HOSTS] --name PATTERN". Takes them off `description`.
std::vector<std::string> FormsIn(const CLI::App& app,
                                 std::string& description) {
  const std::string sign = absl::StrCat(": ", app.get_name(), " ");
  const size_t begin = description.find(sign);
  if (app.get_parent() == nullptr || begin == std::string::npos) return {};
  const std::string above = FullName(*app.get_parent());
  std::vector<std::string> forms;
  for (absl::string_view form :
       absl::StrSplit(description.substr(begin + 2), ", or ")) {
    forms.push_back(absl::StrCat(above, " ", form));
  }
  description.resize(begin);
  return forms;
}

std::string FormOf(const CLI::App& app) {
  std::string form = FullName(app);
  const auto options = app.get_options({});
  if (std::any_of(options.begin(), options.end(), [&](const auto* option) {
        return option->nonpositional() && option != app.get_help_ptr();
      })) {
    absl::StrAppend(&form, " [OPTIONS]");
  }
  for (const CLI::Option* option : options) {
    if (option->nonpositional() || !IsShown(*option)) continue;
    const std::string name = absl::StrCat(option->get_name(true, false),
                                          IsMany(*option) ? "..." : "");
    absl::StrAppend(&form, " ",
                    option->get_required() ? name : "[" + name + "]");
  }
  if (!Commands(app).empty()) {
    absl::StrAppend(&form, app.get_require_subcommand_min() > 0
                               ? " COMMAND ..."
                               : " [COMMAND ...]");
  }
  return form;
}

// Program and command bold, as one types them.
std::string Synopsis(const CLI::App& app, const std::string& form) {
  const size_t size = std::min(FullName(app).size(), form.size());
  return absl::StrCat(Bold(form.substr(0, size)),
                      RoffLiteral(form.substr(size)), "\n");
}

void Command(std::string& page, const CLI::App& app) {
  absl::StrAppend(&page, ".SS ", Bold(FullName(app)), "\n");
  std::string description = app.get_description();
  std::vector<std::string> forms = FormsIn(app, description);
  if (forms.empty()) forms.push_back(FormOf(app));
  for (size_t i = 0; i < forms.size(); ++i) {
    absl::StrAppend(&page, i == 0 ? "" : ".br\n", Synopsis(app, forms[i]));
  }
  absl::StrAppend(&page, ".PP\n", RoffProse(Sentence(description)));
  Options(page, app);
  const Footer footer = ReadFooter(app);
  Paragraphs(page, footer.notes, false);
  if (!footer.examples.empty()) Verbatim(page, footer.examples);
  for (const CLI::App* command : Commands(app)) Command(page, *command);
}

// The variables of all options, in their order; one that several commands have
// stands once.
void Variables(std::vector<std::pair<std::string, std::string>>& variables,
               const CLI::App& app) {
  for (const CLI::Option* option : app.get_options({})) {
    const std::string name = option->get_envname();
    if (name.empty() || !IsShown(*option)) continue;
    const bool is_new = std::none_of(
        variables.begin(), variables.end(),
        [&](const auto& variable) { return variable.first == name; });
    if (is_new) variables.emplace_back(name, option->get_lnames().front());
  }
  for (const CLI::App* command : Commands(app)) Variables(variables, *command);
}

void Examples(std::string& page, const CLI::App& app, const ManText& text) {
  std::string examples;
  const Footer footer = ReadFooter(app);
  if (!footer.examples.empty()) Verbatim(examples, footer.examples);
  for (const auto& [what, lines] : text.examples) {
    absl::StrAppend(&examples, ".PP\n", RoffProse(what));
    Verbatim(examples, lines);
  }
  // A section begins with a paragraph by itself.
  absl::StrAppend(&page, absl::StripPrefix(examples, ".PP\n"));
}

void Entries(std::string& page, absl::string_view section,
             const std::vector<ManEntry>& entries) {
  if (entries.empty()) return;
  Section(page, section);
  for (const auto& [term, text] : entries) Entry(page, Bold(term), text);
}

}  // namespace

std::string ManPage(const CLI::App& app, const ManText& text,
                    absl::string_view date) {
  const std::string& name = app.get_name();
  std::string page = absl::StrCat(
      ".\\\" Made by \"", name, " ", kManWord,
      "\" from the program's own commands and options.\n.TH ",
      RoffLiteral(absl::AsciiStrToUpper(name)), " ", text.section, " \"", date,
      "\" \"Specula ", RoffLiteral(app.version()), "\" \"Specula\"\n");
  Section(page, "NAME");
  absl::StrAppend(&page, RoffLiteral(name), " \\- ", RoffProse(text.summary));
  Section(page, "SYNOPSIS");
  absl::StrAppend(&page, Synopsis(app, FormOf(app)));
  Section(page, "DESCRIPTION");
  Paragraphs(page, text.description, true);
  Section(page, "OPTIONS");
  Options(page, app);
  if (!Commands(app).empty()) {
    Section(page, "COMMANDS");
    absl::StrAppend(&page, RoffProse("Every command has --help, with "
                                     "examples."));
  }
  for (const CLI::App* command : Commands(app)) Command(page, *command);
  Section(page, "EXAMPLES");
  Examples(page, app, text);
  Entries(page, "EXIT STATUS", text.exit_status);
  Section(page, "ENVIRONMENT");
  std::vector<std::pair<std::string, std::string>> variables;
  Variables(variables, app);
  for (const auto& [variable, option] : variables) {
    Entry(page, Bold(variable), absl::StrCat("Stands for --", option, "."));
  }
  for (const auto& [term, about] : text.environment) {
    Entry(page, Bold(term), about);
  }
  Entries(page, "FILES", text.files);
  Section(page, "SEE ALSO");
  for (size_t i = 0; i < text.see_also.size(); ++i) {
    const std::pair<absl::string_view, absl::string_view> split =
        absl::StrSplit(text.see_also[i], absl::MaxSplits('(', 1));
    absl::StrAppend(&page, ".BR ", RoffLiteral(split.first), " (", split.second,
                    i + 1 < text.see_also.size() ? ",\n" : "\n");
  }
  return page;
}

std::optional<Written> PrintManPageIfAsked(int argc, char** argv,
                                           const CLI::App& app,
                                           const ManText& text) {
  if (argc < 2 || strcmp(argv[1], kManWord) != 0) return std::nullopt;
  return PrintText(ManPage(app, text, argc > 2 ? argv[2] : ""));
}

}  // namespace specula
