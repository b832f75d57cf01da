#ifndef SPECULA_CTL_UI_COLUMNS_H_
#define SPECULA_CTL_UI_COLUMNS_H_

#include <cstddef>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "ctl/ui/fleet_model.h"
#include "ctl/ui/frame.h"

// The columns of the fleet's table: what each is called, how wide it is, how a
// host's cell is read, ranked, filtered by and explained. Pure.
namespace specula::ctl {

enum class ColumnId {
  kHost,
  kCpu,
  kTrend,
  kUser,
  kSystem,
  kIoWait,
  kSteal,
  kLoad,
  kMemory,
  kUsed,
  kSwap,
  kDisk,
  kMount,
  kRead,
  kWrite,
  kPressure,
  kTemperature,
  kReceive,
  kTransmit,
  kUptime,
  kKernel,
  kAge,
  kAlert,
};

struct Column {
  ColumnId id;
  absl::string_view title;
  // How a filter calls it; empty: by nothing. Percentages are 0 to 100 there.
  absl::string_view field;
  size_t width;  // of the cell, without the gap before it
  bool right;    // aligned
  // Who goes first when the screen is narrow: the greatest.
  int rank;
  // The number that a host is ranked and filtered by, in the unit of the table
  // (percent, bytes per second, degrees, seconds); absent if it has none.
  std::optional<double> (*number)(const HostRow&, absl::Time now);
  std::string (*text)(const HostRow&, absl::Time now);
  // Whether the numbers are percentages of something that can be full: yellow
  // from kWarningPercent on, red from kCriticalPercent on.
  bool fills;
  // What it is and where it comes from, one sentence or two.
  absl::string_view explanation;
};

// All of them, from left to right.
absl::Span<const Column> AllColumns();
const Column& ColumnOf(ColumnId id);

// From here on a percentage of what can be full is a warning, and critical.
inline constexpr double kWarningPercent = 70;
inline constexpr double kCriticalPercent = 90;

// What stands in front of each row: the cursor, the mark, the state, a space.
inline constexpr size_t kMarkWidth = 4;

// Those that fit into `width` columns beside what marks a row, without the
// `hidden` ones; HOST is always there. `host_width`: what HOST would like; it
// gets at least 10, and a quarter of the screen before what matters less.
struct ChosenColumns {
  std::vector<const Column*> columns;
  size_t host_width = 0;
};
ChosenColumns ChooseColumns(size_t width, size_t host_width,
                            const std::set<ColumnId>& hidden = {});

// The style of a number: plain, a warning or critical.
Style StyleOf(const Column& column, std::optional<double> number);

// The letters of what is critical about a host: "!C" CPU, "!M" memory, "!F" a
// file system that is full or turned read-only, "!P" pressure, "!D" down; "w"
// if something is above the limit of a warning; "" if all is well.
std::string AlertOf(const HostRow& row);

// "8.2M", "14K", "0": bytes in at most four characters and a letter.
std::string ShortBytes(double bytes);

// How long the text of an AGE stays right while no snapshot comes; infinite if
// a second more or less does not show.
absl::Duration AgeHolds(absl::Duration age);

}  // namespace specula::ctl

#endif  // SPECULA_CTL_UI_COLUMNS_H_
