#include "ctl/ui/row_order.h"

#include <algorithm>
#include <numeric>

#include "absl/strings/ascii.h"

namespace specula::ctl {
namespace {

bool IsText(ColumnId column) {
  return column == ColumnId::kHost || column == ColumnId::kMount ||
         column == ColumnId::kKernel;
}

double Median(double a, double b, double c) {
  return std::max(std::min(a, b), std::min(std::max(a, b), c));
}

size_t DigitsEnd(const std::string& text, size_t at) {
  while (at < text.size() && absl::ascii_isdigit(text[at])) ++at;
  return at;
}

}  // namespace

bool IsSortable(ColumnId column) { return column != ColumnId::kTrend; }

bool NaturalLess(const std::string& a, const std::string& b) {
  size_t i = 0;
  size_t j = 0;
  while (i < a.size() && j < b.size()) {
    if (absl::ascii_isdigit(a[i]) && absl::ascii_isdigit(b[j])) {
      const size_t a_end = DigitsEnd(a, i);
      const size_t b_end = DigitsEnd(b, j);
      while (i + 1 < a_end && a[i] == '0') ++i;
      while (j + 1 < b_end && b[j] == '0') ++j;
      if (a_end - i != b_end - j) return a_end - i < b_end - j;
      const int order = a.compare(i, a_end - i, b, j, b_end - j);
      if (order != 0) return order < 0;
      i = a_end;
      j = b_end;
      continue;
    }
    if (a[i] != b[j]) return a[i] < b[j];
    ++i;
    ++j;
  }
  return a.size() - i < b.size() - j;
}

RowOrder::RowOrder(size_t hosts) : keys_(hosts), rows_(hosts) {
  std::iota(rows_.begin(), rows_.end(), size_t{0});
}

bool RowOrder::DescendsByDefault(ColumnId column) { return !IsText(column); }

void RowOrder::SortBy(ColumnId column, bool descending, const FleetModel& model,
                      absl::Time now) {
  column_ = column;
  descending_ = descending;
  for (size_t host = 0; host < keys_.size(); ++host) {
    keys_[host] = {};
    if (model.rows()[host].last != nullptr) Heard(host, model, now);
  }
  changed_ = true;
}

void RowOrder::Heard(size_t host, const FleetModel& model, absl::Time now) {
  const HostRow& row = model.rows()[host];
  const Column& column = ColumnOf(column_);
  Key& key = keys_[host];
  changed_ = true;
  if (IsText(column_)) {
    key.text = column.text(row, now);
    return;
  }
  const std::optional<double> number = column.number(row, now);
  // A snapshot without the number leaves the row where it is.
  if (!number.has_value()) return;
  key.rank = key.rank.has_value() && key.before.has_value()
                 ? Median(*key.rank, *key.before, *number)
                 : *number;
  key.before = number;
}

const std::vector<size_t>& RowOrder::Rows(const FleetModel& model,
                                          absl::Time now) {
  // These two change without a snapshot.
  const bool restless =
      column_ == ColumnId::kAge || column_ == ColumnId::kAlert;
  if (restless) {
    for (size_t host = 0; host < keys_.size(); ++host) {
      keys_[host].rank = ColumnOf(column_).number(model.rows()[host], now);
    }
  }
  if (!changed_ && !restless) return rows_;
  changed_ = false;
  if (column_ == ColumnId::kHost) {
    for (size_t host = 0; host < keys_.size(); ++host) {
      keys_[host].text = model.rows()[host].host.name;
    }
  }
  if (IsText(column_)) {
    std::stable_sort(rows_.begin(), rows_.end(), [this](size_t a, size_t b) {
      const std::string& left = keys_[a].text;
      const std::string& right = keys_[b].text;
      if (left.empty() || right.empty()) return right.empty() && !left.empty();
      return descending_ ? NaturalLess(right, left) : NaturalLess(left, right);
    });
    return rows_;
  }
  std::stable_sort(rows_.begin(), rows_.end(), [this](size_t a, size_t b) {
    const std::optional<double>& left = keys_[a].rank;
    const std::optional<double>& right = keys_[b].rank;
    if (!left.has_value() || !right.has_value()) {
      return left.has_value() && !right.has_value();
    }
    return descending_ ? *left > *right : *left < *right;
  });
  return rows_;
}

}  // namespace specula::ctl
