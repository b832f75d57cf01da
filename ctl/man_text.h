#ifndef SPECULA_CTL_MAN_TEXT_H_
#define SPECULA_CTL_MAN_TEXT_H_

#include "lib/config/man_page.h"

namespace specula::ctl {

// What specula(1) says beside its commands and options.
ManText ControllerManText();

}  // namespace specula::ctl

#endif  // SPECULA_CTL_MAN_TEXT_H_
