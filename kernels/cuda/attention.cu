// y_i = softmax_j(scale q_i k_j + A_i - A_j) v_j, with the softmax on the way (FlashAttention,
// arXiv:2205.14135). Keys and values are read once for a block of queries: 16 in f32, 64 in bf16.
#include <cstdint>

#include "kernels/cuda/attention_mma.cuh"
#include "kernels/cuda/attention_tile.cuh"
#include "kernels/cuda/cuda_backend.h"

namespace r1 {
namespace {

using cuda::Documents;
using cuda::kAttentionThreads;
using cuda::kLog2E;
using cuda::kOther;
using cuda::kOwn;
using cuda::kRowsPerWarp;
using cuda::kWarp;
using cuda::kWarps;
using cuda::RoundedHeads;

template <int kPerLane>
__global__ void __launch_bounds__(kAttentionThreads)
    attention_kernel(float* y, float* lse, Documents s) {
  __shared__ float weights[kWarps][kOther];
  float* queries = cuda::dynamic_shared<float>();  // [16, hd]
  float* keys = queries + kOwn * s.hd;             // [32, hd + 1]: a lane a row
  float* values = keys + kOther * (s.hd + 1);      // [32, hd]
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  const int warp = static_cast<int>(threadIdx.x) / kWarp;
  const int h = static_cast<int>(blockIdx.y), kv = h / s.group();
  const int i0 = static_cast<int>(blockIdx.x) * kOwn;
  const int end = i0 + kOwn < s.T ? i0 + kOwn : s.T;
  const std::int64_t key_stride = std::int64_t{s.KV} * s.hd;

  cuda::load_tile<kOwn>(queries, s.hd, s.query(s.q, 0, h), std::int64_t{s.H} * s.hd, i0, end, s.hd);
  float sums[kRowsPerWarp][kPerLane] = {}, largest[kRowsPerWarp], total[kRowsPerWarp] = {};
  for (float& z : largest) z = -INFINITY;
  for (int j0 = s.first_seen(i0); j0 < end; j0 += kOther) {
    __syncthreads();  // the tile before is done with
    cuda::load_tile<kOther>(keys, s.hd + 1, s.key(s.k, 0, kv), key_stride, j0, end, s.hd);
    cuda::load_tile<kOther>(values, s.hd, s.key(s.v, 0, kv), key_stride, j0, end, s.hd);
    __syncthreads();
    const int j = j0 + lane;
#pragma unroll
    for (int r = 0; r < kRowsPerWarp; ++r) {
      const int own = warp * kRowsPerWarp + r, i = i0 + own;
      const bool seen = i < end && j <= i && j >= s.first_seen(i);
      float z = -INFINITY;
      if (seen)
        z = s.scale * cuda::dot(queries + own * s.hd, keys + lane * (s.hd + 1), s.hd) +
            s.decay(i, j, kv);
      const float most = fmaxf(largest[r], cuda::warp_max(z));
      const float p = seen ? expf(z - most) : 0.0f;
      const float shrink = largest[r] == most ? 1.0f : expf(largest[r] - most);
      largest[r] = most;
      total[r] = total[r] * shrink + cuda::warp_sum(p);
      weights[warp][lane] = p;
      __syncwarp();
      for (float& sum : sums[r]) sum *= shrink;
      cuda::add_weighted<kPerLane>(sums[r], weights[warp], values, s.hd, s.hd);
      __syncwarp();
    }
  }
#pragma unroll
  for (int r = 0; r < kRowsPerWarp; ++r) {
    const int i = i0 + warp * kRowsPerWarp + r;
    if (i >= end) continue;
    const std::int64_t row = std::int64_t{i} * s.H + h;
#pragma unroll
    for (int m = 0; m < kPerLane; ++m)
      if (lane + kWarp * m < s.hd) y[row * s.hd + lane + kWarp * m] = sums[r][m] / total[r];
    if (lse != nullptr && lane == 0) lse[row] = largest[r] + logf(total[r]);
  }
}

template <typename Tiles>
struct MmaMemory {
  alignas(16) typename Tiles::OwnRows queries;
  typename Tiles::Keys tiles[2];
};

// What one of a lane's two rows has become on its way, with `largest` in powers of two.
struct MmaRow {
  int i, first;  // itself, and the first that it sees: none where it is not there
  float own, largest, total;
};

// Scores of row `half` become weights. Returns what that makes of the sums so far.
template <typename Tiles>
__device__ float weigh(typename Tiles::Scores& z, MmaRow& row, int half, const Documents& s, int j0,
                       const float* decay) {
  float most = row.largest;
#pragma unroll
  for (int n = 0; n < Tiles::kOther / 8; ++n)
#pragma unroll
    for (int e = 2 * half; e < 2 * half + 2; ++e) {
      const int column = cuda::column_of(n, e), j = j0 + column;
      z[n][e] = row.first <= j && j <= row.i
                    ? fmaf(z[n][e], s.scale * kLog2E, (row.own - decay[column]) * kLog2E)
                    : -INFINITY;
      most = fmaxf(most, z[n][e]);
    }
  most = cuda::over_row_of_scores<cuda::Largest>(most);
  const float from = most == -INFINITY ? 0.0f : most;  // nothing was seen yet
  const float shrink = cuda::power_of_two(row.largest - from);
  row.largest = most;
  row.total *= shrink;
#pragma unroll
  for (int n = 0; n < Tiles::kOther / 8; ++n)
#pragma unroll
    for (int e = 2 * half; e < 2 * half + 2; ++e)
      row.total += z[n][e] = cuda::power_of_two(z[n][e] - from);
  return shrink;
}

template <typename Tiles>
__global__ void __launch_bounds__(cuda::kMmaThreads)
    mma_kernel(float* y, float* lse, Documents s, RoundedHeads rounded) {
  auto& memory = *cuda::dynamic_shared<MmaMemory<Tiles>>();
  const cuda::QueryBlock block(s);
  block.copy_own<Tiles>(memory.queries, s, rounded.q);
  MmaRow rows[2];
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    const int i = block.i0 + cuda::own_row(half);
    const bool there = i < block.end;
    rows[half] = {i, there ? s.first_seen(i) : s.T, there ? s.decay_of(i, block.kv) : 0.0f,
                  -INFINITY, 0.0f};
  }
  typename Tiles::Sums sums = {};
  const auto from = [&](int n) { return block.first + n * Tiles::kOther; };
  cuda::walk(
      block.tiles<Tiles>(),
      [&](int n) { block.copy_keys<Tiles>(memory.tiles[n % 2], s, rounded, from(n)); },
      [&](int n) {
        const auto& tile = memory.tiles[n % 2];
        typename Tiles::Scores z;
        cuda::multiply_rows<Tiles>(z, memory.queries, tile.keys);
#pragma unroll
        for (int half = 0; half < 2; ++half) {
          const float shrink = weigh<Tiles>(z, rows[half], half, s, from(n), tile.decay);
#pragma unroll
          for (auto& sum : sums) {
            sum[2 * half] *= shrink;
            sum[2 * half + 1] *= shrink;
          }
        }
        cuda::add_weighted_rows<Tiles>(sums, z, tile.values);
      });
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    const MmaRow& row = rows[half];
    const float total = cuda::over_row_of_scores<cuda::Sum>(row.total);
    if (row.i >= block.end) continue;
    const std::int64_t at = std::int64_t{row.i} * s.H + block.h;
    cuda::write_row<Tiles>(y + at * s.hd, sums, half, s.hd,
                           [&](float& to, float sum) { to = sum / total; });
    if (lse != nullptr && threadIdx.x % 4 == 0) lse[at] = (row.largest + log2f(total)) / kLog2E;
  }
}

}  // namespace

void CudaBackend::attention(const Tensor& y, const Tensor& lse, const Tensor& q, const Tensor& k,
                            const Tensor& v, const Tensor& A, const Tensor& start,
                            const AttentionOptions& options) {
  const Documents s = cuda::documents_of(q, k, v, A, start, options);
  if (options.products == DType::bf16 && cuda::fits_mma(s) && !batch_invariant_) {
    auto* room = static_cast<std::uint16_t*>(
        scratch(2 * static_cast<std::size_t>(q.shape.elements() + 2 * k.shape.elements())));
    const RoundedHeads rounded{round_into(room, q), round_into(room, k), round_into(room, v),
                               nullptr};
    cuda::for_mma_tiles(s.hd, [&](auto tiles) {
      using Tiles = decltype(tiles);
      const cuda::Grid grid{{cuda::blocks_of(s.T, cuda::kMmaRows), static_cast<unsigned>(s.H)},
                            cuda::kMmaThreads,
                            sizeof(MmaMemory<Tiles>)};
      static_assert(sizeof(MmaMemory<Tiles>) <= cuda::kSharedBytesEverywhere);
      cuda::launch("attention", stream_, grid, mma_kernel<Tiles>, y.as<float>(), lse.as<float>(), s,
                   rounded);
    });
    return;
  }
  const auto shared = static_cast<std::size_t>(kOwn * s.hd + kOther * (2 * s.hd + 1));
  const cuda::Grid grid{{cuda::blocks_of(s.T, kOwn), static_cast<unsigned>(s.H)},
                        kAttentionThreads,
                        shared * sizeof(float)};
  cuda::for_head_size(s.hd, [&](auto per_lane) {
    cuda::launch("attention", stream_, grid, attention_kernel<decltype(per_lane)::value>,
                 y.as<float>(), lse.as<float>(), s);
  });
}

}  // namespace r1
