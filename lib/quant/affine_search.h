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

void measure(Affine& block);  // fills the sums from x and importance
// The error of a grid as it is.
AffineFit with_grid(const Affine& block, Lanes step, Lanes low);
// The grid of least squares for the levels that (step, low) rounds to.
AffineFit least_squares(const Affine& block, Lanes step, Lanes low);
// Every number within the grid: what rounding to nearest takes.
AffineFit plain_grid(const Affine& block);
AffineFit search_grid(const Affine& block);

}  // namespace r1::quant
