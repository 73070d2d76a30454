#pragma once

#include <cstdint>

#include <cuda_runtime.h>

#include "kernels/cuda/check.h"
#include "kernels/cuda/intrinsics.cuh"
#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/reduce.cuh"
#include "lib/backend/backend.h"

namespace r1::cuda {

// Attention over whole documents in a row, in f32. A block owns 16 rows (queries, or keys on the
// way back) of one head and walks past tiles of 32 rows of the other kind; a warp has two of the
// owned rows, a lane one of the others. Head sizes up to 256.

inline constexpr int kOwn = 16, kOther = 32;
inline constexpr int kAttentionThreads = 256;
inline constexpr int kRowsPerWarp = kOwn * kWarp / kAttentionThreads;
inline constexpr int kWarps = kAttentionThreads / kWarp;

struct Documents {
  const float *q, *k, *v, *A;  // [T, H, hd], [T, KV, hd], [T, KV, hd], [T, KV] or null
  const std::int32_t* start;   // [T]
  int T, H, KV, hd;
  float scale;
  std::int64_t window;

  __device__ int group() const { return H / KV; }
  // The first row that row i sees. Never falls from one row to the next.
  __device__ int first_seen(int i) const {
    const int begin = start[i];
    const std::int64_t low = window > 0 ? i - window + 1 : 0;
    return low > begin ? static_cast<int>(low) : begin;
  }
  // A of a row and key head, and A_i - A_j.
  __device__ float decay_of(int row, int h) const {
    return A == nullptr ? 0.0f : A[std::int64_t{row} * KV + h];
  }
  __device__ float decay(int i, int j, int h) const { return decay_of(i, h) - decay_of(j, h); }
  __device__ const float* query(const float* of, int i, int h) const {
    return of + (std::int64_t{i} * H + h) * hd;
  }
  __device__ const float* key(const float* of, int j, int h) const {
    return of + (std::int64_t{j} * KV + h) * hd;
  }
};

inline Documents documents_of(const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& A,
                              const Tensor& start, const AttentionOptions& options) {
  constexpr std::int64_t kLargestHead = 256;
  if (q.shape[2] > kLargestHead) fail_unsupported("attention", "heads are wider than 256");
  const auto narrow = [](std::int64_t n) { return static_cast<int>(n); };
  return {q.as<float>(),
          k.as<float>(),
          v.as<float>(),
          A.as<float>(),
          start.as<std::int32_t>(),
          narrow(q.shape[0]),
          narrow(q.shape[1]),
          narrow(k.shape[1]),
          narrow(q.shape[2]),
          options.scale,
          options.window};
}

// tile[r * pitch + d] = row first + r, `stride` floats apart from the next; zeros from `end` on.
template <int kRows>
__device__ void load_tile(float* tile, int pitch, const float* from, std::int64_t stride, int first,
                          int end, int hd) {
  for (int i = static_cast<int>(threadIdx.x); i < kRows * hd; i += kAttentionThreads) {
    const int r = i / hd, d = i % hd;
    tile[r * pitch + d] = first + r < end ? from[(first + r) * stride + d] : 0.0f;
  }
}

__device__ inline float dot(const float* a, const float* b, int n) {
  float sum = 0.0f;
  for (int i = 0; i < n; ++i) sum += a[i] * b[i];
  return sum;
}

// sums[m] += the sum over the 32 rows of a tile of weights[r] tile[r][lane + 32 m].
template <int kPerLane>
__device__ void add_weighted(float (&sums)[kPerLane], const float* weights, const float* tile,
                             int pitch, int hd) {
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
#pragma unroll 4
  for (int r = 0; r < kOther; ++r)
#pragma unroll
    for (int m = 0; m < kPerLane; ++m)
      if (lane + kWarp * m < hd) sums[m] += weights[r] * tile[r * pitch + lane + kWarp * m];
}

// run(PerLane<n>) with the least number of elements a lane that covers a head.
template <int kPerLane>
struct PerLane {
  static constexpr int value = kPerLane;
};
template <typename Run>
void for_head_size(int hd, const Run& run) {
  if (hd <= kWarp) return run(PerLane<1>{});
  if (hd <= 2 * kWarp) return run(PerLane<2>{});
  if (hd <= 4 * kWarp) return run(PerLane<4>{});
  run(PerLane<8>{});
}

}  // namespace r1::cuda
