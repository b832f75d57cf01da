#include "lib/audit/record.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "lib/audit/sha256.h"
#include "lib/base/utf8.h"

namespace specula::audit {
namespace {

bool MustEscape(uint32_t code) {
  constexpr uint32_t kByteOrderMark = 0xfeff;
  return code < 0x20 || (code >= 0x7f && code < 0xa0) ||
         IsLayoutControl(code) || code == kByteOrderMark;
}

void AppendEscape(std::string& line, uint32_t code) {
  constexpr char kDigits[] = "0123456789abcdef";
  line += "\\u";
  for (int shift = 12; shift >= 0; shift -= 4) {
    line += kDigits[(code >> shift) & 0xf];
  }
}

void AppendString(std::string& line, absl::string_view text) {
  line += '"';
  while (!text.empty()) {
    size_t plain = 0;
    while (plain < text.size() && text[plain] >= 0x20 && text[plain] < 0x7f &&
           text[plain] != '"' && text[plain] != '\\') {
      ++plain;
    }
    absl::StrAppend(&line, text.substr(0, plain));
    text.remove_prefix(plain);
    if (text.empty()) break;
    uint32_t code = 0;
    const size_t length = DecodeUtf8(text, code);
    if (length == 0) {
      AppendEscape(line, 0xdc00U + static_cast<unsigned char>(text[0]));
    } else if (code == '"' || code == '\\') {
      line += '\\';
      line += text[0];
    } else if (code == '\n') {
      line += "\\n";
    } else if (code == '\t') {
      line += "\\t";
    } else if (MustEscape(code)) {
      AppendEscape(line, code);
    } else {
      absl::StrAppend(&line, text.substr(0, length));
    }
    text.remove_prefix(std::max<size_t>(length, 1));
  }
  line += '"';
}

// One line in the making. Each call adds one key, if there is something to say.
class LineBuilder {
 public:
  LineBuilder(int64_t seq, absl::string_view prev) {
    line_.reserve(768);
    absl::StrAppend(&line_, "{\"seq\":", seq, ",\"prev\":\"", prev, "\"");
  }

  // Of ASCII that needs no escape.
  void Word(absl::string_view key, absl::string_view word) {
    absl::StrAppend(&line_, ",\"", key, "\":\"", word, "\"");
  }

  void Text(absl::string_view key, absl::string_view text,
            size_t max_bytes = kMaxTextBytes) {
    if (text.empty()) return;
    Key(key);
    AppendString(line_, text.substr(0, max_bytes));
    if (text.size() > max_bytes) cut_.push_back(key);
  }

  void List(absl::string_view key, const std::vector<std::string>& texts,
            size_t max_bytes) {
    if (texts.empty()) return;
    Key(key);
    const char* separator = "[";
    size_t left = max_bytes;
    for (absl::string_view text : texts) {
      // Each counts one more, so that empty ones are bounded too.
      if (left == 0) {
        cut_.push_back(key);
        break;
      }
      line_ += separator;
      separator = ",";
      AppendString(line_, text.substr(0, left));
      if (text.size() > left) {
        cut_.push_back(key);
        break;
      }
      left -= std::min(left, text.size() + 1);
    }
    line_ += ']';
  }

  template <typename T>
  void Number(absl::string_view key, std::optional<T> number) {
    if (number) absl::StrAppend(&line_, ",\"", key, "\":", *number);
  }

  void Flag(absl::string_view key, std::optional<bool> flag) {
    if (!flag) return;
    absl::StrAppend(&line_, ",\"", key, "\":", *flag ? "true" : "false");
  }

  bool WasCut(absl::string_view key) const {
    return !cut_.empty() && cut_.back() == key;
  }

  std::string Finish() {
    if (!cut_.empty()) {
      const char* separator = ",\"cut\":[\"";
      for (absl::string_view key : cut_) {
        absl::StrAppend(&line_, separator, key, "\"");
        separator = ",\"";
      }
      line_ += ']';
    }
    line_ += '}';
    return std::move(line_);
  }

 private:
  void Key(absl::string_view key) {
    absl::StrAppend(&line_, ",\"", key, "\":");
  }

  std::string line_;
  std::vector<absl::string_view> cut_;  // keys, which are literals
};

void AddShell(LineBuilder& line, const std::string& shell) {
  line.Text("shell", shell, kMaxCommandBytes);
  if (!line.WasCut("shell")) return;
  line.Number<size_t>("shell_bytes", shell.size());
  line.Word("shell_sha256", Sha256().Of(shell));
}

void AddArgv(LineBuilder& line, const std::vector<std::string>& argv) {
  line.List("argv", argv, kMaxCommandBytes);
  if (!line.WasCut("argv")) return;
  Sha256 hash;
  size_t bytes = 0;
  for (const std::string& argument : argv) {
    // c_str() has the NUL.
    hash.Update(absl::string_view(argument.c_str(), argument.size() + 1));
    bytes += argument.size() + 1;
  }
  line.Number<size_t>("argv_bytes", bytes);
  line.Word("argv_sha256", hash.Finish());
}

// Always 27 bytes, so that what follows it is where a reader expects it.
std::string TimeText(absl::Time time) {
  const absl::Time last = absl::FromUnixSeconds(253402300799);  // of year 9999
  time = std::clamp(time, absl::UnixEpoch(), last);
  const absl::TimeZone::CivilInfo civil = absl::UTCTimeZone().At(time);
  return absl::StrFormat("%04d-%02d-%02dT%02d:%02d:%02d.%06dZ", civil.cs.year(),
                         civil.cs.month(), civil.cs.day(), civil.cs.hour(),
                         civil.cs.minute(), civil.cs.second(),
                         absl::ToInt64Microseconds(civil.subsecond));
}

std::optional<int64_t> Microseconds(std::optional<absl::Duration> duration) {
  if (!duration) return std::nullopt;
  return absl::ToInt64Microseconds(*duration);
}

}  // namespace

absl::string_view StageName(Stage stage) {
  switch (stage) {
    case Stage::kReceived:
      return "received";
    case Stage::kStarted:
      return "started";
    case Stage::kEnded:
      return "ended";
    case Stage::kDenied:
      return "denied";
    case Stage::kGap:
      return "gap";
    case Stage::kOpened:
      return "opened";
    case Stage::kClosed:
      return "closed";
  }
  return "unknown";
}

std::string FormatLine(const Record& record, int64_t seq,
                       absl::string_view prev) {
  LineBuilder line(seq, prev);
  line.Word("time", TimeText(record.time));
  line.Word("stage", StageName(record.stage));
  line.Number("torn_bytes", record.torn_bytes);
  line.Number("lost", record.lost);
  line.Text("id", record.id);
  line.Text("rpc", record.rpc);
  line.Text("caller", record.caller);
  line.Text("on_behalf", record.on_behalf);
  if (record.role) line.Word("role", RoleName(*record.role));
  line.Text("serial", record.serial);
  line.Text("peer", record.peer);
  AddShell(line, record.shell);
  AddArgv(line, record.argv);
  line.List("env_names", record.env_names, kMaxNamesBytes);
  line.Text("cwd", record.cwd, kMaxPathBytes);
  line.Text("user", record.user);
  line.Text("path", record.path, kMaxPathBytes);
  line.Number("pid", record.pid);
  line.Number("start_ticks", record.start_ticks);
  line.Number("sent_signal", record.sent_signal);
  line.Flag("tree", record.tree);
  line.Number("exit_code", record.exit_code);
  line.Number("signal", record.signal);
  line.Flag("drained", record.drained);
  line.Flag("timed_out", record.timed_out);
  line.Flag("truncated", record.truncated);
  line.Number("killed_count", record.killed_count);
  line.Number("bytes_out", record.bytes_out);
  line.Number("duration_us", Microseconds(record.duration));
  if (record.status_code) {
    line.Word("status_code", absl::StatusCodeToString(*record.status_code));
  }
  line.Text("error", record.error);
  line.Number("suppressed", record.suppressed);
  line.Text("version", record.version);
  return line.Finish();
}

}  // namespace specula::audit
