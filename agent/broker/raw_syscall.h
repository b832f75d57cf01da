#ifndef SPECULA_AGENT_BROKER_RAW_SYSCALL_H_
#define SPECULA_AGENT_BROKER_RAW_SYSCALL_H_

#if !defined(__x86_64__) && !defined(__aarch64__)
#error "agent/broker: add the system call instruction of this machine"
#endif

// No instrumentation may call into a runtime from a stack that it does not
// know.
#define SPECULA_BARE                                                      \
  __attribute__((no_sanitize("address", "undefined"), no_stack_protector, \
                 no_instrument_function))

namespace specula::agent {

// A system call that touches no memory of ours but its arguments. A child that
// shares the broker's memory shares its errno too, so libc's wrappers would
// race with the broker. Gives the kernel's result: -errno on failure.
__attribute__((always_inline)) inline long RawSyscall(long number, long a = 0,
                                                      long b = 0, long c = 0,
                                                      long d = 0, long e = 0,
                                                      long f = 0) {
#if defined(__x86_64__)
  long result;
  register long r10 asm("r10") = d;
  register long r8 asm("r8") = e;
  register long r9 asm("r9") = f;
  asm volatile("syscall"
               : "=a"(result)
               : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
               : "rcx", "r11", "memory");
  return result;
#else
  register long x8 asm("x8") = number;
  register long x0 asm("x0") = a;
  register long x1 asm("x1") = b;
  register long x2 asm("x2") = c;
  register long x3 asm("x3") = d;
  register long x4 asm("x4") = e;
  register long x5 asm("x5") = f;
  asm volatile("svc 0"
               : "+r"(x0)
               : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5)
               : "memory", "cc");
  return x0;
#endif
}

// The same for arguments that are pointers.
template <typename T>
long Arg(T* pointer) {
  return reinterpret_cast<long>(pointer);
}

}  // namespace specula::agent

#endif  // SPECULA_AGENT_BROKER_RAW_SYSCALL_H_
