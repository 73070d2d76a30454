#pragma once

#include <string>
#include <vector>

#include "tools/bench/hardware.h"
#include "tools/bench/record.h"

namespace r1 {

// A picture of results, as SVG: the roofline (Williams, Waterman and Patterson 2009) of these
// limits with each record that has operations and bytes, and, where a model decoded several batch
// sizes, its tokens per second over them.
std::string plot_svg(const std::vector<BenchRecord>& records, const Limits& limits);

// A logarithmic axis: where a value between `low` and `high` lies from `begin` to `end`.
struct LogAxis {
  double low = 1, high = 10, begin = 0, end = 1;
  double at(double value) const;
  std::vector<double> ticks() const;  // powers of ten, or of two where there is less than one
};

}  // namespace r1
