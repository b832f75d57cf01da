#ifndef SPECULA_LIB_BASE_VERSION_H_
#define SPECULA_LIB_BASE_VERSION_H_

namespace specula {

// The version of this build, such as "0.1.0" or, 12 commits after that tag,
// "0.1.0+12.g8c57919". cmake/Version.cmake says where it comes from. The one
// file that defines it is made anew by each build whose sources have another
// version; a program that links specula::version is then linked again and
// nothing is compiled.
extern const char kVersion[];

}  // namespace specula

#endif  // SPECULA_LIB_BASE_VERSION_H_
