#ifndef SPECULA_CTL_HOSTS_FOLD_H_
#define SPECULA_CTL_HOSTS_FOLD_H_

#include <string>
#include <vector>

namespace specula::ctl {

// Writes host names as one short set, the way EvaluateHostSet reads it:
// "vm[1-3,5],web1". Names that differ in numbers only are put together, also
// where there are several numbers (r[1-3]n[1-4]); sorted by text, then by
// number. Reading it back gives the same names. Pure; takes about n log n.
std::string FoldHosts(const std::vector<std::string>& names);

}  // namespace specula::ctl

#endif  // SPECULA_CTL_HOSTS_FOLD_H_
