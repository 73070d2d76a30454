#pragma once

#include <cstdint>

namespace r1 {

enum class Schedule { cosine, linear, constant, wsd };

struct ScheduleOptions {
  Schedule schedule = Schedule::cosine;
  double warmup = 0.03;       // share of the steps in which the rate rises to its peak
  double least = 0;           // share of the peak at the end
  double decay_share = 0.2;   // wsd (warm-up, stable, decay): share of the steps in which it falls
  std::int64_t steps = 1000;  // in all
};

// Share of the peak learning rate at a step, 1 … steps: a function of nothing else.
double rate_share(const ScheduleOptions& options, std::int64_t step);

}  // namespace r1
