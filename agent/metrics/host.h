#ifndef SPECULA_AGENT_METRICS_HOST_H_
#define SPECULA_AGENT_METRICS_HOST_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "agent/metrics/memo.h"
#include "agent/proc/counters.h"
#include "agent/proc/proc_root.h"
#include "specula/v1/specula.pb.h"

// Reads what is neither a counter nor a disk: who the host is, its sensors and
// the limits of the agent's own control group.
namespace specula::agent {

// What changes rarely: by an upgrade of the system, or when a container is
// moved to another machine without being stopped.
v1::Host ReadHostFacts(const ProcRoot& root);

// All temperatures of /sys/class/hwmon, sorted by name. hwmonN is numbered anew
// at each boot, so a sensor is named by its chip and label; two of one name get
// the device's name or a number. Readings of 0 or less and of 200 degrees or
// more are nonsense and are left out. May take milliseconds for each sensor.
std::vector<v1::Temperature> ReadTemperatures(const ProcRoot& root);

// The agent's own control group, which is looked up anew when the agent is
// moved to another one. Thread-safe.
class OwnCgroup {
 public:
  // The tightest limits on the way from the agent's group up to the root.
  CgroupFiles Read(ProcRoot& root);

 private:
  // Where the files of a group are.
  struct Places {
    bool unified = false;
    std::vector<std::string> unified_directories;  // own group first
    std::string cpu_directory, memory_directory, cpuset_directory;  // v1
  };
  // `text` is that of /proc/self/cgroup.
  static Places Find(const ProcRoot& root, absl::string_view text);

  Memo<std::shared_ptr<const Places>> places_;  // by that text
};

// Whether `limits` says anything.
bool HasAny(const CgroupFiles& limits);
void FillCgroup(const CgroupFiles& limits, v1::CgroupLimits* cgroup);

}  // namespace specula::agent

#endif  // SPECULA_AGENT_METRICS_HOST_H_
