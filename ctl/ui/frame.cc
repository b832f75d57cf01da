#include "ctl/ui/frame.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "ctl/table.h"
#include "lib/base/format.h"
#include "lib/base/utf8.h"

namespace specula::ctl {
namespace {

// So much of a text is looked at for a cell of `width` columns, however long it
// is: a host may send a megabyte. More than four bytes for each column, as some
// characters take none.
absl::string_view Beginning(absl::string_view text, size_t width) {
  return text.substr(0, 16 * width + 64);
}

}  // namespace

Line& Line::Add(absl::string_view text, Style style) {
  if (text.empty()) return *this;
  std::string safe = EscapeControls(text);
  width_ += DisplayWidth(safe);
  if (!spans_.empty() && spans_.back().style == style) {
    spans_.back().text += safe;
  } else {
    spans_.push_back({std::move(safe), style});
  }
  return *this;
}

Line& Line::AddCell(absl::string_view text, size_t width, bool right,
                    Style style) {
  const std::string cut =
      CutToWidth(EscapeControls(Beginning(text, width)), width);
  const std::string fill(width - DisplayWidth(cut), ' ');
  return Add(right ? fill + cut : cut + fill, style);
}

Line& Line::Append(const Line& other) {
  for (const Span& span : other.spans_) Add(span.text, span.style);
  return *this;
}

Line& Line::PadTo(size_t column, Style style) {
  if (width_ < column) return Add(std::string(column - width_, ' '), style);
  while (width_ > column) {
    Span& last = spans_.back();
    const size_t whole = DisplayWidth(last.text);
    const size_t excess = width_ - column;
    if (whole <= excess) {
      spans_.pop_back();
      width_ -= whole;
      continue;
    }
    last.text = CutToWidth(last.text, whole - excess);
    width_ = width_ - whole + DisplayWidth(last.text);
    // Half of a double-width character was cut with the other half.
    if (width_ < column) Add(std::string(column - width_, ' '), style);
  }
  return *this;
}

void Line::Restyle(Style style) {
  std::string all;
  for (const Span& span : spans_) all += span.text;
  spans_ = {{std::move(all), style}};
}

std::string Line::Text() const {
  std::string all;
  for (const Span& span : spans_) all += span.text;
  return std::string(absl::StripTrailingAsciiWhitespace(all));
}

std::string Frame::Text() const {
  std::string all;
  for (const Line& line : lines) absl::StrAppend(&all, line.Text(), "\n");
  return all;
}

std::string ToAscii(const std::string& text) {
  std::string ascii;
  for (size_t i = 0; i < text.size();) {
    uint32_t code = 0;
    const size_t bytes = DecodeUtf8(absl::string_view(text).substr(i), code);
    if (bytes <= 1) {
      ascii += bytes == 1 ? text[i] : '?';
      ++i;
      continue;
    }
    ascii.append(DisplayWidth(text.substr(i, bytes)), '?');
    i += bytes;
  }
  return ascii;
}

}  // namespace specula::ctl
