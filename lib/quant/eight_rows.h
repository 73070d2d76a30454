#pragma once

#include <cstdint>

#include "lib/quant/block_grid.h"
#include "lib/quant/lanes.h"
#include "lib/quant/product.h"

// Error feedback within a group of columns, eight rows side by side (row_tile.h).
namespace r1::quant {

inline constexpr std::int64_t kGroup = 32;  // columns

// The grids of a group in eight rows: its sub-blocks are two, or one, or it is part of one.
struct Steps {
  Lanes step[2], low[2];
  int columns;  // of each
};

// Where the group lies: `x` with one stride from row to row, `lost` and `levels` with another.
struct EightRows {
  float* x;
  std::int64_t x_stride;
  float* lost;
  std::int8_t* levels;
  std::int64_t stride;
};

// Rounds column by column, each with what those before it lost. x: what the columns should be, so
// far; lost: w on the way in, w - decoded on the way out. m: M (row_tile.h) from the group's corner
// on.
void round_group(const EightRows& rows, const Steps& steps, MatrixView<const float> m,
                 const Levels& shape);

// Each column anew: with g = e H, column k alone is best at decoded_k + g_k / H_kk. x: g on the way
// in, what was added to `lost` on the way out. h: H from the group's corner on. A block of one
// scale gets the step that is best for its levels first.
void revise_group(const EightRows& rows, Steps& steps, bool one_scale, MatrixView<const float> h,
                  const Levels& shape);

}  // namespace r1::quant
