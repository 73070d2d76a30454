// The scale and minimum of one sub-block of a block of 256, when d and m stand: the
// same sub-block of eight rows side by side.
#include "lib/quant/block_search.h"
#include "lib/quant/lanes.h"
#include "lib/quant/unit.h"

namespace r1::quant {
namespace {

struct SubBlocks {
  std::array<Lanes, 32> x;
  std::array<float, 32> importance;
  std::size_t n;
  Levels levels;
};

SubBlocks load(const BlockRun& run, const Levels& shape) {
  SubBlocks blocks{
      .x = {}, .importance = {}, .n = static_cast<std::size_t>(shape.sub_block), .levels = shape};
  relative(blocks.importance.data(), run.importance, shape.sub_block);
  for (std::size_t lane = 0; lane < static_cast<std::size_t>(run.count); ++lane)
    for (std::size_t i = 0; i < blocks.n; ++i)
      blocks.x[i][lane] =
          run.x[static_cast<std::ptrdiff_t>(lane) * run.x_stride + static_cast<std::ptrdiff_t>(i)];
  return blocks;
}

Lanes error(const SubBlocks& blocks, Lanes step, Lanes low) {
  const Lanes inverse = inverse_or_zero(step);
  Lanes ee{};
  for (std::size_t i = 0; i < blocks.n; ++i) {
    const Lanes u = blocks.x[i] + low, q = nearest_levels(u * inverse, blocks.levels);
    const Lanes e = u - step * q;
    ee += blocks.importance[i] * e * e;
  }
  return ee;
}

}  // namespace

R1_VECTORIZED void refine(BlockGrid* const* grids, std::size_t j, const BlockRun& run,
                          DType dtype) {
  constexpr int kReach = 4;
  const Levels shape = levels_of(dtype);
  const SubBlocks blocks = load(run, shape);
  Lanes d{}, m{}, scale{}, minimum{};
  for (std::size_t lane = 0; lane < static_cast<std::size_t>(run.count); ++lane) {
    d[lane] = grids[lane]->d;
    m[lane] = grids[lane]->m;
    scale[lane] = grids[lane]->scale[j];
    if (shape.minima) minimum[lane] = grids[lane]->minimum[j];
  }
  Lanes best_scale = scale, best_minimum = minimum, best = error(blocks, d * scale, m * minimum);
  const Lanes least = all(static_cast<float>(shape.scale_least));
  const Lanes most = all(static_cast<float>(shape.scale_most));
  const int reach_low = shape.minima ? kReach : 0;
  for (int a = -kReach; a <= kReach; ++a)
    for (int b = -reach_low; b <= reach_low; ++b) {
      const Lanes s = clamp(scale + static_cast<float>(a), least, most);
      const Lanes t = clamp(minimum + static_cast<float>(b), Lanes{}, most);
      const Lanes e = error(blocks, d * s, m * t);
      const LaneMask wins = e < best;
      best = select(wins, e, best);
      best_scale = select(wins, s, best_scale);
      best_minimum = select(wins, t, best_minimum);
    }
  for (std::size_t lane = 0; lane < static_cast<std::size_t>(run.count); ++lane) {
    grids[lane]->scale[j] = static_cast<std::int8_t>(best_scale[lane]);
    if (shape.minima) grids[lane]->minimum[j] = static_cast<std::int8_t>(best_minimum[lane]);
  }
}

}  // namespace r1::quant
