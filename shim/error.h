#ifndef SPECULA_SHIM_ERROR_H_
#define SPECULA_SHIM_ERROR_H_

namespace specula::shim {

// Why a request is refused; each is one reply. See PROTOCOL.md.
enum class Error {
  kBadFrame,
  kTooLarge,
  kTooSlow,
  kBadRequest,
  kUnknownCommand,
  kUnauthorized,
  kDenied,
  kBusy,
  kUnavailable,
  kExecFailed,
  kStartFailed,
  kKillFailed,
  kTailFailed,
  kStopFailed,
};

}  // namespace specula::shim

#endif  // SPECULA_SHIM_ERROR_H_
