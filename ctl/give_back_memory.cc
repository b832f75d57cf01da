#include "ctl/give_back_memory.h"

#include <malloc.h>

namespace specula::ctl {
namespace {

// More than main.cc lets the heap take in advance (M_TOP_PAD).
constexpr size_t kMuch = 24 << 20;

}  // namespace

void GiveBackMemory() {
  if (mallinfo2().fordblks > kMuch) malloc_trim(0);
}

}  // namespace specula::ctl
