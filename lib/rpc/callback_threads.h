#ifndef SPECULA_LIB_RPC_CALLBACK_THREADS_H_
#define SPECULA_LIB_RPC_CALLBACK_THREADS_H_

namespace specula {

// gRPC's callbacks run on 2 to 16 threads of its own, which share one queue.

// Keeps gRPC's callback threads until the process ends. gRPC 1.51 ends them
// with the last channel that has used them, and waits for them in that
// channel's destructor; a call owns its channel and dies on one of these very
// threads, so that the process aborted ("assertion failed: prior > 0") when a
// call's end was the channel's last owner. Cheap from the second time on.
// Thread-safe.
void KeepCallbackThreads();

// Leaves one callback thread to work, until the process ends. For a server
// whose callbacks never block: the others wake each other for every event of
// every call, which took a third of the CPU time of a small unary call and a
// fifth of its latency (tests/bench/agent_bench). Those that are not needed are
// parked in a callback, and a probe makes sure that one is left; if it does not
// answer within a second, as with a gRPC that has fewer threads than this one,
// all go on as they were and the answer is false. Once, before there are calls.
bool UseOneCallbackThread();

}  // namespace specula

#endif  // SPECULA_LIB_RPC_CALLBACK_THREADS_H_
