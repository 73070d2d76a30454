// Q8_0, Q4_0 and IQ4_NL: blocks of 32 with one scale in f16, four blocks side by side.
#include "lib/quant/block_search.h"
#include "lib/quant/scale_search.h"
#include "lib/quant/unit.h"

namespace r1::quant {
namespace {

struct Four {
  Symmetric<32> block;
  std::array<Unit, kLanes> unit;
};

// Lanes beyond the run repeat its first block.
Four load(const BlockRun& run, const Levels& levels) {
  Four four{{.levels = levels}, {}};
  float x[kLanes][32], importance[kLanes][32];
  for (std::size_t lane = 0; lane < kLanes; ++lane) {
    const std::ptrdiff_t block =
        static_cast<int>(lane) < run.count ? static_cast<std::ptrdiff_t>(lane) : 0;
    four.unit[lane] = scaled(x[lane], run.x + block * run.x_stride, 32);
    relative(importance[lane], run.importance + block * run.importance_stride, 32);
  }
  four.block.x = to_lanes<32>(x[0], 32);
  four.block.importance = to_lanes<32>(importance[0], 32);
  return four;
}

struct Halves {
  std::array<std::uint16_t, kLanes> of;
  Fit fit;
};

// Tries the halves around a step, up to `reach` away, as they are stored.
void try_halves(Halves& best, const Four& four, Lanes step, int reach) {
  for (int i = -reach; i <= reach; ++i) {
    std::array<std::uint16_t, kLanes> half;
    Lanes stored{};
    for (std::size_t lane = 0; lane < kLanes; ++lane) {
      half[lane] = four.unit[lane].half(step[lane], i);
      stored[lane] = four.unit[lane].of_half(half[lane]);
    }
    const Fit fit = with_step(four.block, stored);
    for (std::size_t lane = 0; lane < kLanes; ++lane)
      if (fit.error[lane] < best.fit.error[lane]) best.of[lane] = half[lane];
    best.fit = better(best.fit, fit);
  }
}

}  // namespace

void search_block32(BlockGrid* grids, const BlockRun& run, DType dtype) {
  const Four four = load(run, levels_of(dtype));
  Halves best{{}, {Lanes{}, all(kUntried)}};
  try_halves(best, four, plain_step(four.block), 0);
  const Lanes step = search_step(four.block).step;
  try_halves(best, four, step, 1);
  if (four.block.levels.codebook) try_halves(best, four, -step, 1);
  try_halves(best, four, least_squares(four.block, best.fit.step).step, 1);
  for (std::size_t lane = 0; lane < static_cast<std::size_t>(run.count); ++lane)
    grids[lane] = {.d = f16_to_f32(best.of[lane])};
}

}  // namespace r1::quant
