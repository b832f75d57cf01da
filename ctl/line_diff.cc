#include "ctl/line_diff.h"

#include <algorithm>
#include <vector>

#include "absl/strings/str_cat.h"

namespace specula::ctl {
namespace {

using Lines = std::vector<absl::string_view>;

constexpr int kContext = 3;
// Beyond so many changes the search is given up. Its memory grows with the
// square: 16 MB at this bound.
constexpr int kMostChanges = 2000;

// With their newlines, so that a last line without one differs.
Lines SplitLines(absl::string_view text) {
  Lines lines;
  while (!text.empty()) {
    const size_t end = text.find('\n');
    const size_t length =
        end == absl::string_view::npos ? text.size() : end + 1;
    lines.push_back(text.substr(0, length));
    text.remove_prefix(length);
  }
  return lines;
}

// ' ' both have it, '-' only the first, '+' only the second.
struct Edit {
  char kind;
  absl::string_view line;
};

// Myers' greedy search. False if it takes more than kMostChanges.
bool ShortestEdits(const Lines& from, const Lines& to, std::vector<Edit>& out) {
  const int n = static_cast<int>(from.size());
  const int m = static_cast<int>(to.size());
  const int most = std::min(n + m, kMostChanges);
  // How far down `from` the furthest path on each diagonal has come; rows of it
  // are kept to find the way back.
  std::vector<int> furthest(2 * static_cast<size_t>(most) + 3, 0);
  std::vector<std::vector<int>> trace;
  const int zero = most + 1;
  auto at = [&](std::vector<int>& row, int diagonal) -> int& {
    return row.begin()[zero + diagonal];
  };
  for (int changes = 0; changes <= most; ++changes) {
    for (int k = -changes; k <= changes; k += 2) {
      const bool down =
          k == -changes ||
          (k != changes && at(furthest, k - 1) < at(furthest, k + 1));
      int x = down ? at(furthest, k + 1) : at(furthest, k - 1) + 1;
      int y = x - k;
      while (x < n && y < m &&
             from[static_cast<size_t>(x)] == to[static_cast<size_t>(y)]) {
        ++x;
        ++y;
      }
      at(furthest, k) = x;
      if (x < n || y < m) continue;
      // The end is reached: back to the start.
      std::vector<Edit> reversed;
      for (int d = changes; d > 0; --d) {
        const std::vector<int>& before = trace[static_cast<size_t>(d) - 1];
        auto then = [&](int diagonal) { return before.begin()[d + diagonal]; };
        const int diagonal = x - y;
        const bool came_down =
            diagonal == -d ||
            (diagonal != d && then(diagonal - 1) < then(diagonal + 1));
        const int old_x = then(came_down ? diagonal + 1 : diagonal - 1);
        const int old_y = old_x - (came_down ? diagonal + 1 : diagonal - 1);
        while (x > old_x && y > old_y) {
          reversed.push_back({' ', from[static_cast<size_t>(--x)]});
          --y;
        }
        if (came_down) {
          reversed.push_back({'+', to[static_cast<size_t>(--y)]});
        } else {
          reversed.push_back({'-', from[static_cast<size_t>(--x)]});
        }
      }
      while (x > 0) reversed.push_back({' ', from[static_cast<size_t>(--x)]});
      out.insert(out.end(), reversed.rbegin(), reversed.rend());
      return true;
    }
    // Diagonals -(changes+1) to changes+1, for the row that comes next.
    trace.emplace_back(furthest.begin() + (zero - changes - 1),
                       furthest.begin() + (zero + changes + 2));
  }
  return false;
}

std::vector<Edit> Edits(const Lines& from, const Lines& to) {
  size_t start = 0;
  while (start < std::min(from.size(), to.size()) && from[start] == to[start]) {
    ++start;
  }
  size_t end = 0;
  while (end < std::min(from.size(), to.size()) - start &&
         from[from.size() - 1 - end] == to[to.size() - 1 - end]) {
    ++end;
  }
  const Lines from_middle(from.begin() + static_cast<std::ptrdiff_t>(start),
                          from.end() - static_cast<std::ptrdiff_t>(end));
  const Lines to_middle(to.begin() + static_cast<std::ptrdiff_t>(start),
                        to.end() - static_cast<std::ptrdiff_t>(end));
  std::vector<Edit> edits;
  for (size_t i = 0; i < start; ++i) edits.push_back({' ', from[i]});
  if (!ShortestEdits(from_middle, to_middle, edits)) {
    for (absl::string_view line : from_middle) edits.push_back({'-', line});
    for (absl::string_view line : to_middle) edits.push_back({'+', line});
  }
  for (size_t i = from.size() - end; i < from.size(); ++i) {
    edits.push_back({' ', from[i]});
  }
  return edits;
}

// "12,3", as in the head of a hunk.
std::string Range(int first, int count) {
  if (count == 1) return absl::StrCat(first + 1);
  return absl::StrCat(count == 0 ? first : first + 1, ",", count);
}

}  // namespace

std::string UnifiedDiff(absl::string_view from, absl::string_view to) {
  const std::vector<Edit> edits = Edits(SplitLines(from), SplitLines(to));
  std::string text;
  int from_line = 0;
  int to_line = 0;
  size_t next = 0;
  while (next < edits.size()) {
    size_t change = next;
    while (change < edits.size() && edits[change].kind == ' ') ++change;
    if (change == edits.size()) break;
    const size_t begin =
        std::max(next, change - std::min<size_t>(change, kContext));
    from_line += static_cast<int>(begin - next);
    to_line += static_cast<int>(begin - next);
    // On to the first change that twice the context parts from the one before.
    size_t last = change;
    for (size_t i = change;
         i < edits.size() && i <= last + 2 * size_t{kContext} + 1; ++i) {
      if (edits[i].kind != ' ') last = i;
    }
    const size_t end = std::min(edits.size(), last + 1 + kContext);
    int from_count = 0;
    int to_count = 0;
    std::string body;
    for (size_t i = begin; i < end; ++i) {
      const Edit& edit = edits[i];
      from_count += edit.kind != '+' ? 1 : 0;
      to_count += edit.kind != '-' ? 1 : 0;
      absl::StrAppend(&body, absl::string_view(&edit.kind, 1), edit.line);
      if (edit.line.back() != '\n') {
        body += "\n\\ No newline at end of file\n";
      }
    }
    absl::StrAppend(&text, "@@ -", Range(from_line, from_count), " +",
                    Range(to_line, to_count), " @@\n", body);
    from_line += from_count;
    to_line += to_count;
    next = end;
  }
  return text;
}

}  // namespace specula::ctl
