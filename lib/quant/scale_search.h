#pragma once

#include <array>
#include <limits>

#include "lib/quant/block_grid.h"

namespace r1::quant {

// Blocks of n numbers on a grid of step q, without a minimum; one block a lane.
template <std::size_t n>
struct Symmetric {
  std::array<Lanes, n> x, importance;
  Levels levels;
  bool even;  // all have one importance
};

struct Fit {
  Lanes step, error;  // sum of importance (x - step q)^2
};
inline constexpr float kUntried = std::numeric_limits<float>::max();

inline Fit better(const Fit& best, const Fit& next) {  // a NaN is never better
  const LaneMask wins = next.error < best.error;
  return {select(wins, next.step, best.step), select(wins, next.error, best.error)};
}

// The error of a step as it is.
template <std::size_t n>
Fit with_step(const Symmetric<n>& block, Lanes step) {
  const Lanes inverse = inverse_or_zero(step);
  Lanes ee{};
  for (std::size_t i = 0; i < n; ++i) {
    const Lanes q = nearest_levels(block.x[i] * inverse, block.levels);
    const Lanes e = block.x[i] - step * q;
    ee += block.even ? e * e : block.importance[i] * e * e;
  }
  return {step, ee};
}

// The step of least squares for the levels that `step` rounds to: with e = x - step q it is
// step + sum w e q / sum w q^2. In e, because the difference between sum w x^2 and what a step
// explains drowns in f32 at eight bits.
template <std::size_t n>
Fit least_squares(const Symmetric<n>& block, Lanes step) {
  const Lanes inverse = inverse_or_zero(step);
  Lanes ee{}, eq{}, qq{};
  for (std::size_t i = 0; i < n; ++i) {
    const Lanes q = nearest_levels(block.x[i] * inverse, block.levels);
    const Lanes e = block.x[i] - step * q, wq = block.importance[i] * q;
    ee += block.importance[i] * e * e;
    eq += wq * e;
    qq += wq * q;
  }
  const Lanes shift = ratio(eq, qq);
  return {step + shift, ee - eq * shift};
}

template <std::size_t n>
Lanes extreme(const Symmetric<n>& block) {
  Lanes extreme{};
  for (const Lanes x : block.x) extreme = select(magnitude(x) > magnitude(extreme), x, extreme);
  return extreme;
}

// The extreme on the far end of the levels, as rounding to nearest has it.
template <std::size_t n>
Lanes plain_step(const Symmetric<n>& block) {
  const Lanes x = extreme(block);
  if (block.levels.lopsided()) return x / static_cast<float>(block.levels.least);
  return magnitude(x) / static_cast<float>(block.levels.most);
}

// The levels that the extreme lands on while a search goes through steps, from `first` towards 0.
struct Landings {
  float first, by;
  int count;
};
constexpr Landings landings_of(const Levels& levels) {
  if (levels.codebook) return {};
  if (levels.most == 7) return {static_cast<float>(1 - levels.least), 0.5f, 6};
  return {static_cast<float>(-levels.least), 1.0f, 8};
}

// Calls each(step) for the steps of the landings.
template <std::size_t n, typename Each>
void for_each_landing(const Symmetric<n>& block, const Each& each) {
  const Landings landings = landings_of(block.levels);
  const Lanes most = extreme(block);
  for (int i = 0; i < landings.count; ++i) {
    const Lanes step = most / (landings.first - landings.by * static_cast<float>(i));
    each(step);
    if (block.levels.lopsided()) each(-step);
  }
}

// Over steps, the error is a valley (finer steps against cut ends) with a ripple from the luck of
// rounding. On a whole level the extreme, which weighs most, has no error; where all count the
// same, the few steps that bring it there find a place near the floor. Where they do not, or levels
// lie unevenly, the floor may be anywhere: steps far apart find the valley, close ones the ripple.
template <std::size_t n>
Fit search_step(const Symmetric<n>& block) {
  Fit best{extreme(block), all(kUntried)};
  if (block.even && !block.levels.codebook) {
    for_each_landing(block, [&](Lanes step) { best = better(best, with_step(block, step)); });
    return least_squares(block, best.step);
  }
  const auto try_step = [&](Lanes step) { best = better(best, least_squares(block, step)); };
  for_each_landing(block, try_step);
  const int coarse = block.levels.most == 127 ? 0 : 16;  // of eight bits the floor is near
  constexpr int kFine = 12;
  constexpr float kFactor = 0.91f;  // down to a quarter, or a third
  constexpr float kFineFirst = 0.95f, kFineStep = 0.2f / kFine;
  Lanes step = magnitude(extreme(block)) / static_cast<float>(-block.levels.least) *
               (block.levels.codebook ? 1.5f : 1.1f);  // its levels lie far apart outside
  for (int i = 0; i < coarse; ++i, step *= kFactor) {
    try_step(step);
    if (block.levels.lopsided()) try_step(-step);
  }
  const Lanes floor = best.step;
  for (int i = 0; i < kFine; ++i)
    try_step(floor * (kFineFirst + kFineStep * static_cast<float>(i)));
  return best;
}

}  // namespace r1::quant
