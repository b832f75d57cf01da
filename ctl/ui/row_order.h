#ifndef SPECULA_CTL_UI_ROW_ORDER_H_
#define SPECULA_CTL_UI_ROW_ORDER_H_

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "ctl/ui/columns.h"
#include "ctl/ui/fleet_model.h"

namespace specula::ctl {

// In which order the table shows the hosts.
//
// So that rows do not jump under the cursor, a host is ranked by the median of
// three numbers: the one that it is ranked by, that of its last snapshot and
// that of the one before. One odd snapshot moves nothing; a change that stays
// moves the row one snapshot later. Equal hosts stay as they lie. Who is down
// or stale keeps the number, and so the place; who was never heard of comes
// last. Pure.
class RowOrder {
 public:
  explicit RowOrder(size_t hosts);

  // Ranks all hosts anew by what they show now.
  void SortBy(ColumnId column, bool descending, const FleetModel& model,
              absl::Time now);
  // The order in which one expects a column: the hottest first, names from A.
  static bool DescendsByDefault(ColumnId column);

  ColumnId column() const { return column_; }
  bool descending() const { return descending_; }

  // There is a new snapshot of a host.
  void Heard(size_t host, const FleetModel& model, absl::Time now);

  // The hosts, first row first. Sorts if something has changed.
  const std::vector<size_t>& Rows(const FleetModel& model, absl::Time now);

 private:
  struct Key {
    std::optional<double> rank;    // by which it lies where it lies
    std::optional<double> before;  // of the last snapshot
    std::string text;
  };

  ColumnId column_ = ColumnId::kCpu;
  bool descending_ = true;
  bool changed_ = true;
  std::vector<Key> keys_;
  std::vector<size_t> rows_;
};

// Whether the hosts can be ranked by a column.
bool IsSortable(ColumnId column);

// "vm2" before "vm10".
bool NaturalLess(const std::string& a, const std::string& b);

}  // namespace specula::ctl

#endif  // SPECULA_CTL_UI_ROW_ORDER_H_
