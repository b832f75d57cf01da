#ifndef SPECULA_LIB_RPC_SHARED_KEY_H_
#define SPECULA_LIB_RPC_SHARED_KEY_H_

#include <string>

#include "absl/strings/string_view.h"

namespace specula {

// gRPC 1.51 makes a context of OpenSSL for each channel and reads the private
// key for each from its PEM, which took a twelfth of what a new connection
// costs. It also takes "engine:NAME:KEY", the name of a key that an engine of
// OpenSSL has; so this process has one whose keys are read once.

// Reads a private key and gives what gRPC takes in its place; the same for the
// same text. For a text that holds no key that parses it is one that gRPC
// refuses, and never an engine of the caller's choice. The key stays in memory
// until the process ends. Thread-safe.
std::string ShareKey(absl::string_view pem);

}  // namespace specula

#endif  // SPECULA_LIB_RPC_SHARED_KEY_H_
