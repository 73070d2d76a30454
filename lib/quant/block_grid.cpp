#include "lib/quant/block_grid.h"

#include <cassert>
#include <cstring>

#include "lib/tensor/quant_block.h"

namespace r1::quant {
namespace {

template <typename Block>
void set_scales(Block& block, const BlockGrid& grid) {  // Q8_0, Q4_0, IQ4_NL
  block.d = f32_to_f16(grid.d);
}

template <typename Block>
void set_scales_and_minima(Block& block, const BlockGrid& grid) {
  block.d = f32_to_f16(grid.d);
  block.m = f32_to_f16(grid.m);
  for (int j = 0; j < 8; ++j)
    set_scale_min(
        block.s, j,
        {static_cast<std::uint8_t>(grid.scale[j]), static_cast<std::uint8_t>(grid.minimum[j])});
}
void set_scales(BlockQ4_K& block, const BlockGrid& grid) { set_scales_and_minima(block, grid); }
void set_scales(BlockQ5_K& block, const BlockGrid& grid) { set_scales_and_minima(block, grid); }

void set_scales(BlockQ6_K& block, const BlockGrid& grid) {
  block.d = f32_to_f16(grid.d);
  std::memcpy(block.s, grid.scale, sizeof block.s);
}

void set_scales(BlockIQ4_XS& block, const BlockGrid& grid) {
  block.d = f32_to_f16(grid.d);
  for (int j = 0; j < 8; ++j) set_scale_of_six_bits(block.s, j, grid.scale[j]);
}

template <typename Block>
void write(std::byte* to, const BlockGrid& grid, const std::int8_t* levels) {
  Block block{};
  set_scales(block, grid);
  set_levels(block, levels);
  std::memcpy(to, &block, sizeof block);
}

}  // namespace

void write_block(std::byte* block, const BlockGrid& grid, const std::int8_t* levels, DType dtype) {
  switch (dtype) {
    case DType::q8_0:
      return write<BlockQ8_0>(block, grid, levels);
    case DType::q4_0:
      return write<BlockQ4_0>(block, grid, levels);
    case DType::q4_k:
      return write<BlockQ4_K>(block, grid, levels);
    case DType::q5_k:
      return write<BlockQ5_K>(block, grid, levels);
    case DType::iq4_nl:
      return write<BlockIQ4_NL>(block, grid, levels);
    case DType::iq4_xs:
      return write<BlockIQ4_XS>(block, grid, levels);
    default:
      assert(dtype == DType::q6_k);
      return write<BlockQ6_K>(block, grid, levels);
  }
}

}  // namespace r1::quant
