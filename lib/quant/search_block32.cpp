// Q8_0, Q4_0 and IQ4_NL: blocks of 32 with one scale in f16, eight blocks side by side.
#include "lib/quant/block_search.h"
#include "lib/quant/scale_search.h"
#include "lib/quant/unit.h"

namespace r1::quant {
namespace {

struct Blocks {
  Symmetric<32> of;
  Lanes size, inverse;  // of their units
};

// Lanes beyond the run repeat its first block.
Blocks load(const BlockRun& run, const Levels& levels) {
  Blocks blocks{{.levels = levels, .even = run.importance == nullptr}, {}, {}};
  float x[kLanes][32], importance[kLanes][32];
  for (std::size_t lane = 0; lane < kLanes; ++lane) {
    const std::ptrdiff_t block =
        static_cast<int>(lane) < run.count ? static_cast<std::ptrdiff_t>(lane) : 0;
    const Unit unit = scaled(x[lane], run.x + block * run.x_stride, 32);
    blocks.size[lane] = unit.size();
    blocks.inverse[lane] = unit.inverse();
    if (!blocks.of.even)
      relative(importance[lane], run.importance + block * run.importance_stride, 32);
  }
  blocks.of.x = to_lanes<32>(x[0], 32);
  if (blocks.of.even)
    blocks.of.importance.fill(all(1.0f));
  else
    blocks.of.importance = to_lanes<32>(importance[0], 32);
  return blocks;
}

// The half near a step that is stored for it, or `away` halves larger in magnitude.
Fit with_half(const Blocks& blocks, Lanes step, int away = 0) {
  return with_step(blocks.of, half_near(step * blocks.size, away) * blocks.inverse);
}

template <DType dtype>
void search(BlockGrid* grids, const BlockRun& run) {
  constexpr Levels kLevels = levels_of(dtype);
  const Blocks blocks = load(run, kLevels);
  const int reach = blocks.of.even ? 0 : 1;
  Fit best = with_half(blocks, plain_step(blocks.of));
  const auto try_halves = [&](Lanes step) {
    for (int i = -reach; i <= reach; ++i) best = better(best, with_half(blocks, step, i));
  };
  const Lanes step = search_step(blocks.of).step;
  try_halves(step);
  if (kLevels.codebook) try_halves(-step);
  if (reach > 0) try_halves(least_squares(blocks.of, best.step).step);
  const Lanes d = best.step * blocks.size;
  for (std::size_t lane = 0; lane < static_cast<std::size_t>(run.count); ++lane)
    grids[lane] = {.d = d[lane]};
}

}  // namespace

R1_VECTORIZED void search_q8_0(BlockGrid* grids, const BlockRun& run) {
  search<DType::q8_0>(grids, run);
}
R1_VECTORIZED void search_q4_0(BlockGrid* grids, const BlockRun& run) {
  search<DType::q4_0>(grids, run);
}
R1_VECTORIZED void search_iq4_nl(BlockGrid* grids, const BlockRun& run) {
  search<DType::iq4_nl>(grids, run);
}

}  // namespace r1::quant
