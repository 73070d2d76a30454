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

// Rows of whole documents: block y has those that begin in its kTile rows, so that one waits for
// another's sum only inside a document.
struct OwnDocuments {
  std::int64_t begin, end;

  __device__ explicit OwnDocuments(const Gates& s) : begin(0), end(s.T) {
    if (gridDim.y == 1) return;
    begin = first_from(s, std::int64_t{blockIdx.y} * kTile);
    end = first_from(s, std::int64_t{blockIdx.y + 1} * kTile);
  }
  // The first row of the first document that begins at row t or later.
  __device__ static std::int64_t first_from(const Gates& s, std::int64_t t) {
    std::int64_t low = t < s.T ? t : s.T, high = s.T;
    while (low < high) {
      const std::int64_t middle = (low + high) / 2;
      if (s.start[middle] >= t)
        high = middle;
      else
        low = middle + 1;
    }
    return low;
  }
};

cuda::Grid grid_of_documents(const Tensor& a) {
  return {{cuda::blocks_of(a.cols(), 1), cuda::blocks_of(a.rows(), kTile)}, kTile};
}

// All threads make the log gates of a tile, one adds them up row by row: the order of `ref`, in
// which token by token and all at once are the same bits.
__global__ void decay_kernel(float* A, Gates s, const float* base) {
  __shared__ float sums[kTile];
  __shared__ float begins[kTile];  // NaN inside a document, else what its first row adds to
  const std::int64_t h = blockIdx.x;
  cuda::wait_for_earlier();
  const float cost = s.cost(h);
  const OwnDocuments mine(s);
  float before = 0.0f;
  for (std::int64_t first = mine.begin; first < mine.end; first += kTile) {
    const std::int64_t t = first + threadIdx.x;
    if (t < mine.end) {
      sums[threadIdx.x] = -softplus(-s.input(t, h, cost));
      const float begin = base == nullptr ? 0.0f : base[t * s.KV + h];
      begins[threadIdx.x] = s.start[t] < t ? NAN : begin;
    }
    __syncthreads();
    if (threadIdx.x == 0) {
      const int count = static_cast<int>(mine.end - first < kTile ? mine.end - first : kTile);
      for (int i = 0; i < count; ++i) {
        if (!isnan(begins[i])) before = begins[i];
        sums[i] = before += sums[i];
      }
    }
    __syncthreads();
    if (t < mine.end) A[t * s.KV + h] = sums[threadIdx.x];
    __syncthreads();
  }
}

// What a block found of db and dl, before the slope of l: [blocks, KV].
struct GateSums {
  float *all, *at_newlines;
};

// du_t = sigmoid(-u_t) (sum of dA_j for j >= t in the document), tiles from the last; da += du.
__global__ void decay_backward_kernel(float* da, GateSums to, const float* dA, Gates s) {
  __shared__ float after[kTile];
  const std::int64_t h = blockIdx.x;
  const float cost = s.cost(h);
  const OwnDocuments mine(s);
  const std::int64_t tiles = (mine.end - mine.begin + kTile - 1) / kTile;
  float running = 0.0f, sum = 0.0f, newline_sum = 0.0f;
  for (std::int64_t first = mine.begin + (tiles - 1) * kTile; first >= mine.begin; first -= kTile) {
    const std::int64_t t = first + threadIdx.x;
    if (t < mine.end) after[threadIdx.x] = dA[t * s.KV + h];
    __syncthreads();
    if (threadIdx.x == 0)
      for (int i = static_cast<int>(mine.end - first < kTile ? mine.end - first : kTile) - 1;
           i >= 0; --i) {
        after[i] = running += after[i];
        if (s.start[first + i] == first + i) running = 0.0f;
      }
    __syncthreads();
    if (t < mine.end) {
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
  to.all[blockIdx.y * s.KV + h] = sum;
  to.at_newlines[blockIdx.y * s.KV + h] = newline_sum;
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
  cuda::launch_early("daw_decay", stream_, grid_of_documents(a), decay_kernel, A.as<float>(),
                     gates_of(a, b, l, newline, start), base.as<float>());
}

// db += sum of du;  dl -= 8 sigmoid(l - 4) (sum of du at newlines).
void CudaBackend::daw_decay_backward(const Tensor& da, const Tensor& db, const Tensor& dl,
                                     const Tensor& dA, const Tensor& a, const Tensor& b,
                                     const Tensor& l, const Tensor& newline, const Tensor& start) {
  const cuda::Grid grid = grid_of_documents(a);
  const std::int64_t blocks = grid.blocks.y, KV = a.cols();
  auto* room =
      static_cast<float*>(scratch(static_cast<std::size_t>(2 * blocks * KV) * sizeof(float)));
  const GateSums sums{room, room + blocks * KV};
  cuda::launch("daw_decay_backward", stream_, grid, decay_backward_kernel, da.as<float>(), sums,
               dA.as<float>(), gates_of(a, b, l, newline, start));
  float *for_b = db.as<float>(), *for_l = dl.as<float>();
  const float* cost = l.as<float>();
  cuda::each("daw_decay_backward", stream_, KV, [=] __device__(std::int64_t h) {
    float all = 0.0f, at_newlines = 0.0f;
    for (std::int64_t i = 0; i < blocks; ++i) {
      all += sums.all[i * KV + h];
      at_newlines += sums.at_newlines[i * KV + h];
    }
    if (for_b != nullptr) for_b[h] += all;
    if (for_l != nullptr) for_l[h] -= 8.0f * sigmoid(cost[h] - 4.0f) * at_newlines;
  });
}

void CudaBackend::daw_gain(const Tensor& y, const Tensor& q, const Tensor& a, const Tensor& b) {
  cuda::launch_early("daw_gain", stream_, cuda::grid_of_rows<kWarp>(a.rows() * a.cols()),
                     gain_kernel, y.as<float>(), q.as<float>(), gain_of(q, a, b));
}

void CudaBackend::daw_gain_backward(const Tensor& dq, const Tensor& da, const Tensor& db,
                                    const Tensor& dy, const Tensor& q, const Tensor& a,
                                    const Tensor& b) {
  const std::int64_t T = a.rows(), KV = a.cols();
  auto* slopes = static_cast<float*>(
      scratch(static_cast<std::size_t>(T * KV) * sizeof(float) + cuda::column_sums_bytes(T, KV)));
  cuda::launch("daw_gain_backward", stream_, cuda::grid_of_rows<kWarp>(T * KV),
               gain_backward_kernel, dq.as<float>(), slopes, dy.as<float>(), q.as<float>(),
               gain_of(q, a, b));
  if (float* to = da.as<float>(); to != nullptr)
    cuda::each("daw_gain_backward", stream_, T * KV,
               [=] __device__(std::int64_t i) { to[i] += slopes[i]; });
  if (!db.empty())
    cuda::column_sums(
        "daw_gain_backward", stream_, db.as<float>(), slopes + T * KV, T, KV,
        [=] __device__(std::int64_t r, std::int64_t c) { return slopes[r * KV + c]; });
}

}  // namespace r1
