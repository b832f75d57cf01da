#ifndef SPECULA_CTL_TABLE_H_
#define SPECULA_CTL_TABLE_H_

#include <cstdint>
#include <string>
#include <vector>

namespace specula::ctl {

// Text in columns, as wide as their widest cell, two spaces apart. Pure.
class Table {
 public:
  enum class Align { kLeft, kRight };
  struct Column {
    std::string title;
    Align align = Align::kLeft;
  };

  explicit Table(std::vector<Column> columns);

  // One row; missing cells are empty. Cells are escaped (see EscapeControls),
  // so that a host's words cannot move the cursor.
  void Add(std::vector<std::string> cells);

  // A row whose cells from the last given one on are one text: it may be longer
  // than its column without widening it.
  void AddNote(std::vector<std::string> cells);

  // All lines, each with a newline and without trailing spaces, cut to
  // `max_width` columns; notes are not cut, as their end matters.
  std::string Render(size_t max_width = SIZE_MAX) const;

 private:
  struct Row {
    std::vector<std::string> cells;
    bool note = false;
  };
  std::vector<Column> columns_;
  std::vector<Row> rows_;
};

// How many columns a terminal takes for `text`: double-width characters count
// two, combining ones none. Unlike wcwidth(3) it does not depend on the locale.
size_t DisplayWidth(const std::string& text);

// The beginning of `text` that takes at most `max_width` columns.
std::string CutToWidth(const std::string& text, size_t max_width);

}  // namespace specula::ctl

#endif  // SPECULA_CTL_TABLE_H_
