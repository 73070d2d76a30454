#pragma once

#include <cstddef>

#include "lib/quant/block_grid.h"

namespace r1::quant {

// Blocks that are searched together: neighbours in a row, or the same block of several rows.
// Strides lead from one to the next.
struct BlockRun {
  const float* x;  // the weights, finite
  std::ptrdiff_t x_stride;
  const float* importance;  // >= 0, finite; none where all count the same
  std::ptrdiff_t importance_stride;
  int count;  // at most kRun
};
inline constexpr int kRun = int{kLanes};

// grids [run.count] <- those with the least sum of importance (x - decoded)^2 that are found. Error
// is counted on what is stored: scales rounded to their bits.
void search_blocks(BlockGrid* grids, const BlockRun& run, DType dtype);

// Sub-block j of blocks of a type of 256 weights whose d and m stand: run.x is now that sub-block,
// and its scale and minimum in *grids[i] become the best near to what they are. One importance for
// all.
void refine(BlockGrid* const* grids, std::size_t j, const BlockRun& run, DType dtype);

// search_blocks by the type.
void search_q8_0(BlockGrid* grids, const BlockRun& run);
void search_q4_0(BlockGrid* grids, const BlockRun& run);
void search_iq4_nl(BlockGrid* grids, const BlockRun& run);
BlockGrid search_q4_k(const float* x, const float* importance);
BlockGrid search_q5_k(const float* x, const float* importance);
BlockGrid search_q6_k(const float* x, const float* importance);
BlockGrid search_iq4_xs(const float* x, const float* importance);

}  // namespace r1::quant
