#include "ctl/top_session.h"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <optional>

#include "ctl/commands/read.h"
#include "ctl/exit_code.h"
#include "lib/base/clock.h"

namespace specula::ctl {
namespace {

constexpr absl::Duration kLeastBetweenNews = absl::Milliseconds(100);
// The clock moves on without news, and so do ages: a frame is drawn when one
// of those that it shows is no longer right, though not more often than this.
constexpr absl::Duration kTick = absl::Seconds(1);
constexpr absl::Duration kLeastTick = absl::Milliseconds(100);
// A cursor that flies by asks no host for its processes.
constexpr absl::Duration kRestBeforeFocus = absl::Milliseconds(300);
// A paste must not keep the table from being drawn.
constexpr int kMostKeysAtOnce = 200;

// Waits for Enter on the plain terminal; for Ctrl-C too.
void AwaitEnter(Interrupt& interrupt) {
  Print("\n-- press Enter to go back to the table -- ");
  pollfd fds[] = {{STDIN_FILENO, POLLIN, 0}, {interrupt.fd(), POLLIN, 0}};
  while (!interrupt.Wait(absl::ZeroDuration())) {
    if (poll(fds, 2, -1) <= 0 || fds[0].revents == 0) continue;
    char typed[256];
    const ssize_t got = read(STDIN_FILENO, typed, sizeof typed);
    if (got <= 0 || std::find(typed, typed + got, '\n') != typed + got) return;
  }
}

class Loop {
 public:
  Loop(const TopSession& session, Screen& screen, Feed& feed, TopState& state,
       Interrupt& interrupt)
      : session_(session),
        screen_(screen),
        feed_(feed),
        state_(state),
        interrupt_(interrupt) {}

  int Run() {
    TakeNews();
    Draw();
    while (!quit_) {
      Wait();
      if (interrupt_.Wait(absl::ZeroDuration())) return kExitInterrupted;
      bool draw = screen_.Resize();
      draw |= HandleKeys();
      if (quit_) break;
      const absl::Duration now = MonotonicNow();
      if (news_ready_ && now >= next_news_) {
        TakeNews();
        draw = true;
      } else if (now >= next_tick_) {
        state_.Settle(feed_.Now());
        draw = true;
      }
      Focus();
      if (draw) Draw();
    }
    return exit_code_;
  }

 private:
  void Wait() {
    const absl::Duration now = MonotonicNow();
    absl::Duration until = next_tick_;
    if (news_ready_) until = std::min(until, next_news_);
    if (focus_due_.has_value()) until = std::min(until, *focus_due_);
    // News that may not be taken yet would only wake us again and again.
    pollfd fds[] = {{STDIN_FILENO, POLLIN, 0},
                    {interrupt_.fd(), POLLIN, 0},
                    {screen_.resize_fd(), POLLIN, 0},
                    {news_ready_ ? -1 : feed_.wake_fd(), POLLIN, 0}};
    const timespec timeout =
        absl::ToTimespec(std::max(until - now, absl::ZeroDuration()));
    if (ppoll(fds, 4, &timeout, nullptr) <= 0) return;
    if (fds[3].revents != 0) news_ready_ = true;
    // A terminal that has gone away leaves nobody to show anything to.
    if ((fds[0].revents & (POLLHUP | POLLERR | POLLNVAL)) != 0) {
      quit_ = true;
      exit_code_ = kExitInterrupted;
    }
  }

  void TakeNews() {
    Feed::News news = feed_.Take();
    if (session_.record) session_.record(news);
    const absl::Time now = feed_.Now();
    state_.Take(std::move(news), now);
    state_.Settle(now);
    news_ready_ = false;
    next_news_ = MonotonicNow() + kLeastBetweenNews;
  }

  bool HandleKeys() {
    bool any = false;
    for (int i = 0; i < kMostKeysAtOnce && !quit_; ++i) {
      const std::optional<KeyEvent> key = screen_.NextKey();
      if (!key.has_value()) break;
      any = true;
      Apply(HandleKey(*key, layout_, feed_.Now(), session_.zone, state_));
    }
    return any;
  }

  void Apply(const Effect& effect) {
    switch (effect.kind) {
      case Effect::Kind::kNone:
        return;
      case Effect::Kind::kQuit:
        quit_ = true;
        return;
      case Effect::Kind::kSuspend:
        screen_.Suspend();
        return;
      case Effect::Kind::kRedraw:
        screen_.Forget();
        return;
      case Effect::Kind::kAct:
        Act();
        return;
      case Effect::Kind::kRefresh:
        feed_.Refresh();
        return;
      case Effect::Kind::kPause:
        feed_.Pause(state_.paused);
        return;
      case Effect::Kind::kInterval:
        feed_.SetInterval(state_.options.interval);
        return;
      case Effect::Kind::kStep:
      case Effect::Kind::kPlay:
      case Effect::Kind::kSpeed:
      case Effect::Kind::kSeek:
        if (session_.replay) session_.replay(effect, state_);
        TakeNews();
        return;
    }
  }

  void Act() {
    screen_.Leave();
    {
      // Its own, so that Ctrl-C ends the action and not the table.
      Interrupt interrupt;
      session_.act(state_.action, interrupt);
      if (!interrupt.terminated()) {
        Interrupt enter;
        AwaitEnter(enter);
        quit_ = enter.terminated();
      } else {
        quit_ = true;
      }
    }
    if (quit_) {
      exit_code_ = kExitInterrupted;
      return;
    }
    screen_.Return();
  }

  // Asks for the processes of the host under the cursor, once it rests there.
  void Focus() {
    std::optional<size_t> wanted;
    if (layout_.shows_processes) wanted = state_.cursor;
    if (wanted == focus_ && state_.process_order == order_) {
      focus_due_.reset();
      return;
    }
    const absl::Duration now = MonotonicNow();
    if (wanted != wanted_ || !focus_due_.has_value()) {
      wanted_ = wanted;
      focus_due_ = now + kRestBeforeFocus;
    }
    if (now < *focus_due_) return;
    feed_.FocusOn(wanted, state_.process_order);
    focus_ = wanted;
    order_ = state_.process_order;
    focus_due_.reset();
  }

  void Draw() {
    const Screen::Size size = screen_.size();
    TopScreen drawn = DrawTop({.width = size.width,
                               .height = size.height,
                               .braille = screen_.utf8(),
                               .zone = session_.zone},
                              feed_.Now(), state_);
    layout_ = std::move(drawn.layout);
    screen_.Draw(drawn.frame);
    next_tick_ =
        MonotonicNow() + std::clamp(layout_.ages_hold, kLeastTick, kTick);
  }

  const TopSession& session_;
  Screen& screen_;
  Feed& feed_;
  TopState& state_;
  Interrupt& interrupt_;
  TopLayout layout_;
  bool quit_ = false;
  int exit_code_ = kExitOk;
  bool news_ready_ = false;
  absl::Duration next_news_;
  absl::Duration next_tick_;
  std::optional<size_t> focus_;
  std::optional<size_t> wanted_;
  v1::ProcessOrder order_ = v1::PROCESS_ORDER_CPU;
  std::optional<absl::Duration> focus_due_;
};

}  // namespace

int RunTopSession(const TopSession& session, Screen& screen, Feed& feed,
                  TopState& state, Interrupt& interrupt) {
  return Loop(session, screen, feed, state, interrupt).Run();
}

}  // namespace specula::ctl
