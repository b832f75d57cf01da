#ifndef SPECULA_CLIENTS_CPP_CALLBACK_THREADS_H_
#define SPECULA_CLIENTS_CPP_CALLBACK_THREADS_H_

namespace specula {

// Keeps gRPC's callback threads until the process ends. gRPC 1.51 ends them
// with the last channel that has used them, and waits for them in that
// channel's destructor; a call owns its channel and dies on one of these very
// threads, so that the process aborted ("assertion failed: prior > 0") when a
// call's end was the channel's last owner. Cheap from the second time on.
// Thread-safe.
void KeepCallbackThreads();

}  // namespace specula

#endif  // SPECULA_CLIENTS_CPP_CALLBACK_THREADS_H_
