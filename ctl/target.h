#ifndef SPECULA_CTL_TARGET_H_
#define SPECULA_CTL_TARGET_H_

#include <memory>
#include <string>

#include "clients/cpp/agent_client.h"
#include "clients/cpp/channel.h"

namespace specula::ctl {

// One host that is asked, with the channel that is kept for it.
struct Target {
  int id = 0;             // see SelectedHost
  std::string name = {};  // by which it is shown; empty: its address
  Endpoint endpoint;
  std::unique_ptr<AgentClient> client;
};

// How a host is named in a table: with the port where it is not the usual one.
std::string HostLabel(const Target& target);

// The same without any port, for where that stands apart.
std::string HostName(const Target& target);

}  // namespace specula::ctl

#endif  // SPECULA_CTL_TARGET_H_
