#pragma once

#include "lib/quant/block_search.h"
#include "lib/quant/scale_group.h"

namespace r1::quant {

// What error feedback packs: blocks of a quantized type of GGUF, or groups of 128 (scale_group.h).
class BlockType {
 public:
  BlockType(DType blocks) : dtype_(blocks) {}  // NOLINT(google-explicit-constructor)
  static BlockType groups(DType scale) {
    BlockType type(scale);
    type.grouped_ = true;
    return type;
  }

  Levels levels() const { return grouped_ ? kScaleGroupLevels : levels_of(dtype_); }
  std::int64_t elements() const { return grouped_ ? kScaleGroup : block_elements(dtype_); }
  std::size_t bytes() const { return grouped_ ? kScaleGroupBytes : block_bytes(dtype_); }

  void search(BlockGrid* grids, const BlockRun& run) const {
    grouped_ ? search_groups(grids, run, dtype_) : search_blocks(grids, run, dtype_);
  }
  // The scale of sub-block j anew, where it has one of its own.
  void refine(BlockGrid* const* grids, std::size_t j, const BlockRun& run) const {
    if (!grouped_) quant::refine(grids, j, run, dtype_);
  }
  void write(std::byte* block, const BlockGrid& grid, const std::int8_t* levels) const {
    grouped_ ? write_group(block, grid, levels, dtype_) : write_block(block, grid, levels, dtype_);
  }

 private:
  DType dtype_;  // of groups: of their scales
  bool grouped_ = false;
};

}  // namespace r1::quant
