#ifndef SPECULA_TESTS_LIB_BASE_SANITIZERS_H_
#define SPECULA_TESTS_LIB_BASE_SANITIZERS_H_

namespace specula::testing {

// Whether this is built with AddressSanitizer. Its own locks are not taken
// around fork, as the C library's are: a child of a process with threads may
// wait for one that no thread of its own holds.
#if defined(__SANITIZE_ADDRESS__)
inline constexpr bool kForksMayHang = true;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
inline constexpr bool kForksMayHang = true;
#else
inline constexpr bool kForksMayHang = false;
#endif
#else
inline constexpr bool kForksMayHang = false;
#endif

}  // namespace specula::testing

#endif  // SPECULA_TESTS_LIB_BASE_SANITIZERS_H_
