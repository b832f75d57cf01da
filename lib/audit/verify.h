#ifndef SPECULA_LIB_AUDIT_VERIFY_H_
#define SPECULA_LIB_AUDIT_VERIFY_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "lib/audit/line.h"
#include "lib/audit/sha256.h"

namespace specula::audit {

// The first thing that is wrong with a log.
struct Fault {
  std::string file;
  int64_t line = 0;  // from 1 on
  std::string what;
};

// What a log is worth. With a fault the numbers are of what is before it.
struct Verdict {
  int64_t records = 0;
  int64_t gaps = 0;       // records of stage "gap"
  int64_t first_seq = 0;  // greater than 1: older files were not given
  int64_t last_seq = 0;
  // Of the last line: what to keep elsewhere, as the chain itself cannot show
  // that lines were cut off at its end.
  std::string last_hash;
  std::optional<Fault> fault;
};

// Walks the chain (record.h) of a log that was rotated into several files, the
// oldest first. The text is given in pieces of any size, and at most about
// 1 MiB of it is kept. Looks one line ahead to tell a changed line from an
// inserted, a missing and a moved one. Does no IO. Not thread-safe.
class Verifier {
 public:
  // What follows is of the file `name`; ends the one before.
  void BeginFile(absl::string_view name);
  // False: a fault is found, and more text cannot change the verdict.
  bool Feed(absl::string_view text);
  // Ends the last file. Nothing may be fed afterwards.
  Verdict Finish();

 private:
  struct Position {
    std::string file;
    int64_t line = 0;
  };
  // What is needed of a line after it is gone.
  struct Link {
    Position position;
    int64_t seq = 0;
    std::string prev;
    std::string hash;
  };

  void Line(absl::string_view line);
  void NoRecord(absl::string_view line);
  void Check(const Link& link, const LineHead& head);
  void Accept(const Link& link, const LineHead& head);
  void Judge(const Link& odd, const Link* next);
  void Settle();
  void EndFile();
  void Found(const Position& where, std::string what);

  Sha256 hash_;
  Verdict verdict_;
  Position here_;
  std::string part_;          // of the line that has not ended yet
  std::optional<Link> last_;  // the last line that is accepted
  // Lines since then that are no records, and where they begin.
  std::optional<std::string> torn_;
  Position torn_position_;
  std::optional<Link> odd_;  // does not fit last_; the next line tells why
};

}  // namespace specula::audit

#endif  // SPECULA_LIB_AUDIT_VERIFY_H_
