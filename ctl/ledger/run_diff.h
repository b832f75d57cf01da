#ifndef SPECULA_CTL_LEDGER_RUN_DIFF_H_
#define SPECULA_CTL_LEDGER_RUN_DIFF_H_

#include <string>

#include "ctl/ledger/run.pb.h"

namespace specula::ctl {

// What is otherwise in `to` than in `from`, host by host, hosts to which the
// same has happened together: hosts that are in one only, outcomes that have
// changed, and outputs as `diff -u` shows them, as far as they are kept. Empty
// if nothing is. With `safe` outputs go through a TerminalFilter. Pure.
std::string DiffRuns(const ledger::Run& from, const ledger::Run& to, bool safe);

}  // namespace specula::ctl

#endif  // SPECULA_CTL_LEDGER_RUN_DIFF_H_
