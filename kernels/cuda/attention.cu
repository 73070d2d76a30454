// y_i = softmax_j(scale q_i k_j + A_i - A_j) v_j, with the softmax on the way (FlashAttention,
// arXiv:2205.14135). Blocks of 16 queries; keys and values are read once for each.
#include <cstdint>

#include "kernels/cuda/attention_tile.cuh"
#include "kernels/cuda/cuda_backend.h"

namespace r1 {
namespace {

using cuda::Documents;
using cuda::kAttentionThreads;
using cuda::kOther;
using cuda::kOwn;
using cuda::kRowsPerWarp;
using cuda::kWarp;
using cuda::kWarps;

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

}  // namespace

void CudaBackend::attention(const Tensor& y, const Tensor& lse, const Tensor& q, const Tensor& k,
                            const Tensor& v, const Tensor& A, const Tensor& start,
                            const AttentionOptions& options) {
  const Documents s = cuda::documents_of(q, k, v, A, start, options);
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
