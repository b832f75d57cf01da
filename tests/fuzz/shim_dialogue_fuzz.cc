#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "shim/dialogue.h"
#include "shim/reply.h"

namespace {

using specula::shim::Dialogue;

// What a peer's bytes lead to, written down; `cuts` say how long each piece is,
// over and over. No cuts: all at once.
std::string Lead(absl::string_view stream, absl::string_view cuts) {
  static const specula::shim::TokenSet tokens =
      *specula::shim::TokenSet::Parse("a\nviewer:b\n", "F");
  Dialogue dialogue(tokens);
  std::string story;
  for (size_t turn = 0; !stream.empty(); ++turn) {
    const size_t length =
        cuts.empty()
            ? stream.size()
            : size_t{1} + static_cast<uint8_t>(cuts[turn % cuts.size()]) % 16;
    absl::string_view piece = stream.substr(0, length);
    stream.remove_prefix(piece.size());
    while (true) {
      const Dialogue::Step step = dialogue.Next(piece);
      if (step.kind == Dialogue::Kind::kMore) break;
      absl::StrAppend(&story, static_cast<int>(step.kind), " ",
                      static_cast<int>(step.command.verb), " ",
                      step.command.text, " ", step.command.number, " ",
                      specula::shim::ErrorReply(step.error), "\n");
      if (step.kind == Dialogue::Kind::kDo && dialogue.holder() == nullptr) {
        abort();  // a stranger
      }
      if (step.kind == Dialogue::Kind::kTurnOut ||
          step.kind == Dialogue::Kind::kBreak) {
        return story;
      }
    }
    if (!piece.empty()) abort();
    // A viewer's and a stranger's frames are short.
    const bool long_ones = dialogue.holder() != nullptr &&
                           dialogue.holder()->role != specula::Role::kViewer;
    if (!long_ones &&
        dialogue.held_bytes() > 2 * specula::shim::kMostShortBytes) {
      abort();
    }
  }
  return absl::StrCat(story, dialogue.is_cut() ? "cut" : "whole");
}

}  // namespace

// Whether a stream comes in one segment or dribbled, it leads to the same. The
// first byte says how many of the next are the cuts.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  const absl::string_view all(reinterpret_cast<const char*>(data), size);
  const size_t cuts = std::min<size_t>(size - 1, 1 + data[0] % 8);
  const absl::string_view stream = all.substr(1 + cuts);
  const std::string whole = Lead(stream, "");
  if (Lead(stream, all.substr(1, cuts)) != whole) abort();
  if (Lead(stream, absl::string_view("\0", 1)) != whole) abort();
  return 0;
}
