#ifndef SPECULA_LIB_RPC_MESSAGE_LIMITS_H_
#define SPECULA_LIB_RPC_MESSAGE_LIMITS_H_

// How long messages may be, so that all that the contract allows can be sent
// (see "Sizes" in specula.proto), and no more. gRPC's own limit is 4 MiB.
namespace specula {

// A request: 1 MiB of standard input, and a command beside it.
inline constexpr int kMostRequestBytes = (1 << 20) + (256 << 10);

// An answer of Processes: 10,000 rows, each with a command line and a control
// group of 4 KiB.
inline constexpr int kMostProcessesBytes = 96 << 20;

// Any other answer: a Watch with 1,000 such rows; a Disk with thousands of
// mounts. Less, as all hosts of a fleet are asked at once and one of them may
// not be what it was.
inline constexpr int kMostAnswerBytes = 16 << 20;

}  // namespace specula

#endif  // SPECULA_LIB_RPC_MESSAGE_LIMITS_H_
