#pragma once

#include <cstdint>

#include <cuda_runtime.h>

#include "kernels/cuda/intrinsics.cuh"
#include "lib/backend/backend.h"

namespace r1::cuda {

// How things lie in a page of one key head. Values lie position by position, [64, hd]. Keys lie in
// pieces of 16 bytes of a position, all positions of a piece together: [hd / n, 64, n], with n
// numbers in 16 bytes, then what is left of the head in the same way. So 32 positions of a piece
// are one coalesced read of 512 bytes, a position a lane, and a score needs no sum over lanes.

inline constexpr int kPage = static_cast<int>(kPageTokens);

// Where element d of the key at `position` lies, in elements from the page's first.
template <typename Type>
__device__ inline int key_place(int position, int d, int hd) {
  constexpr int kPiece = kPerLoad<Type>;
  const int piece = d / kPiece * kPiece;
  const int width = hd - piece < kPiece ? hd - piece : kPiece;
  return piece * kPage + position * width + d - piece;
}

struct PageTable {
  const std::int32_t* table;  // [S, pages]
  std::int64_t pages, KV;

  // Number of the page of one key head that holds position j: an element of kv.longest.
  __device__ std::int64_t of(std::int64_t sequence, std::int64_t j, std::int64_t h) const {
    return table[sequence * pages + j / kPage] * KV + h;
  }
};

inline PageTable page_table(const PagedKv& kv) {
  return {kv.table.as<std::int32_t>(), kv.table.shape[1], kv.keys.shape[1]};
}

}  // namespace r1::cuda
