#include "ctl/ui/keys.h"

#include <algorithm>
#include <iterator>
#include <vector>

#include "absl/strings/str_cat.h"
#include "ctl/ui/prompt.h"
#include "lib/base/format.h"

namespace specula::ctl {
namespace {

using Code = KeyEvent::Code;
using Kind = Effect::Kind;

constexpr int64_t kWheelRows = 3;
constexpr size_t kMostNamed = 3;
// What an agent's Watch takes.
constexpr absl::Duration kLeastInterval = absl::Milliseconds(200);
constexpr absl::Duration kMostInterval = absl::Hours(1);
constexpr absl::Duration kIntervals[] = {
    absl::Milliseconds(200), absl::Milliseconds(500), absl::Seconds(1),
    absl::Seconds(2),        absl::Seconds(5),        absl::Seconds(10),
    absl::Seconds(30),       absl::Minutes(1),        absl::Minutes(5),
    absl::Minutes(15),       absl::Hours(1)};

int64_t Signed(size_t number) { return static_cast<int64_t>(number); }

void OpenPage(Page page, TopState& state) {
  if (state.page == Page::kTable || state.page == Page::kHost) {
    state.page_before = state.page;
  }
  state.page = page;
  state.scroll = 0;
}

void MoveProcess(int64_t rows, TopState& state) {
  const v1::ProcessesResponse* all = state.Processes();
  if (all == nullptr || all->processes().empty()) return;
  const v1::Process* now = state.SelectedProcess();
  int64_t at = 0;
  for (int i = 0; i < all->processes_size(); ++i) {
    if (&all->processes(i) == now) at = i;
  }
  const int64_t last = all->processes_size() - 1;
  at = std::clamp<int64_t>(at + std::clamp(rows, -last, last), 0, last);
  const v1::Process& process = all->processes(static_cast<int>(at));
  state.process = {process.pid(), process.start_ticks()};
}

void Move(int64_t rows, TopState& state) {
  switch (state.page) {
    case Page::kTable:
      state.MoveCursor(rows);
      return;
    case Page::kHost:
      MoveProcess(rows, state);
      return;
    case Page::kColumns: {
      const int64_t last = Signed(AllColumns().size()) - 1;
      state.column_row = static_cast<size_t>(std::clamp<int64_t>(
          Signed(state.column_row) + std::clamp(rows, -last, last), 0, last));
      return;
    }
    case Page::kHelp:
    case Page::kExplain: {
      // The view cuts what is beyond the end.
      constexpr int64_t kMost = 100'000;
      state.scroll = static_cast<size_t>(std::clamp<int64_t>(
          Signed(state.scroll) + std::clamp(rows, -kMost, kMost), 0, kMost));
      return;
    }
  }
}

int64_t PageRows(const TopState& state) {
  return Signed(std::max<size_t>(
      state.page == Page::kHost ? state.process_rows : state.table_rows, 1));
}

bool IsMove(Code code) {
  return code == Code::kUp || code == Code::kDown || code == Code::kPageUp ||
         code == Code::kPageDown || code == Code::kHome || code == Code::kEnd ||
         code == Code::kWheelUp || code == Code::kWheelDown;
}

void MoveBy(Code code, TopState& state) {
  constexpr int64_t kFar = 1'000'000;
  const int64_t rows = code == Code::kUp         ? -1
                       : code == Code::kDown     ? 1
                       : code == Code::kPageUp   ? -PageRows(state)
                       : code == Code::kPageDown ? PageRows(state)
                       : code == Code::kHome     ? -kFar
                       : code == Code::kEnd      ? kFar
                       : code == Code::kWheelUp  ? -kWheelRows
                                                 : kWheelRows;
  Move(rows, state);
}

// The column beside `column`, over those that can be ranked and are shown.
ColumnId Beside(ColumnId column, int step, const TopState& state) {
  std::vector<ColumnId> ids;
  for (const Column& one : AllColumns()) {
    if (IsSortable(one.id) &&
        (state.hidden.count(one.id) == 0 || one.id == column)) {
      ids.push_back(one.id);
    }
  }
  const auto at = Signed(static_cast<size_t>(
      std::find(ids.begin(), ids.end(), column) - ids.begin()));
  const int64_t to = std::clamp<int64_t>(at + step, 0, Signed(ids.size()) - 1);
  return ids[static_cast<size_t>(to)];
}

void SortBeside(int step, absl::Time now, TopState& state) {
  if (state.page == Page::kHost) {
    state.process_order = state.process_order == v1::PROCESS_ORDER_MEMORY
                              ? v1::PROCESS_ORDER_CPU
                              : v1::PROCESS_ORDER_MEMORY;
    return;
  }
  const ColumnId column = Beside(state.order.column(), step, state);
  state.SortBy(column, RowOrder::DescendsByDefault(column), now);
}

Effect Click(const KeyEvent& key, const TopLayout& layout, absl::Time now,
             TopState& state) {
  if (state.page == Page::kTable && key.y == layout.header_y) {
    for (const TopLayout::Title& title : layout.titles) {
      if (key.x < static_cast<int>(title.begin) ||
          key.x >= static_cast<int>(title.end) || !IsSortable(title.column)) {
        continue;
      }
      const bool again = state.order.column() == title.column;
      state.SortBy(title.column,
                   again ? !state.order.descending()
                         : RowOrder::DescendsByDefault(title.column),
                   now);
    }
    return {};
  }
  const int row = key.y - layout.rows_y;
  if (row < 0 || row >= static_cast<int>(layout.rows)) return {};
  const size_t at = layout.first + static_cast<size_t>(row);
  if (state.page == Page::kTable) {
    state.PutCursor(at);
  } else if (state.page == Page::kHost) {
    const v1::ProcessesResponse* all = state.Processes();
    if (all != nullptr && at < static_cast<size_t>(all->processes_size())) {
      const v1::Process& one = all->processes(static_cast<int>(at));
      state.process = {one.pid(), one.start_ticks()};
    }
  }
  return {};
}

Effect ChangeInterval(int step, TopState& state) {
  absl::Duration& interval = state.options.interval;
  if (step > 0) {
    const auto* next = std::upper_bound(std::begin(kIntervals),
                                        std::end(kIntervals), interval);
    interval = next == std::end(kIntervals) ? kMostInterval : *next;
  } else {
    const auto* here = std::lower_bound(std::begin(kIntervals),
                                        std::end(kIntervals), interval);
    interval = here == std::begin(kIntervals) ? kLeastInterval : *(here - 1);
  }
  state.model.set_interval(interval);
  state.message =
      absl::StrCat("a snapshot every ", absl::FormatDuration(interval));
  return {.kind = Kind::kInterval};
}

// Whom an action would be for; false, with the reason said, if it may not be.
bool Prepare(Action::Kind kind, TopState& state) {
  if (!state.CanAct()) {
    state.message = state.options.no_actions;
    return false;
  }
  state.action = {};
  state.action.kind = kind;
  if (state.page == Page::kHost && state.cursor.has_value()) {
    state.action.hosts = {*state.cursor};
  } else {
    state.action.hosts = state.Chosen();
  }
  if (state.action.hosts.empty()) {
    state.message = "there is no host to do that on";
    return false;
  }
  return true;
}

void AskForAction(Action::Kind kind, Prompt::Kind prompt,
                  absl::string_view what, TopState& state) {
  if (!Prepare(kind, state)) return;
  OpenPrompt(prompt,
             absl::StrCat(what, " on ",
                          NamesOf(state, state.action.hosts, kMostNamed), ": "),
             "", state);
}

void AskForSignal(TopState& state) {
  if (state.page != Page::kHost) {
    AskForAction(Action::Kind::kKillByName, Prompt::Kind::kKillByName,
                 "signal [-TERM] [-f] processes named (regex)", state);
    return;
  }
  if (!Prepare(Action::Kind::kKillProcess, state)) return;
  const v1::Process* process = state.SelectedProcess();
  if (process == nullptr) {
    state.message = "no process is selected, or it has ended";
    return;
  }
  state.action.pid = process->pid();
  state.action.start_ticks = process->start_ticks();
  state.action.text = process->name();
  OpenPrompt(
      Prompt::Kind::kKillProcess,
      absl::StrCat("signal to pid ", process->pid(), " (", process->name(),
                   ", ", process->user(), ") on ",
                   NamesOf(state, state.action.hosts, 1), ", Esc for none: "),
      "TERM", state);
}

// Keys that mean the same in the table and in the host view.
Effect CommonKey(char32_t key, absl::Time now, TopState& state) {
  switch (key) {
    case 'q':
      return {.kind = Kind::kQuit};
    case 'h':
    case '?':
      OpenPage(Page::kHelp, state);
      return {};
    case 'x':
      state.explained = state.order.column();
      OpenPage(Page::kExplain, state);
      return {};
    case 'e':
      AskForAction(Action::Kind::kExec, Prompt::Kind::kExec, "run", state);
      return {};
    case 't':
      AskForAction(Action::Kind::kTail, Prompt::Kind::kTail, "follow the file",
                   state);
      return {};
    case 'k':
      AskForSignal(state);
      return {};
    case '<':
    case '>':
      SortBeside(key == '<' ? -1 : 1, now, state);
      return {};
    case 'u':
      state.paused = !state.paused;
      return {.kind = Kind::kPause};
    case 's':
      if (state.options.replay) return {};
      if (state.paused) {
        state.message = "paused: nothing is asked; u goes on";
        return {};
      }
      state.message = "asking all hosts";
      return {.kind = Kind::kRefresh};
    case '+':
    case '=':
    case '-':
      if (state.options.replay) {
        return {.kind = Kind::kSpeed, .amount = key == '-' ? -1 : 1};
      }
      return ChangeInterval(key == '-' ? -1 : 1, state);
    case '[':
    case ']':
      if (!state.options.replay) break;
      return {.kind = Kind::kStep, .amount = key == '[' ? -1 : 1};
    case 'p':
      if (!state.options.replay) break;
      return {.kind = Kind::kPlay};
    case 'g':
      if (!state.options.replay) break;
      OpenPrompt(Prompt::Kind::kTime, "go to (14:32 or 2026-11-25 14:32): ", "",
                 state);
      return {};
    case 'j':
      Move(1, state);
      return {};
    default:
      break;
  }
  return {};
}

Effect TableKey(char32_t key, absl::Time now, TopState& state) {
  switch (key) {
    case ' ':
      if (state.cursor.has_value()) {
        state.marked[*state.cursor] = !state.marked[*state.cursor];
        state.MoveCursor(1);
      }
      return {};
    case '*': {
      // All that are shown; if they all are marked, none.
      const bool all = std::all_of(
          state.visible.begin(), state.visible.end(),
          [&state](size_t host) { return bool{state.marked[host]}; });
      for (const size_t host : state.visible) state.marked[host] = !all;
      return {};
    }
    case '/':
      state.filter_before = state.filter;
      OpenPrompt(Prompt::Kind::kFilter, "filter: ", state.filter.text(), state);
      return {};
    case 'I':
      state.SortBy(state.order.column(), !state.order.descending(), now);
      return {};
    case 'c':
      OpenPage(Page::kColumns, state);
      return {};
    case 'w':
      state.wide = !state.wide;
      return {};
    default:
      return CommonKey(key, now, state);
  }
}

Effect PageKey(const KeyEvent& key, TopState& state) {
  const bool back = key.code == Code::kEscape || key.code == Code::kEnter ||
                    key.code == Code::kF1;
  if (back || (key.code == Code::kCharacter &&
               (key.character == 'q' || key.character == 'h' ||
                key.character == 'x' || key.character == 'c'))) {
    state.page = state.page_before;
    return {};
  }
  if (state.page == Page::kExplain &&
      (key.code == Code::kLeft || key.code == Code::kRight)) {
    state.explained =
        Beside(state.explained, key.code == Code::kLeft ? -1 : 1, state);
    state.scroll = 0;
  }
  if (state.page == Page::kColumns && key.character == ' ') {
    const ColumnId id = AllColumns()[state.column_row].id;
    // A row without its host says nothing.
    if (id == ColumnId::kHost) return {};
    if (state.hidden.erase(id) == 0) state.hidden.insert(id);
  }
  if (key.character == 'j') Move(1, state);
  return {};
}

}  // namespace

Effect HandleKey(const KeyEvent& key, const TopLayout& layout, absl::Time now,
                 absl::TimeZone zone, TopState& state) {
  if (key.code == Code::kRedraw) return {.kind = Kind::kRedraw};
  if (key.code == Code::kSuspend) return {.kind = Kind::kSuspend};
  if (state.prompt.kind != Prompt::Kind::kNone) {
    return HandlePromptKey(key, now, zone, state);
  }
  state.message.clear();
  state.HoldCursor();
  if (key.code == Code::kInterrupt) return {.kind = Kind::kQuit};
  if (IsMove(key.code)) {
    MoveBy(key.code, state);
    return {};
  }
  if (key.code == Code::kClick) return Click(key, layout, now, state);
  if (state.page != Page::kTable && state.page != Page::kHost) {
    return PageKey(key, state);
  }
  if (key.code == Code::kF1) {
    OpenPage(Page::kHelp, state);
    return {};
  }
  if (state.page == Page::kHost) {
    if (key.code == Code::kEscape) {
      state.page = Page::kTable;
      state.Settle(now);
      return {};
    }
    return key.code == Code::kCharacter ? CommonKey(key.character, now, state)
                                        : Effect{};
  }
  switch (key.code) {
    case Code::kEnter:
      if (state.cursor.has_value()) state.page = Page::kHost;
      return {};
    case Code::kEscape:
      // What narrows or marks is let go, one after the other.
      if (state.CountMarked() > 0) {
        state.marked.assign(state.marked.size(), false);
      } else if (!state.filter.empty()) {
        state.filter = {};
        state.Settle(now);
      }
      return {};
    case Code::kLeft:
    case Code::kRight:
      SortBeside(key.code == Code::kLeft ? -1 : 1, now, state);
      return {};
    case Code::kCharacter:
      return TableKey(key.character, now, state);
    default:
      return {};
  }
}

}  // namespace specula::ctl
