#include "ctl/line_merger.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "lib/base/format.h"

namespace specula::ctl {
namespace {

// Those that can be read on light and on dark.
constexpr int kColours[] = {32, 33, 34, 35, 36, 92, 94, 95};
constexpr char kErrorColour[] = "\033[31m";
constexpr char kPlain[] = "\033[0m";

std::vector<std::string> Escaped(std::vector<std::string> names) {
  for (std::string& name : names) name = EscapeControls(name);
  return names;
}

}  // namespace

LineMerger::LineMerger(std::vector<std::string> names, Options options)
    : names_(Escaped(std::move(names))),
      options_(std::move(options)),
      held_(names_.size()) {}

std::string LineMerger::Prefix(size_t host, OutputStream stream) const {
  const bool error = stream == OutputStream::kError;
  if (!options_.colours) {
    return absl::StrCat(names_[host], error ? "! " : ": ");
  }
  const int colour = kColours[host % std::size(kColours)];
  return absl::StrCat("\033[", colour, "m", names_[host], kPlain,
                      error ? kErrorColour : "", error ? "!" : ":",
                      error ? kPlain : "", " ");
}

std::string LineMerger::Feed(size_t host, OutputStream stream,
                             absl::string_view bytes) {
  Held& held = held_[host][static_cast<size_t>(stream)];
  if (!options_.safe) return Cut(host, stream, bytes);
  return Cut(host, stream, held.filter.Feed(bytes));
}

std::string LineMerger::Flush(size_t host, OutputStream stream) {
  Held& held = held_[host][static_cast<size_t>(stream)];
  std::string lines;
  if (options_.safe) lines = Cut(host, stream, held.filter.Flush());
  if (!held.line.empty()) lines += Cut(host, stream, "\n");
  return lines;
}

void LineMerger::Append(size_t host, OutputStream stream,
                        absl::string_view line, std::string& lines) const {
  if (options_.keep != nullptr && !options_.keep(line)) return;
  absl::StrAppend(&lines, options_.prefix ? Prefix(host, stream) : "", line,
                  "\n");
}

std::string LineMerger::Cut(size_t host, OutputStream stream,
                            absl::string_view text) {
  std::string& held = held_[host][static_cast<size_t>(stream)].line;
  std::string lines;
  while (!text.empty()) {
    const size_t newline = text.find('\n');
    const size_t room = options_.most_held_bytes - held.size();
    const bool whole = newline != absl::string_view::npos && newline <= room;
    if (!whole && text.size() <= room) {
      absl::StrAppend(&held, text);
      break;
    }
    const size_t length = whole ? newline : room;
    absl::StrAppend(&held, text.substr(0, length));
    Append(host, stream, std::exchange(held, ""), lines);
    text.remove_prefix(length + (whole ? 1 : 0));
  }
  return lines;
}

}  // namespace specula::ctl
