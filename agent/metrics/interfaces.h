#ifndef SPECULA_AGENT_METRICS_INTERFACES_H_
#define SPECULA_AGENT_METRICS_INTERFACES_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "agent/proc/counters.h"
#include "agent/proc/proc_root.h"

// Which network interfaces are counted, so that each byte that enters or leaves
// the host is counted once.
namespace specula::agent {

// What sysfs says of one interface.
struct InterfaceFacts {
  std::string name;
  bool is_virtual = false;  // no hardware behind it
  // Whether there is more than the name: false in trees without /sys.
  bool known = false;
  // Those it is built upon or that it carries frames for, by name, in either
  // direction: enP5s1 has the upper eth0, lan1 the lower eth0.
  std::vector<std::string> uppers, lowers;
  std::optional<int64_t> index, link;  // ifindex, iflink
  int64_t type = 1;                    // ARPHRD_*; 1 is Ethernet
  int64_t flags = 1;                   // IFF_*; 1 is IFF_UP
  std::string kind;                    // DEVTYPE: bridge, bond, vlan, vxlan
  bool is_tap = false;                 // a program reads and writes it (tun)
};

// Which of `all` are counted, in their order. Pure.
//
// Those with hardware behind them, but none that works for another of them
// (a virtual function below eth0 in Azure, a net_failover, the conduit of a
// switch): the upper one has its bytes, too. Where none has hardware, as in a
// container, those that lead out of it: the ends of veth, macvlan and the like;
// where there is none of these, taps; where there is none of these either,
// tunnels, or else what is below a bridge or a bond. Never the loopback, dummy
// devices and what is built upon another one. Where sysfs does not
// say what an interface is, its name does.
std::vector<bool> CountedInterfaces(const std::vector<InterfaceFacts>& all);

// What sysfs of `root` says of the interface. With `details` all of it, else
// whether it is virtual.
InterfaceFacts ReadInterface(const ProcRoot& root, const std::string& name,
                             bool details);

// Remembers for some seconds which are counted, as finding out takes system
// calls for each. Thread-safe.
class Interfaces {
 public:
  // `root` must outlive this.
  explicit Interfaces(const ProcRoot& root) : root_(root) {}

  // Which of `all` are counted. `now` as of MonotonicNow().
  std::vector<bool> Counted(const std::vector<InterfaceCounters>& all,
                            absl::Duration now) ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  const ProcRoot& root_;
  absl::Mutex mutex_;
  std::vector<std::string> names_ ABSL_GUARDED_BY(mutex_);
  std::vector<bool> counted_ ABSL_GUARDED_BY(mutex_);
  absl::Duration found_out_ ABSL_GUARDED_BY(mutex_);  // when
};

}  // namespace specula::agent

#endif  // SPECULA_AGENT_METRICS_INTERFACES_H_
