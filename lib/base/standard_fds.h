#ifndef SPECULA_LIB_BASE_STANDARD_FDS_H_
#define SPECULA_LIB_BASE_STANDARD_FDS_H_

namespace specula {

// Whether the descriptors 0, 1 and 2 are what the caller of the program gave,
// or are occupied by something that can neither be read nor written if they
// were closed, as after `2>&-`. Else the next file or socket would get that
// number, and whatever is printed would go into it.
//
// A program that calls this, first thing in main, has them occupied even before
// the initialisers of its libraries run: gRPC's opens a descriptor. If it is
// false, better not go on.
bool StandardFdsAreSafe();

}  // namespace specula

#endif  // SPECULA_LIB_BASE_STANDARD_FDS_H_
