#ifndef SPECULA_AGENT_BROKER_JOB_FACTS_H_
#define SPECULA_AGENT_BROKER_JOB_FACTS_H_

#include <sys/resource.h>

#include <cstdint>

#include "absl/strings/string_view.h"
#include "agent/broker/broker.pb.h"
#include "agent/broker/process_table.h"

// What is said and recorded of a job.
namespace specula::agent {

// A random one, never 0.
JobId NewJobId();

// What wait4 said. Pure.
ExitFacts ExitFactsOf(int wait_status, const rusage& usage);

// What a Spawn was answered when it made this job. Pure.
broker::Spawned SpawnedOf(const broker::StartedJob& record);

// The record of a program that has just been started, or is about to be: then
// `facts` has no pid.
broker::StartedJob RecordOf(const broker::Spawned& facts,
                            const broker::Spawn& command, uint64_t fingerprint,
                            absl::string_view cgroup);

}  // namespace specula::agent

#endif  // SPECULA_AGENT_BROKER_JOB_FACTS_H_
