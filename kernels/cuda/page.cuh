#pragma once

#include <cstdint>
#include <type_traits>

#include <cuda_runtime.h>

#include "kernels/cuda/intrinsics.cuh"
#include "lib/backend/backend.h"

namespace r1::cuda {

// How things lie in a page of one key head. Values lie position by position, [64, hd]. Keys lie in
// pieces of 16 bytes of a position, all positions of a piece together: [hd / n, 64, n], with n
// numbers in 16 bytes, then what is left of the head in the same way. So 32 positions of a piece
// are one coalesced read of 512 bytes, a position a lane, and a score needs no sum over lanes.
// The scales of blocks of q8_0 lie behind the numbers, [hd / 32, 64], of keys and of values.

inline constexpr int kPage = static_cast<int>(kPageTokens);

// Where element d of the key at `position` lies, in elements from the page's first.
template <typename Type>
__device__ inline int key_place(int position, int d, int hd) {
  constexpr int kPiece = kPerLoad<Type>;
  const int piece = d / kPiece * kPiece;
  const int width = hd - piece < kPiece ? hd - piece : kPiece;
  return piece * kPage + position * width + d - piece;
}

// Numbers of a page, and scales as so many of them.
template <typename Type>
__device__ inline std::int64_t page_size(int hd) {
  constexpr bool kBlocks = std::is_same_v<Type, Q8>;
  return std::int64_t{kPage} * (kBlocks ? hd + hd / Q8::kElements * 2 : hd);
}

// Page `number` of keys or values.
template <typename Type, typename Void>
__device__ inline auto page_at(Void* pages, std::int64_t number, int hd) {
  using Bits =
      std::conditional_t<std::is_const_v<Void>, const typename Type::Bits, typename Type::Bits>;
  return static_cast<Bits*>(pages) + number * page_size<Type>(hd);
}

// The scale of the block with element d at `position` of a page of q8_0.
template <typename Bits>
__device__ inline auto scale_at(Bits* page, int position, int d, int hd) {
  using Half = std::conditional_t<std::is_const_v<Bits>, const std::uint16_t, std::uint16_t>;
  return reinterpret_cast<Half*>(page + kPage * hd) + d / Q8::kElements * kPage + position;
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
