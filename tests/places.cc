#include "tests/places.h"

namespace specula::testing {

std::string TestDataDirectory() { return SPECULA_TESTDATA; }
std::string ProgramsDirectory() { return SPECULA_PROGRAMS; }

}  // namespace specula::testing
