#ifndef SPECULA_CTL_UI_FRAME_H_
#define SPECULA_CTL_UI_FRAME_H_

#include <cstddef>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

// What a screen shows, as a value: made by the views, drawn by Screen, compared
// by tests. Pure.
namespace specula::ctl {

// What a piece of text means. The screen chooses colours and attributes; none
// is the only sign of anything, as there may be no colours.
enum class Style {
  kPlain,
  kDim,       // stale, or of little weight
  kTitle,     // headings
  kWarning,   // from 70 % on
  kCritical,  // from 90 % on, and hosts that are down
  kSelected,  // where the cursor is
  kMarked,    // marked rows
  kKey,       // a key in the line of keys
};

struct Span {
  std::string text;  // UTF-8 without control characters
  Style style = Style::kPlain;
};

// One line of the screen: spans side by side.
class Line {
 public:
  Line() = default;
  explicit Line(absl::string_view text, Style style = Style::kPlain) {
    Add(text, style);
  }

  // Appends text, made safe for a terminal.
  Line& Add(absl::string_view text, Style style = Style::kPlain);
  // Appends text of exactly `width` columns: cut, or filled with spaces, on the
  // left if `right`.
  Line& AddCell(absl::string_view text, size_t width, bool right = false,
                Style style = Style::kPlain);
  // Appends another line.
  Line& Append(const Line& other);
  // Fills with spaces up to column `column`, or cuts what is beyond it.
  Line& PadTo(size_t column, Style style = Style::kPlain);

  // All of it in one style, the cursor's or a stale row's.
  void Restyle(Style style);

  const std::vector<Span>& spans() const { return spans_; }
  size_t width() const { return width_; }
  // The text without styles and without trailing spaces.
  std::string Text() const;

 private:
  std::vector<Span> spans_;
  size_t width_ = 0;
};

struct Frame {
  size_t width = 0;
  std::vector<Line> lines;  // at most the screen's height, cut to its width
  // Where a text is being edited; negative: nowhere.
  int cursor_x = -1;
  int cursor_y = -1;

  // All lines, each with a newline.
  std::string Text() const;
};

// The same text with every character that is not ASCII replaced by "?", as many
// as it takes columns.
std::string ToAscii(const std::string& text);

}  // namespace specula::ctl

#endif  // SPECULA_CTL_UI_FRAME_H_
