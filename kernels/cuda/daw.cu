// Dynamic attention weighting: the running sum of log gates, and the gain of queries.
#include <cstdint>

#include "kernels/cuda/cuda_backend.h"
#include "kernels/cuda/intrinsics.cuh"
#include "kernels/cuda/reduce.cuh"

namespace r1 {
namespace {

using cuda::kWarp;
using cuda::sigmoid;
using cuda::softplus;

constexpr int kTile = 128;  // rows, and threads of a block

// What the gates of all rows and heads are made of.
struct Gates {
  const float *a, *b, *l;  // [T, KV], [KV], [KV] or null
  const std::int32_t *newline, *start;
  std::int64_t T, KV;

  __device__ float cost(std::int64_t h) const {
    return l == nullptr ? 0.0f : 8.0f * softplus(l[h] - 4.0f);
  }
  __device__ bool is_newline(std::int64_t t) const { return newline != nullptr && newline[t] != 0; }
  // u: the gate is sigmoid(u).
  __device__ float input(std::int64_t t, std::int64_t h, float newline_cost) const {
    const float u = a[t * KV + h] + b[h];
    return is_newline(t) ? u - newline_cost : u;
  }
};

Gates gates_of(const Tensor& a, const Tensor& b, const Tensor& l, const Tensor& newline,
               const Tensor& start) {
  return {a.as<float>(),
          b.as<float>(),
          l.as<float>(),
          newline.as<std::int32_t>(),
          start.as<std::int32_t>(),
          a.rows(),
          a.cols()};
}

// A block a head. All threads make the log gates of a tile, one adds them up row by row: the order
// of `ref`, in which token by token and all at once are the same bits.
__global__ void decay_kernel(float* A, Gates s, const float* base) {
  __shared__ float sums[kTile];
  __shared__ float begins[kTile];  // NaN inside a document, else what its first row adds to
  const std::int64_t h = blockIdx.x;
  cuda::wait_for_earlier();
  const float cost = s.cost(h);
  float before = 0.0f;
  for (std::int64_t first = 0; first < s.T; first += kTile) {
    const std::int64_t t = first + threadIdx.x;
    if (t < s.T) {
      sums[threadIdx.x] = -softplus(-s.input(t, h, cost));
      const float begin = base == nullptr ? 0.0f : base[t * s.KV + h];
      begins[threadIdx.x] = s.start[t] < t ? NAN : begin;
    }
    __syncthreads();
    if (threadIdx.x == 0) {
      const int count = static_cast<int>(s.T - first < kTile ? s.T - first : kTile);
      for (int i = 0; i < count; ++i) {
        if (!isnan(begins[i])) before = begins[i];
        sums[i] = before += sums[i];
      }
    }
    __syncthreads();
    if (t < s.T) A[t * s.KV + h] = sums[threadIdx.x];
    __syncthreads();
  }
}

// du_t = sigmoid(-u_t) (sum of dA_j for j >= t in the document), a block a head, tiles from the
// last; da += du;  db += sum of du;  dl -= 8 sigmoid(l - 4) (sum of du at newlines).
__global__ void decay_backward_kernel(float* da, float* db, float* dl, const float* dA, Gates s) {
  __shared__ float after[kTile];
  const std::int64_t h = blockIdx.x;
  const float cost = s.cost(h);
  float running = 0.0f, sum = 0.0f, newline_sum = 0.0f;
  for (std::int64_t first = (s.T - 1) / kTile * kTile; first >= 0; first -= kTile) {
    const std::int64_t t = first + threadIdx.x;
    if (t < s.T) after[threadIdx.x] = dA[t * s.KV + h];
    __syncthreads();
    if (threadIdx.x == 0)
      for (int i = static_cast<int>(s.T - first < kTile ? s.T - first : kTile) - 1; i >= 0; --i) {
        after[i] = running += after[i];
        if (s.start[first + i] == first + i) running = 0.0f;
      }
    __syncthreads();
    if (t < s.T) {
      const float du = after[threadIdx.x] * sigmoid(-s.input(t, h, cost));
      if (da != nullptr) da[t * s.KV + h] += du;
      sum += du;
      if (s.is_newline(t)) newline_sum += du;
    }
    __syncthreads();
  }
  sum = cuda::over_row<cuda::Sum, kTile>(sum);
  newline_sum = cuda::over_row<cuda::Sum, kTile>(newline_sum);
  if (threadIdx.x > 0) return;
  if (db != nullptr) db[h] += sum;
  if (dl != nullptr) dl[h] -= 8.0f * sigmoid(s.l[h] - 4.0f) * newline_sum;
}

struct Gain {
  const float *a, *b;  // [T, KV], [KV]
  std::int64_t T, KV, group, hd;
  __device__ float of(std::int64_t t, std::int64_t h) const {
    return 2.0f * sigmoid(a[t * KV + h] + b[h]);
  }
};

// A warp for the query heads of one key head of one row: [group, hd] in a row.
__global__ void gain_kernel(float* y, const float* q, Gain s) {
  const std::int64_t r = cuda::my_row<kWarp>(), n = s.group * s.hd;
  cuda::wait_for_earlier();
  if (r >= s.T * s.KV) return;
  const float gain = s.of(r / s.KV, r % s.KV);
  for (std::int64_t i = threadIdx.x % kWarp; i < n; i += kWarp) y[r * n + i] = gain * q[r * n + i];
}

// dq += g dy;  slopes[t, h] = (sum of q dy over the group) g (1 - g/2), the slope of 2 sigmoid.
__global__ void gain_backward_kernel(float* dq, float* slopes, const float* dy, const float* q,
                                     Gain s) {
  const std::int64_t r = cuda::my_row<kWarp>(), n = s.group * s.hd;
  if (r >= s.T * s.KV) return;
  const float gain = s.of(r / s.KV, r % s.KV);
  float sum = 0.0f;
  for (std::int64_t i = threadIdx.x % kWarp; i < n; i += kWarp) {
    const float d = dy[r * n + i];
    sum += q[r * n + i] * d;
    if (dq != nullptr) dq[r * n + i] += gain * d;
  }
  sum = cuda::warp_sum(sum);
  if (threadIdx.x % kWarp == 0) slopes[r] = sum * gain * (1.0f - gain / 2.0f);
}

Gain gain_of(const Tensor& q, const Tensor& a, const Tensor& b) {
  return {a.as<float>(), b.as<float>(), q.shape[0], a.cols(), q.shape[1] / a.cols(), q.shape[2]};
}

}  // namespace

void CudaBackend::daw_decay(const Tensor& A, const Tensor& a, const Tensor& b, const Tensor& l,
                            const Tensor& newline, const Tensor& start, const Tensor& base) {
  cuda::launch_early("daw_decay", stream_, {cuda::blocks_of(a.cols(), 1), kTile}, decay_kernel,
                     A.as<float>(), gates_of(a, b, l, newline, start), base.as<float>());
}

void CudaBackend::daw_decay_backward(const Tensor& da, const Tensor& db, const Tensor& dl,
                                     const Tensor& dA, const Tensor& a, const Tensor& b,
                                     const Tensor& l, const Tensor& newline, const Tensor& start) {
  cuda::launch("daw_decay_backward", stream_, {cuda::blocks_of(a.cols(), 1), kTile},
               decay_backward_kernel, da.as<float>(), db.as<float>(), dl.as<float>(),
               dA.as<float>(), gates_of(a, b, l, newline, start));
}

void CudaBackend::daw_gain(const Tensor& y, const Tensor& q, const Tensor& a, const Tensor& b) {
  cuda::launch_early("daw_gain", stream_, cuda::grid_of_rows<kWarp>(a.rows() * a.cols()),
                     gain_kernel, y.as<float>(), q.as<float>(), gain_of(q, a, b));
}

void CudaBackend::daw_gain_backward(const Tensor& dq, const Tensor& da, const Tensor& db,
                                    const Tensor& dy, const Tensor& q, const Tensor& a,
                                    const Tensor& b) {
  const std::int64_t T = a.rows(), KV = a.cols();
  float* slopes = static_cast<float*>(scratch(static_cast<std::size_t>(T * KV) * sizeof(float)));
  cuda::launch("daw_gain_backward", stream_, cuda::grid_of_rows<kWarp>(T * KV),
               gain_backward_kernel, dq.as<float>(), slopes, dy.as<float>(), q.as<float>(),
               gain_of(q, a, b));
  if (float* to = da.as<float>(); to != nullptr)
    cuda::each("daw_gain_backward", stream_, T * KV,
               [=] __device__(std::int64_t i) { to[i] += slopes[i]; });
  if (!db.empty())
    cuda::column_sums(
        "daw_gain_backward", stream_, db.as<float>(), T, KV,
        [=] __device__(std::int64_t r, std::int64_t c) { return slopes[r * KV + c]; });
}

}  // namespace r1
