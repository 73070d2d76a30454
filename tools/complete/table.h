#pragma once

#include "tools/common/program.h"
#include "tools/complete/settings.h"

namespace r1 {

// The option table of r1-complete.
Program complete_program(CompleteSettings& settings, StandardOptions& standard);

}  // namespace r1
