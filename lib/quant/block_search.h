#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "lib/tensor/dtype.h"

namespace r1::quant {

// What the scales of one block stand for: a level q, a whole number, of sub-block j decodes to
// step[j] q - low[j].
struct BlockGrid {
  float step[16] = {}, low[16] = {};
};

// The levels of a type, and how many elements share a scale.
struct Levels {
  int least, most;
  int sub_block;
};
constexpr Levels levels_of(DType dtype) {
  switch (dtype) {
    case DType::q8_0:
      return {-127, 127, 32};  // -128 is left unused, as every writer does
    case DType::q4_0:
      return {-8, 7, 32};
    case DType::q4_k:
      return {0, 15, 32};
    case DType::q5_k:
      return {0, 31, 32};
    default:
      return {-32, 31, 16};  // q6_k
  }
}

// Blocks that are searched together: neighbours in a row, or the same block of several rows.
// Strides lead from one to the next, in bytes and in numbers.
struct BlockRun {
  std::byte* blocks;
  std::ptrdiff_t block_stride;
  const float* x;  // the weights, finite
  std::ptrdiff_t x_stride;
  const float* importance;  // >= 0, finite
  std::ptrdiff_t importance_stride;
  int count;  // at most kRun
};
inline constexpr int kRun = 4;

// Finds the scales with the least sum of importance (x - decoded)^2, writes them to the blocks and
// says what grids they make [run.count]. Error is counted on what is stored: scales rounded to
// their bits. The levels of the blocks stay as they are.
void search_blocks(BlockGrid* grids, const BlockRun& run, DType dtype);

// The same for one type each.
void search_q8_0(BlockGrid* grids, const BlockRun& run);
void search_q4_0(BlockGrid* grids, const BlockRun& run);
void search_q4_k(BlockGrid& grid, std::byte* block, const float* x, const float* importance);
void search_q5_k(BlockGrid& grid, std::byte* block, const float* x, const float* importance);
void search_q6_k(BlockGrid& grid, std::byte* block, const float* x, const float* importance);

// The level, a whole number, that is nearest to x: the same numbers as in the searches.
inline float nearest_level(float x, float step, float low, const Levels& levels) {
  const float scaled = step != 0 ? (x + low) * (1.0f / step) : 0.0f;
  const float bounded =
      std::clamp(scaled, static_cast<float>(levels.least), static_cast<float>(levels.most));
  return (bounded + 12582912.0f) - 12582912.0f;
}

// Writes the levels of a block.
void set_levels(std::byte* block, const std::int8_t* levels, DType dtype);

}  // namespace r1::quant
