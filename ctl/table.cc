#include "ctl/table.h"

#include <algorithm>
#include <cstdint>
#include <utility>

#include "absl/strings/str_cat.h"
#include "lib/base/format.h"

namespace specula::ctl {
namespace {

constexpr char kGap[] = "  ";

struct CodeRange {
  uint32_t first, last;
};

// The blocks that matter for names: combining marks, joiners and variation
// selectors.
constexpr CodeRange kZeroWidth[] = {
    {0x300, 0x36f},   {0x483, 0x489},   {0x591, 0x5bd},    {0x610, 0x61a},
    {0x64b, 0x65f},   {0x200b, 0x200d}, {0x20d0, 0x20ff},  {0xfe00, 0xfe0f},
    {0xfe20, 0xfe2f}, {0xfeff, 0xfeff}, {0xe0100, 0xe01ef}};
// East Asian wide and full-width forms, and emoji.
constexpr CodeRange kDoubleWidth[] = {
    {0x1100, 0x115f},   {0x2e80, 0x303e},   {0x3041, 0xa4cf},
    {0xac00, 0xd7a3},   {0xf900, 0xfaff},   {0xfe30, 0xfe6f},
    {0xff00, 0xff60},   {0xffe0, 0xffe6},   {0x1f300, 0x1f64f},
    {0x1f680, 0x1f6ff}, {0x1f900, 0x1f9ff}, {0x1fa70, 0x1faff},
    {0x20000, 0x3fffd}};

template <size_t N>
bool IsIn(uint32_t code, const CodeRange (&ranges)[N]) {
  return std::any_of(std::begin(ranges), std::end(ranges),
                     [code](const CodeRange& range) {
                       return code >= range.first && code <= range.last;
                     });
}

struct Glyph {
  size_t bytes;
  size_t width;
};

// The character of valid UTF-8 that starts at `i`.
Glyph GlyphAt(const std::string& text, size_t i) {
  const auto lead = static_cast<unsigned char>(text[i]);
  const size_t length = lead < 0xc0 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
  uint32_t code = length == 1 ? lead : lead & (0x7fU >> length);
  for (size_t k = 1; k < length && i + k < text.size(); ++k) {
    code = (code << 6) | (static_cast<unsigned char>(text[i + k]) & 0x3fU);
  }
  return {length, IsIn(code, kZeroWidth)     ? 0U
                  : IsIn(code, kDoubleWidth) ? 2U
                                             : 1U};
}

}  // namespace

size_t DisplayWidth(const std::string& text) {
  size_t width = 0;
  for (size_t i = 0; i < text.size();) {
    const Glyph glyph = GlyphAt(text, i);
    width += glyph.width;
    i += glyph.bytes;
  }
  return width;
}

std::string CutToWidth(const std::string& text, size_t max_width) {
  size_t width = 0;
  for (size_t i = 0; i < text.size();) {
    const Glyph glyph = GlyphAt(text, i);
    width += glyph.width;
    if (width > max_width) return text.substr(0, i);
    i += glyph.bytes;
  }
  return text;
}

Table::Table(std::vector<Column> columns) : columns_(std::move(columns)) {}

void Table::Add(std::vector<std::string> cells) {
  for (std::string& cell : cells) cell = EscapeControls(cell);
  rows_.push_back({std::move(cells), false});
}

void Table::AddNote(std::vector<std::string> cells) {
  Add(std::move(cells));
  rows_.back().note = true;
}

std::string Table::Render(size_t max_width) const {
  std::vector<size_t> widths;
  for (const Column& column : columns_)
    widths.push_back(DisplayWidth(column.title));
  for (const Row& row : rows_) {
    const size_t fitted = row.cells.size() - (row.note ? 1 : 0);
    for (size_t i = 0; i < std::min(fitted, widths.size()); ++i) {
      widths[i] = std::max(widths[i], DisplayWidth(row.cells[i]));
    }
  }
  std::string text;
  auto line = [&](const std::vector<std::string>& cells, bool note) {
    std::string out;
    for (size_t i = 0; i < std::min(cells.size(), columns_.size()); ++i) {
      if (i > 0) out += kGap;
      const size_t own = DisplayWidth(cells[i]);
      const std::string fill(widths[i] > own ? widths[i] - own : 0, ' ');
      const bool is_note = note && i + 1 == cells.size();
      const bool right = columns_[i].align == Align::kRight && !is_note;
      absl::StrAppend(&out, right ? fill : "", cells[i], right ? "" : fill);
    }
    if (!note) out = CutToWidth(out, max_width);
    out.erase(out.find_last_not_of(' ') + 1);
    absl::StrAppend(&text, out, "\n");
  };
  std::vector<std::string> titles;
  for (const Column& column : columns_) titles.push_back(column.title);
  line(titles, false);
  for (const Row& row : rows_) line(row.cells, row.note);
  return text;
}

}  // namespace specula::ctl
