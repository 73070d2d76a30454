#pragma once

#include <cstdint>

#include <cuda_runtime.h>

#include "kernels/cuda/attention_mma.cuh"

namespace r1::cuda {

// The gradients of attention on tensor cores, as attention_backward.cu has them in f32.

// What comes back: dy [T, H, hd], and by row and head lse and dy·y [T, H].
struct Back {
  const float *dy, *lse, *mean;
};

// p of a query and a key, and dz.
struct Pair {
  float p, dz;
};

struct KeyGradients {
  float *dk, *dv, *dA;  // each may be null
};

// A query row as scores of tensor cores need it.
struct MmaRow {
  int i, first;  // itself, and the first that it sees: none where it is not there
  float own, lse, mean;

  // Of key j, whose A is `decay`, with q·k and dy·v.
  __device__ Pair pair(const Documents& s, int j, float decay, float product, float dp) const {
    const float z = fmaf(product, s.scale * kLog2E, (own - decay - lse) * kLog2E);
    const float p = first <= j && j <= i ? power_of_two(z) : 0.0f;
    return {p, p * (dp - mean)};
  }
};
__device__ inline MmaRow mma_row(const Documents& s, const Back& back, int i, int h) {
  if (i >= s.T) return {i, i + 1, 0.0f, 0.0f, 0.0f};
  const std::int64_t row = std::int64_t{i} * s.H + h;
  return {i, s.first_seen(i), s.decay_of(i, h / s.group()), back.lse[row], back.mean[row]};
}

template <typename Tiles>
struct MmaQueriesMemory {
  alignas(16) typename Tiles::OwnRows queries, gradients;
  typename Tiles::Keys tiles[2];
};

template <typename Tiles>
__global__ void __launch_bounds__(kMmaThreads)
    mma_queries_kernel(float* dq, Documents s, RoundedHeads rounded, Back back) {
  auto& memory = *dynamic_shared<MmaQueriesMemory<Tiles>>();
  const QueryBlock block(s);
  block.copy_own<Tiles>(memory.queries, s, rounded.q);
  block.copy_own<Tiles>(memory.gradients, s, rounded.dy);
  const MmaRow rows[2] = {mma_row(s, back, block.i0 + own_row(0), block.h),
                          mma_row(s, back, block.i0 + own_row(1), block.h)};
  typename Tiles::Sums sums = {};
  const auto from = [&](int n) { return block.first + n * Tiles::kOther; };
  walk(
      block.tiles<Tiles>(),
      [&](int n) { block.copy_keys<Tiles>(memory.tiles[n % 2], s, rounded, from(n)); },
      [&](int n) {
        const auto& tile = memory.tiles[n % 2];
        typename Tiles::Scores z, dp;
        multiply_rows<Tiles>(z, memory.queries, tile.keys);
        multiply_rows<Tiles>(dp, memory.gradients, tile.values);
#pragma unroll
        for (int t = 0; t < Tiles::kOther / 8; ++t)
#pragma unroll
          for (int e = 0; e < 4; ++e) {
            const int column = column_of(t, e);
            z[t][e] =
                rows[e / 2].pair(s, from(n) + column, tile.decay[column], z[t][e], dp[t][e]).dz;
          }
        add_weighted_rows<Tiles>(sums, z, tile.keys);
      });
#pragma unroll
  for (int half = 0; half < 2; ++half)
    if (rows[half].i < block.end)
      write_row<Tiles>(dq + (std::int64_t{rows[half].i} * s.H + block.h) * s.hd, sums, half, s.hd,
                       [&](float& to, float sum) { to += s.scale * sum; });
}

template <typename Tiles>
struct MmaKeysMemory {
  alignas(16) typename Tiles::OwnRows keys, values;
  struct {
    typename Tiles::Rows queries, gradients;
    MmaRow rows[Tiles::kOther];
  } tiles[2];
};

template <typename Tiles>
__global__ void __launch_bounds__(kMmaThreads)
    mma_keys_kernel(KeyGradients to, Documents s, RoundedHeads rounded, Back back) {
  auto& memory = *dynamic_shared<MmaKeysMemory<Tiles>>();
  const int kv = static_cast<int>(blockIdx.y);
  const int j0 = static_cast<int>(blockIdx.x) * kMmaRows;
  const int end = j0 + kMmaRows < s.T ? j0 + kMmaRows : s.T;
  const auto copy_own = [&](typename Tiles::OwnRows& own, const std::uint16_t* from) {
    copy_rows<Tiles, kMmaRows>(own, from + std::int64_t{kv} * s.hd, std::int64_t{s.KV} * s.hd, j0,
                               end, s.hd);
  };
  copy_own(memory.keys, rounded.k);
  copy_own(memory.values, rounded.v);
  // Tiles of queries, head by head, up to the first that sees none of these keys: nor do later
  // ones.
  int each = 1, tiles = (s.T - j0 + Tiles::kOther - 1) / Tiles::kOther;
  while (each < tiles) {
    const int middle = (each + tiles) / 2;
    if (s.first_seen(j0 + middle * Tiles::kOther) < end)
      each = middle + 1;
    else
      tiles = middle;
  }
  const auto copy_tile = [&](int n) {
    auto& tile = memory.tiles[n % 2];
    const int h = kv * s.group() + n / each, i0 = j0 + n % each * Tiles::kOther;
    const std::int64_t at = std::int64_t{h} * s.hd, stride = std::int64_t{s.H} * s.hd;
    copy_rows<Tiles, Tiles::kOther>(tile.queries, rounded.q + at, stride, i0, s.T, s.hd);
    copy_rows<Tiles, Tiles::kOther>(tile.gradients, rounded.dy + at, stride, i0, s.T, s.hd);
    const int lane = static_cast<int>(threadIdx.x);
    if (lane < Tiles::kOther) tile.rows[lane] = mma_row(s, back, i0 + lane, h);
  };

  typename Tiles::Sums for_k = {}, for_v = {};
  float for_A[2] = {}, decay[2];
  int rows[2];
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    rows[half] = j0 + own_row(half);
    decay[half] = rows[half] < end ? s.decay_of(rows[half], kv) : 0.0f;
  }
  walk(each * s.group(), copy_tile, [&](int n) {
    const auto& tile = memory.tiles[n % 2];
    typename Tiles::Scores z, dp;
    multiply_rows<Tiles>(z, memory.keys, tile.queries);
    multiply_rows<Tiles>(dp, memory.values, tile.gradients);
#pragma unroll
    for (int t = 0; t < Tiles::kOther / 8; ++t)
#pragma unroll
      for (int e = 0; e < 4; ++e) {
        const MmaRow& query = tile.rows[column_of(t, e)];
        const Pair pair = query.pair(s, rows[e / 2], decay[e / 2], z[t][e], dp[t][e]);
        for_A[e / 2] -= pair.dz;
        z[t][e] = pair.dz;
        dp[t][e] = pair.p;
      }
    add_weighted_rows<Tiles>(for_k, z, tile.queries);
    add_weighted_rows<Tiles>(for_v, dp, tile.gradients);
  });
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    const float sum = over_row_of_scores<Sum>(for_A[half]);
    if (rows[half] >= end) continue;
    const std::int64_t row = std::int64_t{rows[half]} * s.KV + kv;
    if (to.dk != nullptr)
      write_row<Tiles>(to.dk + row * s.hd, for_k, half, s.hd,
                       [&](float& dk, float x) { dk += s.scale * x; });
    if (to.dv != nullptr)
      write_row<Tiles>(to.dv + row * s.hd, for_v, half, s.hd, [](float& dv, float x) { dv += x; });
    if (to.dA != nullptr && threadIdx.x % 4 == 0) to.dA[row] += sum;
  }
}

}  // namespace r1::cuda
