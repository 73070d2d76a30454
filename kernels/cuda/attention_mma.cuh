#pragma once

#include <cstdint>

#include <cuda_runtime.h>

#include "kernels/cuda/attention_tile.cuh"
#include "kernels/cuda/intrinsics.cuh"
#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/mma.cuh"
#include "kernels/cuda/parts.cuh"
#include "kernels/cuda/reduce.cuh"

namespace r1::cuda {

// Attention over whole documents on tensor cores: what products multiply is rounded to bf16; scores
// and sums are f32. A block owns 64 rows of one head, queries or (on the way back) keys, and walks
// past tiles of rows of the other kind, the next of which is on its way; a warp has 16 of the owned
// rows. Heads of up to 128 elements, a multiple of 8.

inline constexpr int kMmaThreads = 128, kMmaRows = 64;

inline bool fits_mma(const Documents& s) { return s.hd % 8 == 0 && s.hd <= 128; }

// What Documents point to, rounded; and on the way back dy [T, H, hd].
struct RoundedHeads {
  const std::uint16_t *q, *k, *v, *dy;
};

// kHead: elements of a head, filled up with zeros. Rows are 16 bytes longer than a multiple of 64,
// so that ldmatrix finds 8 of them in different banks.
template <int kHead_>
struct MmaTiles {
  static constexpr int kHead = kHead_, kPitch = kHead + 8;
  static constexpr int kOther = kHead <= 64 ? 64 : 32;  // rows of a tile: registers are few
  using Rows = std::uint16_t[kOther * kPitch];
  using OwnRows = std::uint16_t[kMmaRows * kPitch];
  using Scores = float[kOther / 8][4];  // of 16 rows and a tile, as multiply_add leaves them
  using Sums = float[kHead / 8][4];     // of 16 rows and their elements

  struct Keys {
    Rows keys, values;
    float decay[kOther];
  };
};

// Begins to copy rows first … first + kRows - 1 of [.., hd], `stride` elements apart; zeros from
// `end` on.
template <typename Tiles, int kRows>
__device__ void copy_rows(std::uint16_t* to, const std::uint16_t* from, std::int64_t stride,
                          int first, int end, int hd) {
  constexpr int kPieces = Tiles::kHead / 8;
  for (int i = static_cast<int>(threadIdx.x); i < kRows * kPieces; i += kMmaThreads) {
    const int r = i / kPieces, d = i % kPieces * 8;
    const bool none = first + r >= end || d >= hd;
    copy16_async(to + r * Tiles::kPitch + d, none ? from : from + (first + r) * stride + d, none);
  }
}

// Calls use(n) for tiles 0 … count - 1, each when copy(n) has brought it, into the one of two
// places that is free; the next one is on its way meanwhile. What was copied before comes with the
// first.
template <typename Copy, typename Use>
__device__ void walk(int count, const Copy& copy, const Use& use) {
  copy(0);
  commit_copies();
  for (int n = 0; n < count; ++n) {
    if (n + 1 < count) copy(n + 1);
    commit_copies();
    wait_for_copies<1>();
    __syncthreads();  // the tile is here
    use(n);
    __syncthreads();  // it has been read
  }
}

// A block of queries of head h, rows i0 … end - 1, and what it sees. The last ones see most: they
// begin first.
struct QueryBlock {
  int h, kv, i0, end, first;

  __device__ explicit QueryBlock(const Documents& s)
      : h(static_cast<int>(blockIdx.y)),
        kv(h / s.group()),
        i0(static_cast<int>(gridDim.x - 1 - blockIdx.x) * kMmaRows),
        end(i0 + kMmaRows < s.T ? i0 + kMmaRows : s.T),
        first(s.first_seen(i0)) {}

  template <typename Tiles>
  __device__ void copy_own(typename Tiles::OwnRows& to, const Documents& s,
                           const std::uint16_t* from) const {
    copy_rows<Tiles, kMmaRows>(to, from + std::int64_t{h} * s.hd, std::int64_t{s.H} * s.hd, i0, end,
                               s.hd);
  }
  template <typename Tiles>
  __device__ void copy_keys(typename Tiles::Keys& to, const Documents& s,
                            const RoundedHeads& rounded, int j0) const {
    const std::int64_t at = std::int64_t{kv} * s.hd, stride = std::int64_t{s.KV} * s.hd;
    copy_rows<Tiles, Tiles::kOther>(to.keys, rounded.k + at, stride, j0, end, s.hd);
    copy_rows<Tiles, Tiles::kOther>(to.values, rounded.v + at, stride, j0, end, s.hd);
    const int lane = static_cast<int>(threadIdx.x);
    if (lane < Tiles::kOther) to.decay[lane] = j0 + lane < end ? s.decay_of(j0 + lane, kv) : 0.0f;
  }
  template <typename Tiles>
  __device__ int tiles() const {
    return (end - first + Tiles::kOther - 1) / Tiles::kOther;
  }
};

// z = a b^T of a warp's 16 of the owned rows and a tile.
template <typename Tiles>
__device__ void multiply_rows(typename Tiles::Scores& z, const std::uint16_t* a,
                              const std::uint16_t* b) {
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  a += (static_cast<int>(threadIdx.x) / kWarp * 16 + lane % 16) * Tiles::kPitch + lane / 16 * 8;
  b += (lane / 16 * 8 + lane % 8) * Tiles::kPitch + lane / 8 % 2 * 8;
#pragma unroll
  for (auto& tile : z)
    for (float& score : tile) score = 0.0f;
#pragma unroll
  for (int d = 0; d < Tiles::kHead; d += 16) {
    unsigned left[4];
    load_matrices<false>(left, a + d);
#pragma unroll
    for (int n = 0; n < Tiles::kOther / 8; n += 2) {
      unsigned right[4];
      load_matrices<false>(right, b + 8 * n * Tiles::kPitch + d);
      multiply_add(z[n], left, right[0], right[1]);
      multiply_add(z[n + 1], left, right[2], right[3]);
    }
  }
}

// sums += weights b of 16 rows and a tile.
template <typename Tiles>
__device__ void add_weighted_rows(typename Tiles::Sums& sums, const typename Tiles::Scores& weights,
                                  const std::uint16_t* b) {
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  b += lane % 16 * Tiles::kPitch + lane / 16 * 8;
#pragma unroll
  for (int k = 0; k < Tiles::kOther / 16; ++k) {
    const float(&low)[4] = weights[2 * k], (&high)[4] = weights[2 * k + 1];
    const unsigned left[4] = {pack_bfloats(low[0], low[1]), pack_bfloats(low[2], low[3]),
                              pack_bfloats(high[0], high[1]), pack_bfloats(high[2], high[3])};
#pragma unroll
    for (int n = 0; n < Tiles::kHead / 8; n += 2) {
      unsigned right[4];
      load_matrices<true>(right, b + 16 * k * Tiles::kPitch + 8 * n);
      multiply_add(sums[n], left, right[0], right[1]);
      multiply_add(sums[n + 1], left, right[2], right[3]);
    }
  }
}

// Of a lane's scores: number e of tile n stands in column column_of(n, e) and in row g + 8 (e / 2)
// of 16, with g = lane / 4.
__device__ inline int column_of(int n, int e) {
  return 8 * n + static_cast<int>(threadIdx.x) % 4 * 2 + e % 2;
}
__device__ inline int own_row(int half) {
  const int thread = static_cast<int>(threadIdx.x);
  return thread / kWarp * 16 + thread % kWarp / 4 + 8 * half;
}

// Over the four lanes that share a row.
template <typename Op>
__device__ float over_row_of_scores(float value) {
  value = Op::of(value, __shfl_xor_sync(kAllLanes, value, 1));
  return Op::of(value, __shfl_xor_sync(kAllLanes, value, 2));
}

// change(to[i], sums[..]) for the elements of a lane in one of its rows.
template <typename Tiles, typename Change>
__device__ void write_row(float* to, const typename Tiles::Sums& sums, int half, int hd,
                          const Change& change) {
#pragma unroll
  for (int n = 0; n < Tiles::kHead / 8; ++n)
    for (int e = 0; e < 2 && 8 * n < hd; ++e) change(to[column_of(n, e)], sums[n][2 * half + e]);
}

// run(MmaTiles<n>) with the least head that holds hd elements.
template <typename Run>
void for_mma_tiles(int hd, const Run& run) {
  if (hd <= 32) return run(MmaTiles<32>{});
  if (hd <= 64) return run(MmaTiles<64>{});
  run(MmaTiles<128>{});
}

}  // namespace r1::cuda
