#ifndef SPECULA_SHIM_MAN_TEXT_H_
#define SPECULA_SHIM_MAN_TEXT_H_

#include "lib/config/man_page.h"

namespace specula::shim {

// What specula-shim(8) says beside its options.
ManText ShimManText();

}  // namespace specula::shim

#endif  // SPECULA_SHIM_MAN_TEXT_H_
