#include "lib/train/schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace r1 {

double rate_share(const ScheduleOptions& options, std::int64_t step) {
  const auto steps = static_cast<double>(options.steps);
  const double rising = std::ceil(options.warmup * steps);
  const auto before = static_cast<double>(step - 1);
  if (before < rising) return (before + 1) / rising;
  const double falling = options.schedule == Schedule::wsd
                             ? std::min(std::ceil(options.decay_share * steps), steps - rising)
                             : steps - rising;
  const double gone = std::max(0.0, before - (steps - falling)) / std::max(1.0, falling);
  double left = 1 - std::min(1.0, gone);
  if (options.schedule == Schedule::constant) left = 1;
  if (options.schedule == Schedule::cosine)
    left = 0.5 * (1 + std::cos(std::numbers::pi * (1 - left)));
  return options.least + (1 - options.least) * left;
}

}  // namespace r1
