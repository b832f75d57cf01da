#ifndef SPECULA_CTL_UI_SCREEN_H_
#define SPECULA_CTL_UI_SCREEN_H_

#include <memory>
#include <optional>
#include <vector>

#include "absl/status/statusor.h"
#include "ctl/ui/frame.h"
#include "ctl/ui/keys.h"
#include "lib/base/unique_fd.h"

namespace specula::ctl {

// The terminal on standard input and output: draws frames and gives keys. The
// only one who knows ncurses. It has the terminal from Open on and gives it
// back as it was at its end, in Suspend, and when the program is killed by a
// signal that can be caught or crashes. Open it before threads are made, as it
// blocks SIGWINCH. One at a time, one thread.
class Screen {
 public:
  struct Options {
    bool ascii = false;   // nothing but ASCII, whatever the locale
    bool colours = true;  // NO_COLOR counts as well
    bool mouse = true;
  };

  // FAILED_PRECONDITION says what is missing: a terminal, or what is known of
  // its kind.
  static absl::StatusOr<std::unique_ptr<Screen>> Open(const Options& options);
  ~Screen();
  Screen(const Screen&) = delete;
  Screen& operator=(const Screen&) = delete;

  // The size it has now, in columns and lines.
  struct Size {
    size_t width = 0, height = 0;
    bool operator==(const Size&) const = default;
  };
  Size size() const;

  // Takes over the terminal's size after it has changed, and forgets what is
  // there. Whether it had.
  bool Resize();
  // For poll(2): readable when the size has changed (SIGWINCH), until Resize.
  int resize_fd() const { return resized_.get(); }

  // Whether it shows more than ASCII.
  bool utf8() const { return utf8_; }

  // Shows a frame, of which only changed lines are drawn.
  void Draw(const Frame& frame);
  // Forgets what is there, so that the next Draw draws all.
  void Forget();

  // The next key that is there; nullopt: none is. Never waits, except some
  // milliseconds after an escape.
  std::optional<KeyEvent> NextKey();

  // Gives the terminal back for a while, and takes it again.
  void Leave();
  void Return();
  // Ctrl-Z: stops the program as the shell would, and takes the terminal again
  // when it goes on.
  void Suspend();

 private:
  struct Terminal;
  Screen(const Options& options, bool utf8);
  void DrawLine(int y, const Line& line);

  const Options options_;
  const bool utf8_;
  std::unique_ptr<Terminal> terminal_;
  UniqueFd resized_;
  std::vector<Line> shown_;
  bool redraw_ = true;
};

}  // namespace specula::ctl

#endif  // SPECULA_CTL_UI_SCREEN_H_
