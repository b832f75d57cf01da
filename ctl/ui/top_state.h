#ifndef SPECULA_CTL_UI_TOP_STATE_H_
#define SPECULA_CTL_UI_TOP_STATE_H_

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "ctl/ui/columns.h"
#include "ctl/ui/feed.h"
#include "ctl/ui/filter.h"
#include "ctl/ui/fleet_model.h"
#include "ctl/ui/row_order.h"

// What the operator sees of the fleet and what he is doing there, as a value:
// keys change it, the view shows it. Pure; no terminal, no network.
namespace specula::ctl {

enum class Page {
  kTable,
  kHost,  // one host in full
  kHelp,
  kExplain,  // one number: what it is and where it comes from
  kColumns,  // which columns are shown
};

// What is done to hosts from the table.
struct Action {
  enum class Kind { kExec, kTail, kKillByName, kKillProcess };
  Kind kind = Kind::kExec;
  std::string text;           // the command, the path, or the processes' name
  std::vector<size_t> hosts;  // at least one
  int signal = 0;             // 0: TERM
  bool full = false;          // of kKillByName: by the command line
  int64_t pid = 0;            // of kKillProcess, with its guard
  int64_t start_ticks = 0;
};

// A line of text that is being typed.
struct Prompt {
  enum class Kind {
    kNone,
    kFilter,
    kExec,
    kTail,
    kKillByName,
    kKillProcess,
    kConfirm,
    kTime,
  };
  Kind kind = Kind::kNone;
  std::string label;
  std::string text;
  size_t at = 0;  // the byte of `text` before which the cursor stands
  std::string error;
};

struct TopState {
  struct Options {
    absl::Duration interval = absl::Seconds(2);
    // Why nothing can be done to hosts; empty: it can.
    std::string no_actions;
    bool replay = false;
  };

  TopState(std::vector<FleetHost> hosts, const Options& options);

  // Takes what was heard.
  void Take(Feed::News news, absl::Time now);
  // Brings `visible` and the cursor in line with order and filter. After Take,
  // when time has passed, and after keys that change either.
  void Settle(absl::Time now);
  // From now on the selection follows its host. Until the first key, or until
  // the fleet has been heard of for a while, it stays on the first row.
  void HoldCursor() { follows_top_ = false; }

  void SortBy(ColumnId column, bool descending, absl::Time now);
  // Moves the cursor by so many rows, as far as there are rows.
  void MoveCursor(int64_t rows);
  void PutCursor(size_t row);
  // The row of the cursor among `visible`; nullopt if there is none.
  std::optional<size_t> CursorRow() const;

  // Whom an action is for: the marked hosts, else the one under the cursor, in
  // the fleet's order.
  std::vector<size_t> Chosen() const;
  size_t CountMarked() const;
  bool CanAct() const { return options.no_actions.empty(); }

  // The processes of the host under the cursor as they were last sent; null:
  // none were.
  const v1::ProcessesResponse* Processes() const;
  // The one that is selected in the host view; null: there is none.
  const v1::Process* SelectedProcess() const;

  Options options;
  FleetModel model;
  RowOrder order;
  Filter filter;
  std::set<std::string> labels;  // that the hosts have
  std::vector<size_t> visible;   // hosts, first row first
  std::optional<size_t> cursor;  // a host: the selection follows it
  size_t top = 0;                // the first row that is drawn
  std::vector<bool> marked;      // by host
  std::set<ColumnId> hidden;
  bool wide = false;  // names of hosts in full

  Page page = Page::kTable;
  Page page_before = Page::kTable;  // to which help and the like go back
  ColumnId explained = ColumnId::kCpu;
  size_t column_row = 0;  // the cursor among the columns
  size_t scroll = 0;      // of help and the like, in lines
  // The cursor among the processes: pid and start; else the first.
  std::optional<std::pair<int64_t, int64_t>> process;
  v1::ProcessOrder process_order = v1::PROCESS_ORDER_CPU;

  Prompt prompt;
  Filter filter_before;  // to which Esc goes back
  Action action;         // what the prompt is about
  std::string message;   // for the line above the keys, until the next key
  bool paused = false;
  std::string replay;     // how the recording is played: "play x2", "stopped"
  std::string recording;  // how far it is: "REC 12M"; empty: none is made
  bool recording_ill = false;  // it ended, or is behind
  size_t table_rows = 1;       // how many rows the table has on the screen
  size_t process_rows = 1;

 private:
  size_t cursor_row_ = 0;  // where the cursor was, for when its host goes
  bool follows_top_ = true;
  absl::Time follows_until_ = absl::InfiniteFuture();
};

// "db-01, db-02 and 3 more".
std::string NamesOf(const TopState& state, const std::vector<size_t>& hosts,
                    size_t most);

}  // namespace specula::ctl

#endif  // SPECULA_CTL_UI_TOP_STATE_H_
