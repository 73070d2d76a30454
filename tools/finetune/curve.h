#pragma once

#include <string>
#include <vector>

#include "tools/finetune/records.h"

namespace r1 {

// A picture of a run, as SVG: the loss by step, of what is learnt and of --val, in nats a `unit`.
// The same records are the same bytes.
std::string loss_svg(const std::vector<TrainRecord>& records, const char* unit = "token");

// An axis with round numbers: where a value between `low` and `high` lies from `begin` to `end`.
struct RoundAxis {
  double low = 0, high = 1, step = 1, begin = 0, end = 1;
  double at(double value) const;
  std::vector<double> ticks() const;
};
// From at most `low` to at least `high`, both ticks. The step is 1, 2 or 5 times a power of ten, at
// least `least`, and makes at most nine ticks.
RoundAxis round_axis(double low, double high, double least, double begin, double end);

}  // namespace r1
