#ifndef SPECULA_AGENT_FACTS_H_
#define SPECULA_AGENT_FACTS_H_

#include "agent/front/about_agent.h"
#include "agent/options.h"

namespace specula::agent {

// What the agent tells of its configuration. The hashes are the same where the
// same holds, in whatever order or place it was written; they cover no path, no
// address and no secret. Pure.
AboutAgent::Facts FactsOf(const Options& options);

}  // namespace specula::agent

#endif  // SPECULA_AGENT_FACTS_H_
