// y = x w^T for up to 8 rows of x and a plain weight. A warp makes a few outputs of all rows; a
// lane reads 16 bytes of each weight row at a time. Moves N K weights once, and x from the L1
// cache.
#include "kernels/cuda/epilogue.cuh"
#include "kernels/cuda/intrinsics.cuh"
#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/linear_rows.h"
#include "kernels/cuda/reduce.cuh"

namespace r1::cuda {
namespace {

constexpr int kThreads = 128;

struct Sizes {
  int T;
  std::int64_t N, K;
};

// Elements of a row that a lane takes together: a 16-byte load, or one where rows are not aligned.
template <typename Type, bool kVector>
inline constexpr int kPiece = kVector ? kPerLoad<Type> : 1;

template <typename Type, bool kVector, int kCount>
__device__ void load_piece(float (&values)[kCount], const typename Type::Bits* from) {
  if constexpr (kVector)
    load16<Type>(values, from);
  else
    values[0] = Type::widen(from[0]);
}

template <int kCount>
__device__ void load_x(float (&values)[kCount], const float* from) {
  if constexpr (kCount == 1) {
    values[0] = from[0];
  } else {
    for (int i = 0; i < kCount; i += 4) {
      const float4 four = *reinterpret_cast<const float4*>(from + i);
      values[i] = four.x;
      values[i + 1] = four.y;
      values[i + 2] = four.z;
      values[i + 3] = four.w;
    }
  }
}

// kRows >= T: rows beyond T read row 0 and are not written. kOutputs: a warp's.
template <typename Type, bool kVector, int kRows, int kOutputs>
__global__ void __launch_bounds__(kThreads, kRows == 8 ? 2 : 3)
    rows_kernel(float* y, const float* x, const typename Type::Bits* w, Sizes s, Finish finish) {
  constexpr int kCount = kPiece<Type, kVector>;
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  const std::int64_t warp = std::int64_t{blockIdx.x} * (kThreads / kWarp) + threadIdx.x / kWarp;
  const std::int64_t n0 = warp * kOutputs;
  if (n0 >= s.N) return;
  float sums[kOutputs][kRows] = {};
#pragma unroll 2
  for (std::int64_t k = lane * kCount; k < s.K; k += kWarp * kCount) {
    float weights[kOutputs][kCount];
#pragma unroll
    for (int o = 0; o < kOutputs; ++o) {
      const std::int64_t n = n0 + o < s.N ? n0 + o : s.N - 1;
      load_piece<Type, kVector>(weights[o], w + n * s.K + k);
    }
#pragma unroll
    for (int t = 0; t < kRows; ++t) {
      float values[kCount];
      load_x<kCount>(values, x + (t < s.T ? t : 0) * s.K + k);
#pragma unroll
      for (int o = 0; o < kOutputs; ++o)
        for (int i = 0; i < kCount; ++i) sums[o][t] += weights[o][i] * values[i];
    }
  }
#pragma unroll
  for (int o = 0; o < kOutputs; ++o)
#pragma unroll
    for (int t = 0; t < kRows; ++t) {
      const float sum = warp_sum(sums[o][t]);
      const std::int64_t n = n0 + o, i = t * s.N + n;
      if (lane == 0 && t < s.T && n < s.N) y[i] = finish(sum, i, n);
    }
}

template <typename Type, bool kVector, int kRows, int kOutputs>
void run(const Tensor& y, const Tensor& x, const Tensor& w, const Sizes& s, const Finish& finish,
         cudaStream_t stream) {
  launch("linear", stream, {blocks_of(s.N, kThreads / kWarp * kOutputs), kThreads},
         rows_kernel<Type, kVector, kRows, kOutputs>, y.as<float>(), x.as<float>(),
         w.as<typename Type::Bits>(), s, finish);
}

template <typename Type>
void choose(const Tensor& y, const Tensor& x, const Tensor& w, const Finish& finish,
            cudaStream_t stream) {
  const Sizes s{static_cast<int>(x.rows()), w.rows(), w.cols()};
  if (s.K % kPerLoad<Type> != 0) return run<Type, false, 8, 2>(y, x, w, s, finish, stream);
  if (s.T == 1) return run<Type, true, 1, 2>(y, x, w, s, finish, stream);
  if (s.T <= 4) return run<Type, true, 4, 2>(y, x, w, s, finish, stream);
  run<Type, true, 8, 4>(y, x, w, s, finish, stream);
}

}  // namespace

void linear_rows(const Tensor& y, const Tensor& x, const Tensor& w, const Finish& finish,
                 cudaStream_t stream) {
  if (w.dtype == DType::f32)
    choose<F32>(y, x, w, finish, stream);
  else if (w.dtype == DType::f16)
    choose<F16>(y, x, w, finish, stream);
  else
    choose<Bf16>(y, x, w, finish, stream);
}

}  // namespace r1::cuda
