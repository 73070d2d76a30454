#pragma once

#include "tools/complete/settings.h"

namespace r1 {

// Fails with `usage` when settings contradict each other, or an output is there already.
void check(const CompleteSettings& settings);

}  // namespace r1
