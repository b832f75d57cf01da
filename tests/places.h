#ifndef SPECULA_TESTS_PLACES_H_
#define SPECULA_TESTS_PLACES_H_

#include <string>

namespace specula::testing {

// Where tests find things. Only places.cc is compiled with paths of this
// checkout, so that ccache has all other objects for every checkout.

// tests/testdata
std::string TestDataDirectory();

// Where this build has its programs.
std::string ProgramsDirectory();

}  // namespace specula::testing

#endif  // SPECULA_TESTS_PLACES_H_
