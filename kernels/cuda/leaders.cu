// The K largest logits of each row, and the sum of exponentials: a block a row. K = 1 reads the row
// once. Else the K-th largest is found digit by digit, 8 bits at a time from the top, by counting;
// then what is above it is gathered in order of columns and sorted. Reads the row 6 times, all but
// the first from the L2 cache where it fits.
#include <cstdint>

#include "kernels/cuda/cuda_backend.h"
#include "kernels/cuda/reduce.cuh"

namespace r1 {
namespace {

using cuda::kWarp;

constexpr int kThreads = 1024, kWarps = kThreads / kWarp, kDigits = 256;

// Bits that are in the order of the numbers; the columns of equals are told apart elsewhere.
__device__ inline unsigned key_of(float value) {
  const unsigned bits = __float_as_uint(value + 0.0f);  // -0 is 0
  return (bits & 0x80000000u) != 0 ? ~bits : bits | 0x80000000u;
}

struct Row {
  const float* z;
  int n;
};

// body(z) for the columns of this thread, read several at a time: a row has one block, and what it
// costs is the time that loads take.
template <typename Body>
__device__ void each_column(const Row& row, const Body& body) {
  constexpr int kTogether = 8;
  for (int first = static_cast<int>(threadIdx.x); first < row.n; first += kTogether * kThreads) {
    float z[kTogether];
#pragma unroll
    for (int j = 0; j < kTogether; ++j) {
      const int i = first + j * kThreads;
      z[j] = i < row.n ? row.z[i] : 0.0f;
    }
#pragma unroll
    for (int j = 0; j < kTogether; ++j)
      if (first + j * kThreads < row.n) body(z[j]);
  }
}

// Is any of the row not below +inf, or none above -inf? `largest` is the row's. In every thread.
__device__ bool broken(const Row& row, float& largest) {
  float most = -INFINITY;
  bool bad = false;
  each_column(row, [&](float z) {
    bad |= !(z < INFINITY);
    most = fmaxf(most, z);
  });
  largest = cuda::over_row<cuda::Largest, kThreads>(most);
  return __syncthreads_or(bad) != 0 || largest == -INFINITY;
}

// The key of the K-th largest, and how many of its equals are among the K.
struct Threshold {
  unsigned key;
  int equals;
};
__device__ Threshold threshold_of(const Row& row, int K) {
  __shared__ int counts[kDigits];
  __shared__ Threshold found;
  Threshold t{0u, K};
  for (int shift = 24; shift >= 0; shift -= 8) {
    if (threadIdx.x < kDigits) counts[threadIdx.x] = 0;
    __syncthreads();
    const unsigned above = shift == 24 ? 0u : ~0u << (shift + 8);  // digits that are known
    each_column(row, [&](float z) {
      const unsigned key = key_of(z);
      if ((key & above) == t.key) atomicAdd(&counts[key >> shift & 255u], 1);
    });
    __syncthreads();
    if (threadIdx.x < kWarp) {  // a lane adds up 8 digits, from the top, and one finds its own
      const int lane = static_cast<int>(threadIdx.x);
      int digit = kDigits - 1 - lane * (kDigits / kWarp), mine = 0;
      for (int i = 0; i < kDigits / kWarp; ++i) mine += counts[digit - i];
      int through = mine;
      for (int step = 1; step < kWarp; step *= 2) {
        const int before = __shfl_sync(cuda::kAllLanes, through, lane - step);
        if (lane >= step) through += before;
      }
      int equals = t.equals - (through - mine);
      if (0 < equals && equals <= mine) {
        for (; counts[digit] < equals; --digit) equals -= counts[digit];
        found = {t.key | static_cast<unsigned>(digit) << shift, equals};
      }
    }
    __syncthreads();
    t = found;
  }
  return t;
}

struct Leader {
  unsigned key;
  int id;
};

__device__ inline bool better(const Leader& a, const Leader& b) {
  return a.key > b.key || (a.key == b.key && a.id < b.id);
}

// How many threads before this one, and in all, say so.
__device__ int place_among(bool wanted, int& all) {
  __shared__ int per_warp[kWarps];
  const int lane = static_cast<int>(threadIdx.x) % kWarp,
            warp = static_cast<int>(threadIdx.x) / kWarp;
  const unsigned votes = __ballot_sync(cuda::kAllLanes, wanted);
  if (lane == 0) per_warp[warp] = __popc(votes);
  __syncthreads();
  int place = __popc(votes & ((1u << lane) - 1u));
  all = 0;
  for (int w = 0; w < kWarps; ++w) {
    if (w < warp) place += per_warp[w];
    all += per_warp[w];
  }
  __syncthreads();
  return place;
}

// The K leaders in order of columns: those above the threshold, then its first equals.
__device__ void gather(Leader* leaders, const Row& row, int K, const Threshold& t) {
  int above = 0, equals = K - t.equals;  // where the next ones go
  for (int first = 0; first < row.n; first += kThreads) {
    const int i = first + static_cast<int>(threadIdx.x);
    const unsigned key = i < row.n ? key_of(row.z[i]) : 0u;
    if (!__syncthreads_or(i < row.n && key >= t.key)) continue;
    int all = 0;
    int place = above + place_among(i < row.n && key > t.key, all);
    if (i < row.n && key > t.key) leaders[place] = {key, i};
    above += all;
    place = equals + place_among(i < row.n && key == t.key, all);
    if (i < row.n && key == t.key && place < K) leaders[place] = {key, i};
    equals += all;
  }
  __syncthreads();
}

// Bitonic: best first. Places from K on hold what is worse than all.
__device__ void sort(Leader* leaders) {
  const int i = static_cast<int>(threadIdx.x);
  for (int run = 2; run <= static_cast<int>(kMostLeaders); run *= 2)
    for (int step = run / 2; step > 0; step /= 2) {
      const int other = i ^ step;
      if (i < kMostLeaders && other > i) {
        const Leader a = leaders[i], b = leaders[other];
        if (better(b, a) == ((i & run) == 0)) {
          leaders[i] = b;
          leaders[other] = a;
        }
      }
      __syncthreads();
    }
}

__global__ void __launch_bounds__(kThreads)
    leaders_kernel(std::int32_t* ids, float* values, float* sums, const float* logits,
                   const float* temperature, std::int64_t V, int allowed, int K) {
  __shared__ Leader leaders[kMostLeaders];
  cuda::wait_for_earlier();
  const std::int64_t r = blockIdx.x;
  const Row row{logits + r * V, allowed};
  const int thread = static_cast<int>(threadIdx.x);
  float largest = 0.0f;
  if (broken(row, largest)) {
    if (thread < K) ids[r * K + thread] = -1;
    return;
  }
  if (thread < kMostLeaders) leaders[thread] = {0u, 0x7fffffff};
  __syncthreads();
  const Threshold t = K == 1 ? Threshold{key_of(largest), 1} : threshold_of(row, K);
  gather(leaders, row, K, t);
  sort(leaders);
  if (thread < K) {
    ids[r * K + thread] = leaders[thread].id;
    values[r * K + thread] = row.z[leaders[thread].id];
  }
  if (sums == nullptr) return;
  float sum = 0.0f;
  each_column(row, [&](float z) { sum += expf((z - largest) / temperature[r]); });
  sum = cuda::over_row<cuda::Sum, kThreads>(sum);
  if (thread == 0) sums[r] = sum;
}

}  // namespace

void CudaBackend::leaders(const Tensor& ids, const Tensor& values, const Tensor& sums,
                          const Tensor& logits, const Tensor& temperature, std::int64_t allowed) {
  cuda::launch_early("leaders", stream_, {cuda::blocks_of(logits.rows(), 1), kThreads},
                     leaders_kernel, ids.as<std::int32_t>(), values.as<float>(), sums.as<float>(),
                     logits.as<float>(), temperature.as<float>(), logits.cols(),
                     static_cast<int>(allowed), static_cast<int>(ids.cols()));
}

}  // namespace r1
