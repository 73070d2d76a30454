#pragma once

#include "tools/finetune/settings.h"

namespace r1 {

// Before the work, not after it: fails with `usage` for settings that contradict each other, and
// fills in what follows from others: the method, the precision, the rate, the form of an adapter
// that is taught further.
void check(FinetuneSettings& settings);

// Fails with `usage` for what is in the way of the output, with `write` where there is no writing.
void check_output(const FinetuneSettings& settings);

}  // namespace r1
