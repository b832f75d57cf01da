#ifndef SPECULA_AGENT_METRICS_HOST_H_
#define SPECULA_AGENT_METRICS_HOST_H_

#include <string>
#include <vector>

#include "agent/proc/counters.h"
#include "agent/proc/proc_root.h"
#include "specula/v1/specula.pb.h"

// Reads what is neither a counter nor a disk: who the host is, its sensors and
// the limits of the agent's own control group.
namespace specula::agent {

// What cannot change while the host is up; read once.
v1::Host ReadHostFacts(ProcRoot& root);

// All temperatures of /sys/class/hwmon, sorted by name. hwmonN is numbered anew
// at each boot, so a sensor is named by its chip and label; two of one name get
// the device's name or a number. Readings of 0 or less and of 200 degrees or
// more are nonsense and are left out. May take milliseconds for each sensor.
std::vector<v1::Temperature> ReadTemperatures(const ProcRoot& root);

// Where the files of the agent's own control group are; looked up once.
class OwnCgroup {
 public:
  explicit OwnCgroup(const ProcRoot& root);
  // The tightest limits on the way from the agent's group up to the root.
  CgroupFiles Read(ProcRoot& root) const;

 private:
  bool unified_ = false;
  std::vector<std::string> unified_directories_;  // own group first
  std::string cpu_directory_, memory_directory_, cpuset_directory_;  // v1
};

// Whether `limits` says anything.
bool HasAny(const CgroupFiles& limits);
void FillCgroup(const CgroupFiles& limits, v1::CgroupLimits* cgroup);

}  // namespace specula::agent

#endif  // SPECULA_AGENT_METRICS_HOST_H_
