#ifndef SPECULA_AGENT_MAN_TEXT_H_
#define SPECULA_AGENT_MAN_TEXT_H_

#include "lib/config/man_page.h"

namespace specula::agent {

// What specula-agent(8) says beside its options.
ManText AgentManText();

}  // namespace specula::agent

#endif  // SPECULA_AGENT_MAN_TEXT_H_
