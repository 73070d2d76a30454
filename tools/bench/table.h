#pragma once

#include "tools/bench/settings.h"
#include "tools/common/program.h"

namespace r1 {

// The option table of r1-bench.
Program bench_program(BenchSettings& settings, StandardOptions& standard);

// Settings that contradict each other fail with `usage`, before anything is started.
void check(const BenchSettings& settings);

}  // namespace r1
