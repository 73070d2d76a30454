#pragma once

#include "lib/quant/scale_search.h"

namespace r1::quant {

// Blocks of 32 numbers on a grid step q - low with low >= 0; one block a lane. Sums are kept of
// y = x - mean, since they would drown in a mean that is large beside the spread.
struct Affine {
  std::array<Lanes, 32> x, importance;
  float most;  // levels 0 … most
  std::array<Lanes, 32> wy;
  Lanes mean, w, yy;        // weighted mean of x, sums of w and w y^2
  Lanes smallest, largest;  // of x
};

struct AffineFit {
  Lanes step, low, error;
};
inline AffineFit better(const AffineFit& best, const AffineFit& next) {
  const LaneMask wins = next.error < best.error;
  return {select(wins, next.step, best.step), select(wins, next.low, best.low),
          select(wins, next.error, best.error)};
}

// Fills the sums from x and importance.
inline void measure(Affine& block) {
  Lanes w{}, wx{};
  block.smallest = block.largest = block.x[0];
  for (std::size_t i = 0; i < 32; ++i) {
    w += block.importance[i];
    wx += block.importance[i] * block.x[i];
    block.smallest = smaller(block.smallest, block.x[i]);
    block.largest = larger(block.largest, block.x[i]);
  }
  block.w = w;
  block.mean = wx / w;
  block.yy = Lanes{};
  for (std::size_t i = 0; i < 32; ++i) {
    const Lanes y = block.x[i] - block.mean;
    block.wy[i] = block.importance[i] * y;
    block.yy += block.wy[i] * y;
  }
}

// The error of a grid as it is.
inline AffineFit with_grid(const Affine& block, Lanes step, Lanes low) {
  const Lanes inverse = inverse_or_zero(step), most = all(block.most);
  Lanes ee{};
  for (std::size_t i = 0; i < 32; ++i) {
    const Lanes u = block.x[i] + low, q = whole(clamp(u * inverse, Lanes{}, most));
    const Lanes e = u - step * q;
    ee += block.importance[i] * e * e;
  }
  return {step, low, ee};
}

// The grid of least squares for the levels that (step, low) rounds to.
// With both free, step = sum w y q / var and low = step mean(q) - mean(x), where var is
// sum w q^2 - (sum w q)^2 / sum w; where that low would be below zero it is zero, and
// step = sum w x q / sum w q^2.
inline AffineFit least_squares(const Affine& block, Lanes step, Lanes low) {
  const Lanes inverse = inverse_or_zero(step), offset = low * inverse, most = all(block.most);
  Lanes wq{}, wqq{}, wyq{};
  for (std::size_t i = 0; i < 32; ++i) {
    const Lanes q = whole(clamp(block.x[i] * inverse + offset, Lanes{}, most));
    const Lanes one = block.importance[i] * q;
    wq += one;
    wqq += one * q;
    wyq += block.wy[i] * q;
  }
  constexpr float kOneLevel = 1e-5f;  // share of wqq below which var is rounding alone
  const Lanes mean_q = wq / block.w, var = wqq - wq * mean_q;
  const Lanes step_free = ratio(wyq, var), low_free = step_free * mean_q - block.mean;
  const Lanes wxq = wyq + block.mean * wq, step_only = ratio(wxq, wqq);
  const LaneMask free = (low_free >= 0.0f) & (var > kOneLevel * wqq);
  const Lanes xx = block.yy + block.w * block.mean * block.mean;
  return {select(free, step_free, step_only), select(free, low_free, Lanes{}),
          select(free, block.yy - wyq * step_free, xx - wxq * step_only)};
}

// Every number within the grid: what rounding to nearest takes.
inline AffineFit plain_grid(const Affine& block) {
  const Lanes low = larger(-block.smallest, Lanes{});
  const Lanes step = (larger(block.largest, Lanes{}) + low) / block.most;
  return with_grid(block, step, low);
}

// Grids whose ends lie some share of the range inside of it, then a finer look around the best.
inline AffineFit search_grid(const Affine& block) {
  constexpr float kShares[] = {-0.05f, 0.0f, 0.05f, 0.1f, 0.16f, 0.24f, 0.34f, 0.46f};
  const Lanes bottom = smaller(block.smallest, Lanes{});
  const Lanes range = larger(block.largest - bottom, Lanes{});
  AffineFit best = plain_grid(block);
  for (const float below : kShares)
    for (const float above : kShares) {
      const Lanes low = larger(-(bottom + below * range), Lanes{});
      const Lanes step = (1.0f - below - above) * range / block.most;
      best = better(best, least_squares(block, step, low));
    }
  const AffineFit centre = best;
  for (const float stretch : {-0.06f, -0.03f, 0.0f, 0.03f, 0.06f})
    for (const float shift : {-0.6f, -0.3f, 0.0f, 0.3f, 0.6f}) {
      const Lanes low = larger(centre.low + shift * centre.step, Lanes{});
      best = better(best, least_squares(block, centre.step * (1.0f + stretch), low));
    }
  return best;
}

}  // namespace r1::quant
