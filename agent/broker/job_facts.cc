#include "agent/broker/job_facts.h"

#include <sys/random.h>
#include <sys/wait.h>

#include <string>

#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "agent/broker/message.h"

namespace specula::agent {
namespace {

constexpr size_t kMaxCommandBytes = 1024;

}  // namespace

JobId NewJobId() {
  JobId id = 0;
  while (id == 0) {
    if (getrandom(&id, sizeof id, 0) != sizeof id) id = 0;
  }
  return id;
}

ExitFacts ExitFactsOf(int wait_status, const rusage& usage) {
  ExitFacts facts;
  if (WIFEXITED(wait_status)) facts.code = WEXITSTATUS(wait_status);
  if (WIFSIGNALED(wait_status)) facts.signal = WTERMSIG(wait_status);
  facts.user_time = absl::DurationFromTimeval(usage.ru_utime);
  facts.system_time = absl::DurationFromTimeval(usage.ru_stime);
  facts.peak_memory_bytes = static_cast<int64_t>(usage.ru_maxrss) * 1024;
  return facts;
}

broker::Spawned SpawnedOf(const broker::StartedJob& record) {
  broker::Spawned facts;
  facts.set_job(record.job());
  facts.set_pid(record.pid());
  facts.set_start_ticks(record.start_ticks());
  facts.set_boot_id(record.boot_id());
  facts.set_log_path(record.log_path());
  return facts;
}

broker::StartedJob RecordOf(const broker::Spawned& facts,
                            const broker::Spawn& command, uint64_t fingerprint,
                            absl::string_view cgroup) {
  broker::StartedJob record;
  record.set_job(facts.job());
  record.set_pid(facts.pid());
  record.set_start_ticks(facts.start_ticks());
  record.set_boot_id(facts.boot_id());
  record.set_log_path(facts.log_path());
  record.set_caller(command.caller());
  record.set_idempotency_key(command.idempotency_key());
  record.set_fingerprint(fingerprint);
  record.set_cgroup(std::string(cgroup));
  record.set_start_time_milliseconds(absl::ToUnixMillis(absl::Now()));
  record.set_command(
      absl::StrJoin(ArgumentsOf(command), " ").substr(0, kMaxCommandBytes));
  return record;
}

}  // namespace specula::agent
