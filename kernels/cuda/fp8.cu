// 8-bit floats. Rounding reads x twice, once for the largest, and moves 9 bytes an element; the
// scale never leaves the device. Products are cuBLASLt's where it has them (sm_89 and later), else
// tiles in f32.
#include <cstdint>

#include "kernels/cuda/blas.h"
#include "kernels/cuda/cuda_backend.h"
#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/reduce.cuh"
#include "kernels/cuda/tiled_product.cuh"
#include "lib/tensor/float8.h"

namespace r1 {
namespace {

constexpr int kThreads = 256, kPerThread = 16;

template <typename Format>
struct Float8 {  // as F32, F16 and Bf16 of intrinsics.cuh
  using Bits = std::uint8_t;
  __device__ static float widen(std::uint8_t bits) { return float8_to_f32<Format>(bits); }
};

// *most = the largest |x|, which is not negative: its bits have the order of the numbers, and no
// order of the maxima can change it.
__global__ void largest_kernel(int* most, const float* x, std::int64_t n) {
  const std::int64_t first = std::int64_t{blockIdx.x} * kThreads * kPerThread + threadIdx.x;
  float largest = 0.0f;
  for (int i = 0; i < kPerThread; ++i)
    if (first + i * kThreads < n) largest = fmaxf(largest, fabsf(x[first + i * kThreads]));
  largest = cuda::over_row<cuda::Largest, kThreads>(largest);
  if (threadIdx.x == 0) atomicMax(most, __float_as_int(largest));
}

template <typename Format>
void round_all(const Tensor& y, const Tensor& scale, const Tensor& x, const Tensor& most,
               cudaStream_t stream) {
  auto* to = y.as<std::uint8_t>();
  float* scale_to = scale.as<float>();
  const float *from = x.as<float>(), *largest = most.as<float>();
  cuda::each("round_to_fp8", stream, x.shape.elements(), [=] __device__(std::int64_t i) {
    const float s = float8_scale<Format>(largest[0]);
    if (i == 0) scale_to[0] = s;
    to[i] = f32_to_float8<Format>(from[i] / s);
  });
}

}  // namespace

void CudaBackend::round_to_fp8(const Tensor& y, const Tensor& scale, const Tensor& x) {
  const std::int64_t n = x.shape.elements();
  const Tensor most{scratch(sizeof(float)), {1}, DType::f32, Device::cuda};
  zero(most);
  cuda::launch("round_to_fp8", stream_, {cuda::blocks_of(n, kThreads * kPerThread), kThreads},
               largest_kernel, most.as<int>(), x.as<float>(), n);
  with_float8(y.dtype,
              [&](auto format) { round_all<decltype(format)>(y, scale, x, most, stream_); });
}

void CudaBackend::linear_fp8(const Tensor& y, const Tensor& x, const Tensor& x_scale,
                             const Tensor& w, const Tensor& w_scale) {
  const std::int64_t T = x.rows(), N = w.rows(), K = w.cols();
  if (K % 16 == 0 && N % 4 == 0 && blas() != nullptr) {  // rows of whole 16 bytes
    const cuda::BlasMatrix a{x.data, x.dtype, K, true, x_scale.as<float>()};
    const cuda::BlasMatrix b{w.data, w.dtype, K, true, w_scale.as<float>()};
    void* room = scratch(cuda::Blas::kWorkspaceBytes);
    if (blas()->multiply(y, a, b, K, {}, room, stream_)) return;
  }
  with_float8(x.dtype, [&](auto of_x) {
    with_float8(w.dtype, [&](auto of_w) {
      const cuda::PlainSource<Float8<decltype(of_x)>> a{x.as<std::uint8_t>(), T, K};
      const cuda::PlainSource<Float8<decltype(of_w)>> b{w.as<std::uint8_t>(), N, K};
      cuda::tiled_product<false>("linear_fp8", stream_, y.as<float>(), T, N, K,
                                 cuda::operand<true>(a), cuda::operand<true>(b));
    });
  });
  float* to = y.as<float>();
  const float *s = x_scale.as<float>(), *r = w_scale.as<float>();
  cuda::each("linear_fp8", stream_, T * N,
             [=] __device__(std::int64_t i) { to[i] *= s[0] * r[0]; });
}

}  // namespace r1
