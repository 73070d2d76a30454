// Q8_0, Q4_0 and IQ4_NL: blocks of 32 with one scale in f16, eight blocks side by side.
#include "lib/quant/block_search.h"
#include "lib/quant/scale_search.h"
#include "lib/quant/unit.h"

namespace r1::quant {
namespace {

struct Blocks {
  Symmetric<32> of;
  std::array<Unit, kLanes> unit;
};

// Lanes beyond the run repeat its first block.
Blocks load(const BlockRun& run, const Levels& levels) {
  Blocks blocks{{.levels = levels}, {}};
  float x[kLanes][32], importance[kLanes][32];
  for (std::size_t lane = 0; lane < kLanes; ++lane) {
    const std::ptrdiff_t block =
        static_cast<int>(lane) < run.count ? static_cast<std::ptrdiff_t>(lane) : 0;
    blocks.unit[lane] = scaled(x[lane], run.x + block * run.x_stride, 32);
    relative(importance[lane], run.importance + block * run.importance_stride, 32);
  }
  blocks.of.x = to_lanes<32>(x[0], 32);
  blocks.of.importance = to_lanes<32>(importance[0], 32);
  return blocks;
}

struct Halves {
  std::array<std::uint16_t, kLanes> of;
  Fit fit;
};

// Tries the halves around a step, up to `reach` away, as they are stored.
void try_halves(Halves& best, const Blocks& blocks, Lanes step, int reach) {
  for (int i = -reach; i <= reach; ++i) {
    std::array<std::uint16_t, kLanes> half;
    Lanes stored{};
    for (std::size_t lane = 0; lane < kLanes; ++lane) {
      half[lane] = blocks.unit[lane].half(step[lane], i);
      stored[lane] = blocks.unit[lane].of_half(half[lane]);
    }
    const Fit fit = with_step(blocks.of, stored);
    for (std::size_t lane = 0; lane < kLanes; ++lane)
      if (fit.error[lane] < best.fit.error[lane]) best.of[lane] = half[lane];
    best.fit = better(best.fit, fit);
  }
}

template <DType dtype>
void search(BlockGrid* grids, const BlockRun& run) {
  constexpr Levels kLevels = levels_of(dtype);
  const Blocks blocks = load(run, kLevels);
  Halves best{{}, {Lanes{}, all(kUntried)}};
  try_halves(best, blocks, plain_step(blocks.of), 0);
  const Lanes step = search_step(blocks.of).step;
  try_halves(best, blocks, step, 1);
  if (kLevels.codebook) try_halves(best, blocks, -step, 1);
  try_halves(best, blocks, least_squares(blocks.of, best.fit.step).step, 1);
  for (std::size_t lane = 0; lane < static_cast<std::size_t>(run.count); ++lane)
    grids[lane] = {.d = f16_to_f32(best.of[lane])};
}

}  // namespace

R1_ON_LANES void search_q8_0(BlockGrid* grids, const BlockRun& run) {
  search<DType::q8_0>(grids, run);
}
R1_ON_LANES void search_q4_0(BlockGrid* grids, const BlockRun& run) {
  search<DType::q4_0>(grids, run);
}
R1_ON_LANES void search_iq4_nl(BlockGrid* grids, const BlockRun& run) {
  search<DType::iq4_nl>(grids, run);
}

}  // namespace r1::quant
