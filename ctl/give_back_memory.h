#ifndef SPECULA_CTL_GIVE_BACK_MEMORY_H_
#define SPECULA_CTL_GIVE_BACK_MEMORY_H_

namespace specula::ctl {

// Gives memory that was freed back to the kernel, if it is much: the heap keeps
// what a large answer or many connections took, in holes. For a moment of calm
// in a process that lives on; takes microseconds, or milliseconds if there is
// something to give. Thread-safe.
void GiveBackMemory();

}  // namespace specula::ctl

#endif  // SPECULA_CTL_GIVE_BACK_MEMORY_H_
