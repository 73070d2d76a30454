// y = x w^T for up to 8 rows of x and a plain weight. A warp or a block makes a few
// outputs of all rows; a lane reads 16 bytes of each weight row at a time. Moves N K weights once,
// and x from the L1 cache.
#include <type_traits>

#include "kernels/cuda/epilogue.cuh"
#include "kernels/cuda/intrinsics.cuh"
#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/linear_rows.h"
#include "kernels/cuda/reduce.cuh"

namespace r1::cuda {
namespace {

constexpr int kThreads = kShareThreads;

struct Sizes {
  int T, K;
  std::int64_t N;
};

// What a lane takes of a row at a time: 16 bytes, or a number where rows are not aligned.
template <typename Type, bool kVector>
struct Raw {
  using Bits = std::conditional_t<kVector, uint4, typename Type::Bits>;
  static constexpr int kCount = kVector ? kPerLoad<Type> : 1;

  __device__ static Bits load(const typename Type::Bits* from) {
    if constexpr (kVector)
      return load_once(from);
    else
      return *from;
  }
  __device__ static void widen(float (&values)[kCount], const Bits& bits) {
    if constexpr (kVector)
      widen16<Type>(values, bits);
    else
      values[0] = Type::widen(bits);
  }
};

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

// kRows >= T: rows beyond T read row 0 and are not written.
template <typename Type, bool kVector, int kRows, typename Share>
__global__ void __launch_bounds__(kThreads, Share::kBlocks)
    rows_kernel(float* y, const float* x, const typename Type::Bits* w, Sizes s, Finish finish) {
  using Raw = Raw<Type, kVector>;
  constexpr int kOutputs = Share::kOutputs, kAhead = Share::kAhead, kCount = Raw::kCount;
  constexpr int kStep = Share::kSharers * kCount;
  const int thread = static_cast<int>(threadIdx.x), mine = thread % Share::kSharers;
  const std::int64_t n0 =
      std::int64_t{blockIdx.x} * Share::kPerBlock + thread / Share::kSharers * kOutputs;
  const typename Type::Bits* rows[kOutputs];
  for (int o = 0; o < kOutputs; ++o) rows[o] = w + (n0 + o < s.N ? n0 + o : s.N - 1) * s.K;
  typename Raw::Bits raw[kAhead][kOutputs] = {};
  const auto load = [&](typename Raw::Bits(&to)[kOutputs], int k) {
    if (k < s.K)
      for (int o = 0; o < kOutputs; ++o) to[o] = Raw::load(rows[o] + k);
  };
#pragma unroll
  for (int a = 0; a < kAhead; ++a) load(raw[a], mine * kCount + a * kStep);
  wait_for_earlier();
  float sums[kOutputs][kRows] = {};
  for (int k0 = mine * kCount; k0 < s.K; k0 += kAhead * kStep)
#pragma unroll
    for (int a = 0; a < kAhead; ++a) {
      const int k = k0 + a * kStep;
      if (k >= s.K) break;
      float weights[kOutputs][kCount];
      for (int o = 0; o < kOutputs; ++o) Raw::widen(weights[o], raw[a][o]);
      load(raw[a], k + kAhead * kStep);
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
      const float sum = over_row<Sum, Share::kSharers>(sums[o][t]);
      const std::int64_t n = n0 + o, i = t * s.N + n;
      if (mine == 0 && t < s.T && n < s.N) y[i] = finish(sum, i, n);
    }
}

template <typename Type, bool kVector, int kRows, typename Share>
void run(const Tensor& y, const Tensor& x, const Tensor& w, const Sizes& s, const Finish& finish,
         cudaStream_t stream) {
  launch("linear", stream, {blocks_of(s.N, Share::kPerBlock), kThreads, 0, is_constant(w)},
         rows_kernel<Type, kVector, kRows, Share>, y.as<float>(), x.as<float>(),
         w.as<typename Type::Bits>(), s, finish);
}

template <typename Type>
void choose(const Tensor& y, const Tensor& x, const Tensor& w, const Finish& finish,
            cudaStream_t stream) {
  const Sizes s{static_cast<int>(x.rows()), static_cast<int>(w.cols()), w.rows()};
  if (s.K % kPerLoad<Type> != 0)
    return run<Type, false, 8, Share<kWarp, 2, 2, 2>>(y, x, w, s, finish, stream);
  if (s.T == 1) return run<Type, true, 1, Share<kThreads, 2, 2>>(y, x, w, s, finish, stream);
  if (s.T <= 4) return run<Type, true, 4, Share<kWarp, 2, 2>>(y, x, w, s, finish, stream);
  run<Type, true, 8, Share<kWarp, 4, 2, 2>>(y, x, w, s, finish, stream);
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
