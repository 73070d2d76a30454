#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "lib/quant/folder_plan.h"
#include "lib/quant/storable.h"

namespace r1 {

inline constexpr std::int64_t kFolderBlock = 128;  // weights that share a scale, in each direction

// How numbers of w4a16 are rounded. The scales of E4M3 are those of the largest in any case: a
// float's steps are as fine at any size.
struct FolderRounding {
  bool search = true;                      // for the best scales, else those of the largest weight
  std::span<const float> importance = {};  // [K]: what errors count for; empty: all the same
  const std::byte* packed = nullptr;       // what all rows came to already, in groups
};

// Rows that are quantized together: 128 of fp8_block, else one.
std::int64_t strip_rows(const FolderWeight& weight, FolderType type);
DType w4a16_scale_type(DType source);  // bf16 of bf16, else f16

// So many rows of a weight as they are stored, and what scales them.
struct FolderStrip {
  std::vector<std::byte> levels, scales;
  Storable storable = Storable::yes;  // else there are none
};
// Rows from `first` on, which is a multiple of strip_rows.
FolderStrip make_strip(const FolderWeight& weight, FolderType type, std::int64_t first,
                       const FolderRounding& rounding);

}  // namespace r1
