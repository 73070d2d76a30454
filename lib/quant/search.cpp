#include "lib/quant/search.h"

#include <algorithm>
#include <cassert>
#include <cstring>
#include <vector>

#include "lib/quant/block_search.h"
#include "lib/quant/lanes.h"
#include "lib/tensor/quant_block.h"

namespace r1 {
namespace quant {
namespace {

template <typename Block>
void set_levels_of(std::byte* to, const std::int8_t* levels) {
  Block block;
  std::memcpy(&block, to, sizeof block);
  r1::set_levels(block, levels);
  std::memcpy(to, &block, sizeof block);
}

}  // namespace

void set_levels(std::byte* block, const std::int8_t* levels, DType dtype) {
  switch (dtype) {
    case DType::q8_0:
      return set_levels_of<BlockQ8_0>(block, levels);
    case DType::q4_0:
      return set_levels_of<BlockQ4_0>(block, levels);
    case DType::q4_k:
      return set_levels_of<BlockQ4_K>(block, levels);
    case DType::q5_k:
      return set_levels_of<BlockQ5_K>(block, levels);
    default:
      assert(dtype == DType::q6_k);
      return set_levels_of<BlockQ6_K>(block, levels);
  }
}

void search_blocks(BlockGrid* grids, const BlockRun& run, DType dtype) {
  if (dtype == DType::q8_0) return search_q8_0(grids, run);
  if (dtype == DType::q4_0) return search_q4_0(grids, run);
  const auto search = dtype == DType::q4_k   ? search_q4_k
                      : dtype == DType::q5_k ? search_q5_k
                                             : search_q6_k;
  for (int i = 0; i < run.count; ++i)
    search(grids[i], run.blocks + i * run.block_stride, run.x + i * run.x_stride,
           run.importance + i * run.importance_stride);
}

namespace {

// Rounds a block of x to the levels of its grid. The same products as in the search.
void round_to(std::int8_t* levels, const float* x, const BlockGrid& grid, int elements,
              const Levels& shape) {
  const Lanes least = all(static_cast<float>(shape.least)),
              most = all(static_cast<float>(shape.most));
  for (int i = 0; i < elements; i += kLanes) {
    const int j = i / shape.sub_block;
    Lanes v;
    std::memcpy(&v, x + i, sizeof v);
    const Lanes q =
        whole(clamp((v + grid.low[j]) * inverse_or_zero(all(grid.step[j])), least, most));
    for (int lane = 0; lane < kLanes; ++lane) levels[i + lane] = static_cast<std::int8_t>(q[lane]);
  }
}

}  // namespace
}  // namespace quant

void pack_row(void* blocks, std::span<const float> row, std::span<const float> importance,
              DType dtype) {
  if (!is_quantized(dtype)) return pack(blocks, row, dtype);
  assert(importance.empty() || importance.size() == row.size());
  using namespace quant;
  const std::ptrdiff_t elements = block_elements(dtype), K = std::ssize(row);
  assert(K % elements == 0);
  const std::vector<float> even(importance.empty() ? row.size() : 0, 1.0f);
  if (importance.empty()) importance = even;
  const auto bytes = static_cast<std::ptrdiff_t>(block_bytes(dtype));
  auto* to = static_cast<std::byte*>(blocks);
  for (std::ptrdiff_t k = 0; k < K; k += kRun * elements) {
    const int count = static_cast<int>(std::min<std::ptrdiff_t>(kRun, (K - k) / elements));
    BlockGrid grids[kRun];
    search_blocks(grids,
                  {to, bytes, row.data() + k, elements, importance.data() + k, elements, count},
                  dtype);
    for (int i = 0; i < count; ++i, to += bytes) {
      std::int8_t levels[256];
      round_to(levels, row.data() + k + i * elements, grids[i], static_cast<int>(elements),
               levels_of(dtype));
      set_levels(to, levels, dtype);
    }
  }
}

}  // namespace r1
