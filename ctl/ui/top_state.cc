#include "ctl/ui/top_state.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace specula::ctl {

TopState::TopState(std::vector<FleetHost> hosts, const Options& given)
    : options(given),
      model(std::move(hosts), given.interval),
      order(model.rows().size()),
      marked(model.rows().size()) {
  for (const HostRow& row : model.rows()) {
    for (const auto& [label, value] : row.host.labels) labels.insert(label);
  }
  Settle(absl::InfinitePast());
}

void TopState::Take(Feed::News news, absl::Time now) {
  if (news.anew) {
    model.Reset();
    order.SortBy(order.column(), order.descending(), model, now);
  }
  for (FleetEvent& event : news.events) {
    if (event.host >= model.rows().size()) continue;
    const bool snapshot = event.sample != nullptr;
    const size_t host = event.host;
    model.Apply(std::move(event));
    if (!snapshot) continue;
    order.Heard(host, model, now);
    // By then a row has the number that it is ranked by.
    follows_until_ = std::min(follows_until_, now + 3 * options.interval);
  }
}

void TopState::Settle(absl::Time now) {
  const std::vector<size_t>& rows = order.Rows(model, now);
  if (filter.empty()) {
    visible = rows;
  } else {
    visible.clear();
    for (const size_t host : rows) {
      const HostRow& row = model.rows()[host];
      if (filter.Matches(row, model.StateOf(row, now), now)) {
        visible.push_back(host);
      }
    }
  }
  if (now > follows_until_) follows_top_ = false;
  if (follows_top_ && !visible.empty()) PutCursor(0);
  const std::optional<size_t> row = CursorRow();
  if (row.has_value()) {
    cursor_row_ = *row;
  } else if (page == Page::kTable) {
    // The host is gone from the table: who took its place is selected.
    cursor.reset();
    if (!visible.empty()) {
      PutCursor(std::min(cursor_row_, visible.size() - 1));
    }
  }
}

void TopState::SortBy(ColumnId column, bool descending, absl::Time now) {
  order.SortBy(column, descending, model, now);
  Settle(now);
}

void TopState::MoveCursor(int64_t rows) {
  if (visible.empty()) return;
  const auto last = static_cast<int64_t>(visible.size()) - 1;
  const auto at = static_cast<int64_t>(CursorRow().value_or(0));
  PutCursor(static_cast<size_t>(
      std::clamp<int64_t>(at + std::clamp(rows, -last, last), 0, last)));
}

void TopState::PutCursor(size_t row) {
  if (row >= visible.size()) return;
  cursor_row_ = row;
  if (cursor != visible[row]) process.reset();
  cursor = visible[row];
}

std::optional<size_t> TopState::CursorRow() const {
  if (!cursor.has_value()) return std::nullopt;
  const auto found = std::find(visible.begin(), visible.end(), *cursor);
  if (found == visible.end()) return std::nullopt;
  return static_cast<size_t>(found - visible.begin());
}

std::vector<size_t> TopState::Chosen() const {
  std::vector<size_t> chosen;
  for (size_t host = 0; host < marked.size(); ++host) {
    if (marked[host]) chosen.push_back(host);
  }
  if (chosen.empty() && cursor.has_value()) chosen.push_back(*cursor);
  return chosen;
}

size_t TopState::CountMarked() const {
  return static_cast<size_t>(std::count(marked.begin(), marked.end(), true));
}

const v1::ProcessesResponse* TopState::Processes() const {
  if (!cursor.has_value()) return nullptr;
  const HostRow& row = model.rows()[*cursor];
  if (row.down || row.last == nullptr || !row.last->has_processes()) {
    return nullptr;
  }
  return &row.last->processes();
}

const v1::Process* TopState::SelectedProcess() const {
  const v1::ProcessesResponse* all = Processes();
  if (all == nullptr || all->processes().empty()) return nullptr;
  if (!process.has_value()) return &all->processes(0);
  for (const v1::Process& one : all->processes()) {
    if (one.pid() == process->first && one.start_ticks() == process->second) {
      return &one;
    }
  }
  // It has ended, or is no longer among those that are sent: none is selected,
  // so that no key hits another one.
  return nullptr;
}

std::string NamesOf(const TopState& state, const std::vector<size_t>& hosts,
                    size_t most) {
  std::string names;
  for (size_t i = 0; i < hosts.size() && i < most; ++i) {
    absl::StrAppend(&names, i == 0 ? "" : ", ",
                    state.model.rows()[hosts[i]].host.name);
  }
  if (hosts.size() > most) {
    absl::StrAppend(&names, " and ", hosts.size() - most, " more");
  }
  return names;
}

}  // namespace specula::ctl
