#include "ctl/console/line_reader.h"

#include <histedit.h>
#include <unistd.h>

#include <cerrno>
#include <clocale>
#include <cstdio>
#include <cwchar>
#include <utility>

#include "absl/strings/strip.h"
#include "lib/base/format.h"
#include "lib/base/output.h"

namespace specula::ctl {
namespace {

constexpr int kMostHistory = 1000;
constexpr size_t kMostLineBytes = (1 << 20) + 1;

LineReader::What Ended(const Interrupt& interrupt) {
  return interrupt.terminated() ? LineReader::What::kTerminated
                                : LineReader::What::kInterrupted;
}

// Writes behind what the editor has written.
void Show(const std::string& text) {
  fflush(stdout);
  PrintText(text);
}

class Script final : public LineReader {
 public:
  explicit Script(int fd) : fd_(fd) {}

  What Read(std::string& line) override {
    Interrupt interrupt;
    while (true) {
      const size_t end = bytes_.find('\n');
      if (end != std::string::npos) {
        line = bytes_.substr(0, end);
        bytes_.erase(0, end + 1);
        return What::kLine;
      }
      if (over_ || bytes_.size() > kMostLineBytes) {
        if (bytes_.empty()) return What::kEnd;
        line = std::exchange(bytes_, {});
        return What::kLine;
      }
      if (!interrupt.WaitReadable(fd_)) return Ended(interrupt);
      char buffer[4096];
      const ssize_t got = read(fd_, buffer, sizeof buffer);
      if (got < 0 && (errno == EINTR || errno == EAGAIN)) continue;
      over_ = got <= 0;
      if (got > 0) bytes_.append(buffer, static_cast<size_t>(got));
    }
  }

 private:
  const int fd_;
  std::string bytes_;
  bool over_ = false;
};

class Editor final : public LineReader {
 public:
  explicit Editor(EditorOptions options)
      : options_(std::move(options)),
        editor_(el_init("specula", stdin, stdout, stderr)),
        history_(history_init()) {
    // For the widths of what is typed; numbers stay as they are.
    setlocale(LC_CTYPE, "");
    HistEvent event;
    history(history_, &event, H_SETSIZE, kMostHistory);
    history(history_, &event, H_SETUNIQUE, 1);
    if (!options_.history.empty()) {
      history(history_, &event, H_LOAD, options_.history.c_str());
    }
    el_set(editor_, EL_CLIENTDATA, this);
    el_set(
        editor_, EL_PROMPT,
        +[](EditLine* editor) { return From(editor).options_.prompt.data(); });
    el_set(editor_, EL_EDITOR, "emacs");
    el_set(editor_, EL_HIST, ::history, history_);
    el_set(editor_, EL_GETCFN, &Editor::GetCharacter);
    el_set(editor_, EL_ADDFN, "specula-complete", "Complete the word",
           &Editor::Complete);
    el_set(editor_, EL_BIND, "^I", "specula-complete", nullptr);
    el_set(editor_, EL_BIND, "^R", "em-inc-search-prev", nullptr);
  }
  ~Editor() override {
    history_end(history_);
    el_end(editor_);
  }
  Editor(const Editor&) = delete;
  Editor& operator=(const Editor&) = delete;

  What Read(std::string& line) override {
    Interrupt interrupt;
    interrupt_ = &interrupt;
    int count = 0;
    const char* typed = el_gets(editor_, &count);
    interrupt_ = nullptr;
    if (interrupt.interrupted()) {
      el_reset(editor_);
      Show(interrupt.terminated() ? "\n" : "^C\n");
      return Ended(interrupt);
    }
    if (typed == nullptr || count <= 0) {
      Show("\n");
      return What::kEnd;
    }
    line = std::string(
        absl::StripSuffix(absl::string_view(typed, size_t(count)), "\n"));
    if (!absl::StripAsciiWhitespace(line).empty()) Remember(line);
    return What::kLine;
  }

 private:
  static Editor& From(EditLine* editor) {
    void* self = nullptr;
    el_get(editor, EL_CLIENTDATA, &self);
    return *static_cast<Editor*>(self);
  }

  void Remember(const std::string& line) {
    HistEvent event;
    history(history_, &event, H_ENTER, line.c_str());
    // It makes the file for its owner only, and is no more than kMostHistory.
    if (!options_.history.empty()) {
      history(history_, &event, H_SAVE, options_.history.c_str());
    }
  }

  // Waits for a key or a signal; 0 ends the line.
  static int GetCharacter(EditLine* editor, wchar_t* character) {
    Editor& self = From(editor);
    std::mbstate_t state = {};
    while (self.interrupt_ != nullptr &&
           self.interrupt_->WaitReadable(STDIN_FILENO)) {
      char byte = 0;
      const ssize_t got = read(STDIN_FILENO, &byte, 1);
      if (got < 0 && (errno == EINTR || errno == EAGAIN)) continue;
      if (got <= 0) return 0;
      const size_t used = mbrtowc(character, &byte, 1, &state);
      if (used == static_cast<size_t>(-2)) continue;  // there is more of it
      if (used == static_cast<size_t>(-1)) {
        state = {};
        *character = L'?';
      }
      return 1;
    }
    return 0;
  }

  static unsigned char Complete(EditLine* editor, int) {
    const Editor& self = From(editor);
    const LineInfo* info = el_line(editor);
    const Completions found = self.options_.complete(absl::string_view(
        info->buffer, static_cast<size_t>(info->cursor - info->buffer)));
    if (found.words.empty()) return CC_ERROR;
    std::string common = found.words.front();
    for (const std::string& word : found.words) {
      size_t same = 0;
      while (same < common.size() && same < word.size() &&
             common[same] == word[same]) {
        ++same;
      }
      common.resize(same);
    }
    const bool only = found.words.size() == 1;
    if (common.size() > found.word || only) {
      if (common.size() >= found.word) {
        const std::string rest = common.substr(found.word) + (only ? " " : "");
        el_insertstr(editor, rest.c_str());
      }
      return CC_REFRESH;
    }
    constexpr size_t kMostShown = 60;
    std::string list = "\n";
    for (size_t i = 0; i < found.words.size() && i < kMostShown; ++i) {
      list += EscapeControls(found.words[i]) + "  ";
    }
    if (found.words.size() > kMostShown) list += "…";
    Show(list + "\n");
    return CC_REDISPLAY;
  }

  EditorOptions options_;
  EditLine* const editor_;
  History* const history_;
  Interrupt* interrupt_ = nullptr;  // of the Read that is under way
};

}  // namespace

std::unique_ptr<LineReader> ReadScript(int fd) {
  return std::make_unique<Script>(fd);
}

std::unique_ptr<LineReader> EditLines(EditorOptions options) {
  return std::make_unique<Editor>(std::move(options));
}

}  // namespace specula::ctl
