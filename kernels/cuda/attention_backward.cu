// The gradients of attention. With p_ij = e^(z_ij - lse_i) and dz_ij = p_ij (dy_i·v_j - dy_i·y_i):
//   dq_i += scale sum_j dz_ij k_j    dk_j += scale sum_i dz_ij q_i    dv_j += sum_i p_ij dy_i
//   dA_j -= sum_i dz_ij              (dA_i += sum_j dz_ij is left out: it is 0)
// One kernel owns queries, the other keys, so that nothing is added by atomics; scores are made
// twice for it.
#include <cstdint>

#include "kernels/cuda/attention_backward_mma.cuh"
#include "kernels/cuda/attention_tile.cuh"
#include "kernels/cuda/cuda_backend.h"

namespace r1 {
namespace {

using cuda::Back;
using cuda::Documents;
using cuda::kAttentionThreads;
using cuda::KeyGradients;
using cuda::kOther;
using cuda::kOwn;
using cuda::kRowsPerWarp;
using cuda::kWarp;
using cuda::kWarps;
using cuda::Pair;
using cuda::RoundedHeads;

// mean[r] = dy·y of row r of [T H, hd].
__global__ void mean_kernel(float* mean, const float* dy, const float* y, std::int64_t rows,
                            std::int64_t hd) {
  const std::int64_t r = cuda::my_row<kWarp>();
  if (r >= rows) return;
  float sum = 0.0f;
  for (std::int64_t d = threadIdx.x % kWarp; d < hd; d += kWarp)
    sum += dy[r * hd + d] * y[r * hd + d];
  sum = cuda::warp_sum(sum);
  if (threadIdx.x % kWarp == 0) mean[r] = sum;
}

// Of query i and key j, whose rows lie in shared memory.
__device__ Pair pair_of(const Documents& s, const Back& back, int i, int j, int h, const float* q,
                        const float* k, const float* dy, const float* v) {
  const std::int64_t row = std::int64_t{i} * s.H + h;
  const float z = s.scale * cuda::dot(q, k, s.hd) + s.decay(i, j, h / s.group());
  const float p = expf(z - back.lse[row]);
  return {p, p * (cuda::dot(dy, v, s.hd) - back.mean[row])};
}

template <int kPerLane>
__global__ void __launch_bounds__(kAttentionThreads)
    queries_kernel(float* dq, Documents s, Back back) {
  __shared__ float weights[kWarps][kOther];
  const int hd = s.hd, pitch = hd + 1;
  float* queries = cuda::dynamic_shared<float>();  // [16, hd]
  float* gradients = queries + kOwn * hd;          // [16, hd]
  float* keys = gradients + kOwn * hd;             // [32, hd + 1]
  float* values = keys + kOther * pitch;           // [32, hd + 1]
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  const int warp = static_cast<int>(threadIdx.x) / kWarp;
  const int h = static_cast<int>(blockIdx.y), kv = h / s.group();
  const int i0 = static_cast<int>(blockIdx.x) * kOwn;
  const int end = i0 + kOwn < s.T ? i0 + kOwn : s.T;
  const std::int64_t stride = std::int64_t{s.H} * hd, key_stride = std::int64_t{s.KV} * hd;

  cuda::load_tile<kOwn>(queries, hd, s.query(s.q, 0, h), stride, i0, end, hd);
  cuda::load_tile<kOwn>(gradients, hd, s.query(back.dy, 0, h), stride, i0, end, hd);
  float sums[kRowsPerWarp][kPerLane] = {};
  for (int j0 = s.first_seen(i0); j0 < end; j0 += kOther) {
    __syncthreads();
    cuda::load_tile<kOther>(keys, pitch, s.key(s.k, 0, kv), key_stride, j0, end, hd);
    cuda::load_tile<kOther>(values, pitch, s.key(s.v, 0, kv), key_stride, j0, end, hd);
    __syncthreads();
    const int j = j0 + lane;
#pragma unroll
    for (int r = 0; r < kRowsPerWarp; ++r) {
      const int own = warp * kRowsPerWarp + r, i = i0 + own;
      Pair pair{0.0f, 0.0f};
      if (i < end && j <= i && j >= s.first_seen(i))
        pair = pair_of(s, back, i, j, h, queries + own * hd, keys + lane * pitch,
                       gradients + own * hd, values + lane * pitch);
      weights[warp][lane] = pair.dz;
      __syncwarp();
      cuda::add_weighted<kPerLane>(sums[r], weights[warp], keys, pitch, hd);
      __syncwarp();
    }
  }
#pragma unroll
  for (int r = 0; r < kRowsPerWarp; ++r) {
    const int i = i0 + warp * kRowsPerWarp + r;
    if (i >= end) continue;
    float* to = dq + (std::int64_t{i} * s.H + h) * hd;
#pragma unroll
    for (int m = 0; m < kPerLane; ++m)
      if (lane + kWarp * m < hd) to[lane + kWarp * m] += s.scale * sums[r][m];
  }
}

template <int kPerLane>
__global__ void __launch_bounds__(kAttentionThreads)
    keys_kernel(KeyGradients to, Documents s, Back back) {
  __shared__ float weights[2][kWarps][kOther];
  const int hd = s.hd, pitch = hd + 1;
  float* keys = cuda::dynamic_shared<float>();  // [16, hd]
  float* values = keys + kOwn * hd;             // [16, hd]
  float* queries = values + kOwn * hd;          // [32, hd + 1]
  float* gradients = queries + kOther * pitch;  // [32, hd + 1]
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  const int warp = static_cast<int>(threadIdx.x) / kWarp;
  const int kv = static_cast<int>(blockIdx.y), j0 = static_cast<int>(blockIdx.x) * kOwn;
  const int end = j0 + kOwn < s.T ? j0 + kOwn : s.T;
  const std::int64_t stride = std::int64_t{s.H} * hd, key_stride = std::int64_t{s.KV} * hd;

  cuda::load_tile<kOwn>(keys, hd, s.key(s.k, 0, kv), key_stride, j0, end, hd);
  cuda::load_tile<kOwn>(values, hd, s.key(s.v, 0, kv), key_stride, j0, end, hd);
  float for_k[kRowsPerWarp][kPerLane] = {}, for_v[kRowsPerWarp][kPerLane] = {};
  float for_A[kRowsPerWarp] = {};
  for (int h = kv * s.group(); h < (kv + 1) * s.group(); ++h)
    for (int i0 = j0; i0 < s.T && s.first_seen(i0) < end; i0 += kOther) {
      __syncthreads();
      cuda::load_tile<kOther>(queries, pitch, s.query(s.q, 0, h), stride, i0, s.T, hd);
      cuda::load_tile<kOther>(gradients, pitch, s.query(back.dy, 0, h), stride, i0, s.T, hd);
      __syncthreads();
      const int i = i0 + lane;
#pragma unroll
      for (int r = 0; r < kRowsPerWarp; ++r) {
        const int own = warp * kRowsPerWarp + r, j = j0 + own;
        Pair pair{0.0f, 0.0f};
        if (j < end && i < s.T && j <= i && j >= s.first_seen(i))
          pair = pair_of(s, back, i, j, h, queries + lane * pitch, keys + own * hd,
                         gradients + lane * pitch, values + own * hd);
        for_A[r] -= pair.dz;
        weights[0][warp][lane] = pair.dz;
        weights[1][warp][lane] = pair.p;
        __syncwarp();
        cuda::add_weighted<kPerLane>(for_k[r], weights[0][warp], queries, pitch, hd);
        cuda::add_weighted<kPerLane>(for_v[r], weights[1][warp], gradients, pitch, hd);
        __syncwarp();
      }
    }
#pragma unroll
  for (int r = 0; r < kRowsPerWarp; ++r) {
    const int j = j0 + warp * kRowsPerWarp + r;
    const float sum = cuda::warp_sum(for_A[r]);
    if (j >= end) continue;
    const std::int64_t row = std::int64_t{j} * s.KV + kv;
#pragma unroll
    for (int m = 0; m < kPerLane; ++m) {
      if (lane + kWarp * m >= hd) continue;
      const std::int64_t at = row * hd + lane + kWarp * m;
      if (to.dk != nullptr) to.dk[at] += s.scale * for_k[r][m];
      if (to.dv != nullptr) to.dv[at] += for_v[r][m];
    }
    if (to.dA != nullptr && lane == 0) to.dA[row] += sum;
  }
}

}  // namespace

void CudaBackend::attention_backward(const Tensor& dq, const Tensor& dk, const Tensor& dv,
                                     const Tensor& dA, const Tensor& dy, const Tensor& y,
                                     const Tensor& lse, const Tensor& q, const Tensor& k,
                                     const Tensor& v, const Tensor& A, const Tensor& start,
                                     const AttentionOptions& options) {
  const char* op = "attention_backward";
  const Documents s = cuda::documents_of(q, k, v, A, start, options);
  const bool mma = options.products == DType::bf16 && cuda::fits_mma(s) && !batch_invariant_;
  const auto rounded_bytes = static_cast<std::size_t>(
      mma ? 4 * (q.shape.elements() + k.shape.elements()) : 0);  // of q, dy, k and v
  auto* room = static_cast<std::uint16_t*>(
      scratch(rounded_bytes + static_cast<std::size_t>(q.rows()) * sizeof(float)));
  auto* mean = reinterpret_cast<float*>(room + rounded_bytes / 2);
  cuda::launch(op, stream_, cuda::grid_of_rows<kWarp>(q.rows()), mean_kernel, mean, dy.as<float>(),
               y.as<float>(), q.rows(), q.shape[2]);
  const Back back{dy.as<float>(), lse.as<float>(), mean};
  const KeyGradients to{dk.as<float>(), dv.as<float>(), dA.as<float>()};
  const bool for_keys = !dk.empty() || !dv.empty() || !dA.empty();
  const auto grid = [&](int own, std::int64_t heads, int threads, std::size_t shared) {
    return cuda::Grid{{cuda::blocks_of(s.T, own), static_cast<unsigned>(heads)}, threads, shared};
  };
  if (mma) {
    const RoundedHeads rounded{round_into(room, q), round_into(room, k), round_into(room, v),
                               round_into(room, dy)};
    cuda::for_mma_tiles(s.hd, [&](auto tiles) {
      using Tiles = decltype(tiles);
      if (!dq.empty())
        cuda::launch(
            op, stream_,
            grid(cuda::kMmaRows, s.H, cuda::kMmaThreads, sizeof(cuda::MmaQueriesMemory<Tiles>)),
            cuda::mma_queries_kernel<Tiles>, dq.as<float>(), s, rounded, back);
      if (for_keys)
        cuda::launch(
            op, stream_,
            grid(cuda::kMmaRows, s.KV, cuda::kMmaThreads, sizeof(cuda::MmaKeysMemory<Tiles>)),
            cuda::mma_keys_kernel<Tiles>, to, s, rounded, back);
    });
    return;
  }
  const auto shared =
      static_cast<std::size_t>(2 * kOwn * s.hd + 2 * kOther * (s.hd + 1)) * sizeof(float);
  cuda::for_head_size(s.hd, [&](auto per_lane) {
    constexpr int kPerLane = decltype(per_lane)::value;
    if (!dq.empty())
      cuda::launch(op, stream_, grid(kOwn, s.H, kAttentionThreads, shared),
                   queries_kernel<kPerLane>, dq.as<float>(), s, back);
    if (for_keys)
      cuda::launch(op, stream_, grid(kOwn, s.KV, kAttentionThreads, shared), keys_kernel<kPerLane>,
                   to, s, back);
  });
}

}  // namespace r1
