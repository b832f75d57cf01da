#ifndef SPECULA_LIB_BASE_STATUS_MACROS_H_
#define SPECULA_LIB_BASE_STATUS_MACROS_H_

#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

// Returns from the enclosing function if `expression`, an absl::Status, is not
// OK.
#define RETURN_IF_ERROR(expression)                    \
  do {                                                 \
    absl::Status specula_status_ = (expression);       \
    if (!specula_status_.ok()) return specula_status_; \
  } while (false)

// ASSIGN_OR_RETURN(auto x, F()): assigns the value of the absl::StatusOr F(),
// or returns its status from the enclosing function.
#define ASSIGN_OR_RETURN(target, expression)                               \
  SPECULA_ASSIGN_OR_RETURN_(SPECULA_CONCAT_(status_or_, __LINE__), target, \
                            expression)

#define SPECULA_CONCAT_INNER_(a, b) a##b
#define SPECULA_CONCAT_(a, b) SPECULA_CONCAT_INNER_(a, b)
#define SPECULA_ASSIGN_OR_RETURN_(temporary, target, expression) \
  auto temporary = (expression);                                 \
  if (!temporary.ok()) return std::move(temporary).status();     \
  target = *std::move(temporary)

#endif  // SPECULA_LIB_BASE_STATUS_MACROS_H_
