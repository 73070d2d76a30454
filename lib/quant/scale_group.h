#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "lib/quant/block_search.h"

namespace r1::quant {

// Groups of 128 weights in 4 bits with a scale in f16 or bf16, as folders of w4a16 have them. In
// one piece a group is its scale, then two levels a byte, the first in the low half and each
// plus 8.
inline constexpr std::int64_t kScaleGroup = 128;
inline constexpr std::size_t kScaleGroupBytes = 2 + kScaleGroup / 2;
inline constexpr Levels kScaleGroupLevels{-8, 7, 1, 1, false, kScaleGroup};

// As search_blocks.
void search_groups(BlockGrid* grids, const BlockRun& run, DType scale);
void write_group(std::byte* group, const BlockGrid& grid, const std::int8_t* levels, DType scale);

// groups <- row [K], finite, each number to the nearest. importance [K], or empty: all count the
// same. Without `search` scales are those of the largest weight.
void pack_groups(std::byte* groups, std::span<const float> row, std::span<const float> importance,
                 DType scale, bool search);

}  // namespace r1::quant
