#ifndef SPECULA_CLIENTS_CPP_SIGNAL_NAME_H_
#define SPECULA_CLIENTS_CPP_SIGNAL_NAME_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

// Signals as people write them, by Linux' numbers on x86-64, whatever this
// program runs on. Pure.
namespace specula {

// "TERM", "KILL", "RTMIN", "RTMIN+1"; the number for those that have no name
// (32 and 33, which the C library keeps for itself, and what is no signal).
std::string SignalName(int signal);

// Reads "TERM", "SIGTERM", "term", "15", "RTMIN+1", "RTMAX-2" and the synonyms
// of signal(7). INVALID_ARGUMENT unless it is a signal, 1 to 64.
absl::StatusOr<int> ParseSignal(absl::string_view text);

}  // namespace specula

#endif  // SPECULA_CLIENTS_CPP_SIGNAL_NAME_H_
