#include "lib/audit/verify.h"

#include <cstddef>
#include <utility>

#include "absl/strings/str_cat.h"
#include "lib/audit/record.h"
#include "lib/audit/tail.h"

namespace specula::audit {

void Verifier::BeginFile(absl::string_view name) {
  EndFile();
  here_ = {std::string(name), 0};
}

bool Verifier::Feed(absl::string_view text) {
  while (!text.empty() && !verdict_.fault) {
    const size_t newline = text.find('\n');
    const absl::string_view piece = text.substr(0, newline);
    if (part_.size() + piece.size() > kMaxTailBytes) {
      Settle();
      ++here_.line;
      Found(here_, "longer than any record");
      break;
    }
    if (newline == absl::string_view::npos) {
      absl::StrAppend(&part_, piece);
      break;
    }
    ++here_.line;
    if (part_.empty()) {
      Line(piece);
    } else {
      absl::StrAppend(&part_, piece);
      Line(part_);
      part_.clear();
    }
    text.remove_prefix(newline + 1);
  }
  return !verdict_.fault;
}

Verdict Verifier::Finish() {
  EndFile();
  if (odd_) Judge(*odd_, nullptr);
  if (last_) {
    verdict_.last_seq = last_->seq;
    verdict_.last_hash = last_->hash;
  }
  return verdict_;
}

// Decides what waited for a line that is not coming.
void Verifier::Settle() {
  if (odd_) Judge(*odd_, nullptr);
  if (torn_) {
    Found(torn_position_,
          "not an audit record, and no gap that tells of a torn line follows");
  }
}

void Verifier::EndFile() {
  // The first line of the next file may still say what is odd.
  if (torn_ || !part_.empty()) Settle();
  if (!part_.empty()) {
    ++here_.line;
    Found(here_,
          "torn: the file ends within this line; the agent crashed and has "
          "not been started since, or it is writing just now");
    part_.clear();
  }
}

void Verifier::Line(absl::string_view line) {
  const std::optional<LineHead> head = ScanLine(line);
  if (!head) {
    NoRecord(line);
    return;
  }
  const Link link = {here_, head->seq, std::string(head->prev), hash_.Of(line)};
  if (odd_) {
    Judge(*odd_, &link);
  } else {
    Check(link, *head);
  }
}

// A line that is no record.
void Verifier::NoRecord(absl::string_view line) {
  if (odd_) {
    Judge(*odd_, nullptr);
  } else if (!torn_) {
    torn_ = std::string(line);
    torn_position_ = here_;
  } else {
    absl::StrAppend(&*torn_, "\n", line);
    if (torn_->size() > kMaxTailBytes) {
      Found(torn_position_, "not an audit record, nor are the lines after it");
    }
  }
}

void Verifier::Check(const Link& link, const LineHead& head) {
  const int64_t expected = last_ ? last_->seq + 1 : 1;
  if (torn_) {
    const bool told = head.stage == StageName(Stage::kGap) && head.torn_bytes &&
                      *head.torn_bytes == static_cast<int64_t>(torn_->size()) &&
                      head.seq == expected && head.prev == hash_.Of(*torn_);
    if (!told) {
      Found(torn_position_,
            "not an audit record, and the next one does not tell of a torn "
            "line");
      return;
    }
    torn_.reset();
    Accept(link, head);
    return;
  }
  if (head.torn_bytes) {
    Found(link.position,
          absl::StrCat("tells of a torn line of ", *head.torn_bytes,
                       " bytes that is not there"));
    return;
  }
  if (!last_) {
    // The first line there is may be any, but only seq 1 has no predecessor.
    if ((head.seq == 1) != (head.prev == kNoPrevious)) {
      Found(link.position, "forged: seq and prev contradict each other");
      return;
    }
    Accept(link, head);
    return;
  }
  if (head.prev == last_->hash) {
    if (head.seq == expected) {
      Accept(link, head);
    } else {
      Found(link.position, absl::StrCat("forged seq: it is ", head.seq,
                                        " where ", expected, " belongs"));
    }
    return;
  }
  odd_ = link;
}

void Verifier::Accept(const Link& link, const LineHead& head) {
  if (!last_) verdict_.first_seq = head.seq;
  last_ = link;
  ++verdict_.records;
  if (head.stage == StageName(Stage::kGap)) ++verdict_.gaps;
}

// Names what is wrong where `odd` does not continue last_. The line `next`
// after it, if there is one, vouches for the one whose hash it has.
void Verifier::Judge(const Link& odd, const Link* next) {
  const int64_t expected = last_->seq + 1;
  const bool vouched = next != nullptr && next->prev == odd.hash;
  const bool skipped = next != nullptr && next->prev == last_->hash;
  const std::string order =
      absl::StrCat("seq ", odd.seq, " stands where ", expected, " belongs");
  const std::string first_of_file =
      odd.position.line == 1
          ? "; it is the first line of its file: are all files given, the "
            "oldest first?"
          : "";
  // Nothing was known of what belongs before the first line of all.
  if (verdict_.records == 1 && odd.hash == last_->prev) {
    Found(last_->position, absl::StrCat("out of order: the line after it, seq ",
                                        odd.seq, ", belongs before it"));
  } else if (skipped && odd.prev == next->hash) {
    Found(odd.position, absl::StrCat("out of order: ", order));
  } else if (skipped) {
    Found(odd.position,
          "inserted: the line after it continues the one before it");
  } else if (odd.prev == last_->prev && odd.seq == last_->seq) {
    Found(last_->position,
          "inserted: the line after it continues the one before it");
  } else if (odd.seq == expected && (vouched || next == nullptr)) {
    Found(last_->position,
          absl::StrCat("changed: it has not the hash that the line after it, "
                       "seq ",
                       odd.seq, ", tells", first_of_file));
  } else if (odd.seq == expected) {
    Found(odd.position,
          "changed: neither the line before it nor the one "
          "after it fits");
  } else if (odd.seq == 1 && odd.prev == kNoPrevious) {
    Found(odd.position, absl::StrCat("the chain begins anew where seq ",
                                     expected, " belongs", first_of_file));
  } else if (odd.seq < expected || (next != nullptr && next->seq <= odd.seq)) {
    Found(odd.position, absl::StrCat("out of order: ", order, first_of_file));
  } else {
    Found(odd.position,
          absl::StrCat("missing: the lines with seq ", expected, " to ",
                       odd.seq - 1, " before it", first_of_file));
  }
}

void Verifier::Found(const Position& where, std::string what) {
  if (!verdict_.fault) {
    verdict_.fault = {where.file, where.line, std::move(what)};
  }
}

}  // namespace specula::audit
