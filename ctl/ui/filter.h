#ifndef SPECULA_CTL_UI_FILTER_H_
#define SPECULA_CTL_UI_FILTER_H_

#include <memory>
#include <set>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "ctl/ui/fleet_model.h"

namespace specula::ctl {

// Which hosts the table shows:
//
//   web*                        names, with * and ?
//   cpu>80, rx>=1M, up<1h       a column's number, in the unit of the table;
//                               K M G T for bytes, s m h d for times
//   state=down, alert=!C, mount=/var*, kernel=6.1*, rack=a, group=web
//                               a text or a label of the inventory; != too
//   … and …, … or …, not …, ( … )
//
// Words are not case-sensitive. A number that is not there, or is of a host
// that is down, fulfils no comparison. Pure.
class Filter {
 public:
  // Lets all hosts through.
  Filter() = default;

  // `labels`: the labels that hosts may have; another name is an error.
  // INVALID_ARGUMENT says what is odd and at which character, from 1 on.
  static absl::StatusOr<Filter> Parse(absl::string_view text,
                                      const std::set<std::string>& labels);

  bool Matches(const HostRow& row, HostState state, absl::Time now) const;

  bool empty() const { return root_ == nullptr; }
  const std::string& text() const { return text_; }

  struct Node;

 private:
  std::string text_;
  std::shared_ptr<const Node> root_;
};

// Whether `text` is what `pattern` stands for; * is any text, ? any byte.
bool MatchesGlob(absl::string_view pattern, absl::string_view text);

}  // namespace specula::ctl

#endif  // SPECULA_CTL_UI_FILTER_H_
