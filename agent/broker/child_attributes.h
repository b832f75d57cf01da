#ifndef SPECULA_AGENT_BROKER_CHILD_ATTRIBUTES_H_
#define SPECULA_AGENT_BROKER_CHILD_ATTRIBUTES_H_

#include "agent/broker/raw_syscall.h"

namespace specula::agent {

// Gives a child what a fresh login has in place of what it was born with and
// would take through its exec: scheduling, priorities, processors, memory
// policy, limits, umask, keyring, capabilities and the like. docs/hand.md has
// the table.
//
// To be called between birth and exec, after setsid and before the change of
// user: nearly all of it takes root. What is not permitted stays as it is, as
// the command is worth more than its priority. Makes raw system calls only.
SPECULA_BARE void TakeFreshAttributes();

}  // namespace specula::agent

#endif  // SPECULA_AGENT_BROKER_CHILD_ATTRIBUTES_H_
