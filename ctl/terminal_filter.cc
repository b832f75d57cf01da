#include "ctl/terminal_filter.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "lib/base/format.h"

namespace specula::ctl {
namespace {

constexpr size_t kMostSequenceBytes = 64;
constexpr absl::string_view kIntroducer = "\033[";

// How many bytes at the end of `text` may be the beginning of a character.
size_t CutCharacter(absl::string_view text) {
  for (size_t tail = 1; tail <= std::min<size_t>(3, text.size()); ++tail) {
    const auto byte = static_cast<unsigned char>(text[text.size() - tail]);
    if ((byte & 0xc0) == 0x80) continue;
    const size_t whole = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2;
    return byte >= 0xc2 && byte <= 0xf4 && tail < whole ? tail : 0;
  }
  return 0;
}

enum class Sequence { kColour, kOther, kCut };

// What the ESC at the start of `text` begins; `length` is that of a colour.
Sequence Recognise(absl::string_view text, size_t& length) {
  if (!absl::StartsWith(text, kIntroducer)) {
    return text.size() < kIntroducer.size() ? Sequence::kCut : Sequence::kOther;
  }
  const size_t end = text.find_first_not_of("0123456789;:", kIntroducer.size());
  if (end == absl::string_view::npos) {
    return text.size() < kMostSequenceBytes ? Sequence::kCut : Sequence::kOther;
  }
  length = end + 1;
  return text[end] == 'm' ? Sequence::kColour : Sequence::kOther;
}

}  // namespace

std::string TerminalFilter::Feed(absl::string_view bytes) {
  if (held_.empty()) return Filter(bytes, /*last=*/false);
  return Filter(absl::StrCat(std::exchange(held_, ""), bytes),
                /*last=*/false);
}

std::string TerminalFilter::Flush() {
  return Filter(std::exchange(held_, ""), /*last=*/true);
}

std::string TerminalFilter::Filter(absl::string_view text, bool last) {
  std::string safe;
  safe.reserve(text.size());
  while (!text.empty()) {
    const char c = text.front();
    if (c == '\n' || c == '\t') {
      safe += c;
      text.remove_prefix(1);
    } else if (c == '\r') {
      const size_t end = text.find_first_not_of('\r');
      if (end == absl::string_view::npos && !last) {
        held_ = "\r";
        return safe;
      }
      safe += '\n';
      text.remove_prefix(std::min(end, text.size()));
      if (absl::StartsWith(text, "\n")) text.remove_prefix(1);
    } else if (c == '\033') {
      size_t length = 0;
      const Sequence sequence = Recognise(text, length);
      if (sequence == Sequence::kCut && !last) {
        held_ = std::string(text);
        return safe;
      }
      if (sequence == Sequence::kColour) {
        text.remove_prefix(length);
      } else {
        safe += EscapeControls(text.substr(0, 1));
        text.remove_prefix(1);
      }
    } else {
      const size_t end =
          std::min(text.find_first_of("\n\t\r\033"), text.size());
      absl::string_view run = text.substr(0, end);
      if (end == text.size() && !last) {
        const size_t cut = CutCharacter(run);
        held_ = std::string(run.substr(end - cut));
        run.remove_suffix(cut);
      }
      safe += EscapeControls(run);
      text.remove_prefix(end);
    }
  }
  return safe;
}

}  // namespace specula::ctl
