#include "ctl/ui/screen.h"

#include <langinfo.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <clocale>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "lib/base/format.h"

// Last: its macros have the names of many things.
#define NCURSES_NOMACROS 1
#define NCURSES_WIDECHAR 1
#include <ncurses.h>

namespace specula::ctl {
namespace {

constexpr int kEscapeMilliseconds = 25;
// What a terminal may be killed by while it is ours. SIGINT and SIGTERM come
// another way (see Interrupt).
constexpr std::array kDeadly = {SIGSEGV, SIGBUS, SIGFPE, SIGILL,
                                SIGABRT, SIGHUP, SIGQUIT};

// Of the terminal as it was: for a handler, which may touch nothing else.
termios saved_modes;  // NOLINT: one terminal, one process

// Writes what every terminal of today knows: no mouse, the first screen, plain
// text, a visible cursor; then dies as it would have.
void GiveBackAndDie(int signal_number) {
  static constexpr char kReset[] =
      "\033[?1000l\033[?1002l\033[?1006l\033[0m\033[?25h\033[?1049l\r\n";
  [[maybe_unused]] const ssize_t written =
      write(STDOUT_FILENO, kReset, sizeof kReset - 1);
  tcsetattr(STDIN_FILENO, TCSANOW, &saved_modes);
  raise(signal_number);  // its default again, as of SA_RESETHAND
}

// Whether the locale's text is UTF-8. One that is asked for but not installed
// counts as that.
bool TakeLocale() {
  if (setlocale(LC_CTYPE, "") == nullptr) {
    for (const char* name : {"LC_ALL", "LC_CTYPE", "LANG"}) {
      const char* value = std::getenv(name);
      if (value == nullptr || *value == '\0') continue;
      if (absl::StrContains(value, "UTF-8") ||
          absl::StrContains(value, "utf8")) {
        setlocale(LC_CTYPE, "C.UTF-8");
      }
      break;
    }
  }
  return strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
}

enum Pair : short { kYellow = 1, kRed, kCyan };

chtype AttributesOf(Style style, bool colours) {
  auto colour = [colours](Pair pair) {
    return colours ? static_cast<chtype>(COLOR_PAIR(pair)) : chtype{A_NORMAL};
  };
  switch (style) {
    case Style::kPlain:
      return A_NORMAL;
    case Style::kDim:
      return A_DIM;
    case Style::kTitle:
      return A_BOLD;
    case Style::kWarning:
      return colour(kYellow);
    case Style::kCritical:
      return colour(kRed) | A_BOLD;
    case Style::kSelected:
      return A_REVERSE;
    case Style::kMarked:
      return colour(kCyan) | A_BOLD;
    case Style::kKey:
      return A_REVERSE;
  }
  return A_NORMAL;
}

KeyEvent Key(KeyEvent::Code code) { return {.code = code}; }

std::optional<KeyEvent> SpecialKey(wint_t key) {
  using Code = KeyEvent::Code;
  switch (key) {
    case KEY_UP:
      return Key(Code::kUp);
    case KEY_DOWN:
      return Key(Code::kDown);
    case KEY_LEFT:
      return Key(Code::kLeft);
    case KEY_RIGHT:
      return Key(Code::kRight);
    case KEY_PPAGE:
      return Key(Code::kPageUp);
    case KEY_NPAGE:
      return Key(Code::kPageDown);
    case KEY_HOME:
      return Key(Code::kHome);
    case KEY_END:
      return Key(Code::kEnd);
    case KEY_ENTER:
      return Key(Code::kEnter);
    case KEY_BACKSPACE:
      return Key(Code::kBackspace);
    case KEY_DC:
      return Key(Code::kDelete);
    case KEY_F(1):
      return Key(Code::kF1);
    case KEY_MOUSE: {
      MEVENT mouse;
      if (getmouse(&mouse) != OK) return std::nullopt;
      KeyEvent event;
      event.x = mouse.x;
      event.y = mouse.y;
      event.code = (mouse.bstate & BUTTON4_PRESSED) != 0   ? Code::kWheelUp
                   : (mouse.bstate & BUTTON5_PRESSED) != 0 ? Code::kWheelDown
                                                           : Code::kClick;
      return event;
    }
    default:
      return std::nullopt;
  }
}

KeyEvent Typed(wint_t character) {
  using Code = KeyEvent::Code;
  switch (character) {
    case '\r':
    case '\n':
      return Key(Code::kEnter);
    case 0x1b:
      return Key(Code::kEscape);
    case 0x7f:
    case 0x08:
      return Key(Code::kBackspace);
    case '\t':
      return Key(Code::kTab);
    case 0x01:
      return Key(Code::kHome);
    case 0x05:
      return Key(Code::kEnd);
    case 0x03:
      return Key(Code::kInterrupt);
    case 0x1a:
      return Key(Code::kSuspend);
    case 0x0c:
      return Key(Code::kRedraw);
    case 0x15:
      return Key(Code::kEraseLine);
    case 0x17:
      return Key(Code::kEraseWord);
    default:
      return {.code = Code::kCharacter,
              .character = static_cast<char32_t>(character)};
  }
}

}  // namespace

// What of the process is changed while the terminal is ours.
struct Screen::Terminal {
  SCREEN* screen = nullptr;
  bool colours = false;
  std::array<struct sigaction, kDeadly.size()> handlers = {};
};

absl::StatusOr<std::unique_ptr<Screen>> Screen::Open(const Options& options) {
  if (isatty(STDIN_FILENO) == 0 || isatty(STDOUT_FILENO) == 0) {
    return absl::FailedPreconditionError(
        "top needs a terminal on standard input and output; --once shows the "
        "table without one, --once --json for programs");
  }
  const bool utf8 = TakeLocale();
  std::unique_ptr<Screen> screen(new Screen(options, utf8 && !options.ascii));
  if (screen->terminal_->screen == nullptr) {
    const char* kind = std::getenv("TERM");
    return absl::FailedPreconditionError(
        kind == nullptr || *kind == '\0'
            ? "TERM is not set: what kind of terminal this is is not known; "
              "try TERM=xterm"
            : absl::StrCat(
                  "there is no terminfo entry for TERM=", EscapeControls(kind),
                  "; install it (ncurses-term), or try TERM=xterm"));
  }
  return screen;
}

Screen::Screen(const Options& options, bool utf8)
    : options_(options), utf8_(utf8), terminal_(std::make_unique<Terminal>()) {
  tcgetattr(STDIN_FILENO, &saved_modes);
  sigset_t changes;
  sigemptyset(&changes);
  sigaddset(&changes, SIGWINCH);
  pthread_sigmask(SIG_BLOCK, &changes, nullptr);
  resized_.Reset(signalfd(-1, &changes, SFD_CLOEXEC | SFD_NONBLOCK));
  // ncurses puts a handler of its own where there is none; Ctrl-Z is a key to
  // us, and a handler would run on any of gRPC's threads.
  signal(SIGTSTP, SIG_IGN);
  terminal_->screen = newterm(nullptr, stdout, stdin);
  signal(SIGTSTP, SIG_DFL);
  if (terminal_->screen == nullptr) return;
  struct sigaction action = {};
  action.sa_handler = GiveBackAndDie;
  action.sa_flags = SA_RESETHAND | SA_NODEFER;
  for (size_t i = 0; i < kDeadly.size(); ++i) {
    sigaction(kDeadly[i], &action, &terminal_->handlers[i]);
  }
  raw();
  noecho();
  nonl();
  keypad(stdscr, TRUE);
  nodelay(stdscr, TRUE);
  set_escdelay(kEscapeMilliseconds);
  curs_set(0);
  const char* no_colour = std::getenv("NO_COLOR");
  if (options_.colours && (no_colour == nullptr || *no_colour == '\0') &&
      has_colors() && start_color() == OK) {
    const short background =
        use_default_colors() == OK ? short{-1} : short{COLOR_BLACK};
    init_pair(kYellow, COLOR_YELLOW, background);
    init_pair(kRed, COLOR_RED, background);
    init_pair(kCyan, COLOR_CYAN, background);
    terminal_->colours = true;
  }
  if (options_.mouse) {
    mousemask(BUTTON1_PRESSED | BUTTON4_PRESSED | BUTTON5_PRESSED, nullptr);
    mouseinterval(0);  // a press is a press at once
  }
}

Screen::~Screen() {
  if (terminal_->screen == nullptr) return;
  if (isendwin() == FALSE) endwin();
  delscreen(terminal_->screen);
  for (size_t i = 0; i < kDeadly.size(); ++i) {
    sigaction(kDeadly[i], &terminal_->handlers[i], nullptr);
  }
}

Screen::Size Screen::size() const {
  return {static_cast<size_t>(getmaxx(stdscr)),
          static_cast<size_t>(getmaxy(stdscr))};
}

bool Screen::Resize() {
  // Also when the size is what it was: a terminal that was smaller meanwhile
  // has lost what stood there.
  bool changed = false;
  signalfd_siginfo info;
  while (read(resized_.get(), &info, sizeof info) == sizeof info) {
    changed = true;
  }
  winsize now = {};
  if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &now) == 0 && now.ws_row != 0 &&
      now.ws_col != 0 && size() != Size{now.ws_col, now.ws_row}) {
    resizeterm(now.ws_row, now.ws_col);
    changed = true;
  }
  if (changed) Forget();
  return changed;
}

void Screen::Forget() {
  shown_.clear();
  redraw_ = true;
}

void Screen::DrawLine(int y, const Line& line) {
  int x = 0;
  for (const Span& span : line.spans()) {
    const std::string text = utf8_ ? span.text : ToAscii(span.text);
    attrset(static_cast<int>(AttributesOf(span.style, terminal_->colours)));
    mvaddnstr(y, x, text.c_str(), static_cast<int>(text.size()));
    x = getcurx(stdscr);
    // At the last column the cursor stays or goes on to the next line.
    if (getcury(stdscr) != y) break;
  }
  attrset(A_NORMAL);
  if (getcury(stdscr) == y && static_cast<size_t>(x) < size().width &&
      line.width() < size().width) {
    clrtoeol();
  }
}

void Screen::Draw(const Frame& frame) {
  if (redraw_) {
    erase();
    clearok(stdscr, TRUE);
  }
  const size_t height = std::min(frame.lines.size(), size().height);
  auto same = [](const Line& a, const Line& b) {
    return a.spans().size() == b.spans().size() &&
           std::equal(a.spans().begin(), a.spans().end(), b.spans().begin(),
                      [](const Span& left, const Span& right) {
                        return left.style == right.style &&
                               left.text == right.text;
                      });
  };
  for (size_t y = 0; y < height; ++y) {
    if (!redraw_ && y < shown_.size() && same(shown_[y], frame.lines[y])) {
      continue;
    }
    DrawLine(static_cast<int>(y), frame.lines[y]);
  }
  shown_ = frame.lines;
  redraw_ = false;
  curs_set(frame.cursor_y >= 0 ? 1 : 0);
  if (frame.cursor_y >= 0) {
    move(frame.cursor_y, frame.cursor_x);
  } else {
    move(static_cast<int>(height) - 1, 0);
  }
  refresh();
}

std::optional<KeyEvent> Screen::NextKey() {
  while (true) {
    wint_t key = 0;
    const int kind = get_wch(&key);
    if (kind == ERR) return std::nullopt;
    if (kind == OK) return Typed(key);
    if (std::optional<KeyEvent> special = SpecialKey(key)) return special;
  }
}

void Screen::Leave() {
  // Below what stands there, as after any command.
  endwin();
}

void Screen::Return() {
  Resize();
  refresh();
  Forget();
}

void Screen::Suspend() {
  Leave();
  kill(0, SIGTSTP);  // the whole job, as a terminal's Ctrl-Z does
  Return();
}

}  // namespace specula::ctl
