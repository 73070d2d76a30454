// Numbers of 16 and of 8 bits, and their products. Rounding to 8 bits reads x twice, once for the
// largest, and moves 9 bytes an element, 10 with the transpose; the scale never leaves the device.
// Products are cuBLASLt's where it has them (of 8 bits: sm_89 and later, both factors along K),
// else of widened copies in tiles of f32.
#include <algorithm>
#include <cstdint>

#include "kernels/cuda/blas.h"
#include "kernels/cuda/cuda_backend.h"
#include "kernels/cuda/epilogue.cuh"
#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/reduce.cuh"
#include "kernels/cuda/tiled_product.cuh"
#include "lib/tensor/float8.h"

namespace r1 {
namespace {

constexpr int kThreads = 256, kPerThread = 16;

// As F32, F16 and Bf16 of intrinsics.cuh.
template <typename Format>
struct Float8 {
  using Bits = std::uint8_t;
  __device__ static float widen(std::uint8_t bits) { return float8_to_f32<Format>(bits); }
};

template <typename Type>
void round_all(const Tensor& y, const Tensor& x, cudaStream_t stream) {
  auto* to = y.as<std::uint16_t>();
  const float* from = x.as<float>();
  const std::int64_t n = x.shape.elements();
  cuda::each("round", stream, (n + 3) / 4, [=] __device__(std::int64_t i) {
    if (4 * i + 4 > n) {
      for (std::int64_t k = 4 * i; k < n; ++k) to[k] = Type::round(from[k]);
      return;
    }
    float v[4];
    cuda::load16<cuda::F32>(v, from + 4 * i);
    const auto two = [](float low, float high) {
      return Type::round(low) | unsigned{Type::round(high)} << 16;
    };
    reinterpret_cast<uint2*>(to)[i] = {two(v[0], v[1]), two(v[2], v[3])};
  });
}

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

// Both copies at once, or y alone: a block takes a square of kSquare x kSquare, a thread fours of
// its rows, and then fours of its columns from shared memory.
constexpr int kSquare = 64, kFours = kSquare / 4;

template <typename Format>
__global__ void __launch_bounds__(kThreads)
    round_kernel(std::uint8_t* y, std::uint8_t* turned, float* scale, const float* x,
                 const float* most, std::int64_t R, std::int64_t C) {
  __shared__ std::uint8_t tile[kSquare][kSquare + 4];
  const std::int64_t r0 = std::int64_t{blockIdx.y} * kSquare,
                     c0 = std::int64_t{blockIdx.x} * kSquare;
  const int column = static_cast<int>(threadIdx.x) % kFours * 4;
  const float s = float8_scale<Format>(most[0]);
  if (r0 == 0 && c0 == 0 && threadIdx.x == 0) scale[0] = s;
  for (int r = static_cast<int>(threadIdx.x) / kFours; r < kSquare; r += kThreads / kFours)
    for (int i = 0; i < 4; ++i) {
      const std::int64_t row = r0 + r, c = c0 + column + i;
      if (row >= R || c >= C) continue;
      const std::uint8_t bits = f32_to_float8<Format>(x[row * C + c] / s);
      tile[r][column + i] = bits;
      y[row * C + c] = bits;
    }
  if (turned == nullptr) return;
  __syncthreads();
  for (int c = static_cast<int>(threadIdx.x) / kFours; c < kSquare; c += kThreads / kFours)
    for (int i = 0; i < 4; ++i)
      if (c0 + c < C && r0 + column + i < R)
        turned[(c0 + c) * R + r0 + column + i] = tile[column + i][c];
}

template <typename Format>
void round_to_float8(const Tensor& y, const Tensor& turned, const Tensor& scale, const Tensor& x,
                     const Tensor& most, cudaStream_t stream) {
  const std::int64_t R = x.rows(), C = x.cols();
  cuda::launch("round_to_fp8", stream,
               {{cuda::blocks_of(C, kSquare), cuda::blocks_of(R, kSquare)}, kThreads},
               round_kernel<Format>, y.as<std::uint8_t>(), turned.as<std::uint8_t>(),
               scale.as<float>(), x.as<float>(), most.as<float>(), R, C);
}

// to = the factor's numbers, and times what is no null pointer.
template <typename Type>
void widen_as(float* to, const Tensor& t, const float* scale, const float* other,
              cudaStream_t stream) {
  const auto* from = t.as<typename Type::Bits>();
  cuda::each("multiply", stream, t.shape.elements(), [=] __device__(std::int64_t i) {
    float value = Type::widen(from[i]);
    if (scale != nullptr) value *= scale[0] * other[0];
    to[i] = value;
  });
}

Tensor widened(float* to, const Tensor& t, const Tensor& scale, const Tensor& other,
               cudaStream_t stream) {
  const auto as = [&](auto type) {
    widen_as<decltype(type)>(to, t, scale.as<float>(), other.as<float>(), stream);
  };
  if (t.dtype == DType::f16)
    as(cuda::F16{});
  else if (t.dtype == DType::bf16)
    as(cuda::Bf16{});
  else
    with_float8(t.dtype, [&](auto format) { as(Float8<decltype(format)>{}); });
  return {to, t.shape, DType::f32, Device::cuda};
}

template <bool kAlongA, bool kAlongB>
void add_tiles(const Tensor& y, const Tensor& a, const Tensor& b, std::int64_t K,
               cudaStream_t stream) {
  cuda::tiled_product<true>("multiply", stream, y.as<float>(), y.rows(), y.cols(), K,
                            cuda::operand<kAlongA>(cuda::source_f32(a)),
                            cuda::operand<kAlongB>(cuda::source_f32(b)));
}

}  // namespace

void CudaBackend::round(const Tensor& y, const Tensor& x) {
  y.dtype == DType::f16 ? round_all<cuda::F16>(y, x, stream_)
                        : round_all<cuda::Bf16>(y, x, stream_);
}

const std::uint16_t* CudaBackend::round_into(std::uint16_t*& room, const Tensor& x) {
  const Tensor y{room, x.shape, DType::bf16, Device::cuda};
  round(y, x);
  room += x.shape.elements();
  return y.as<std::uint16_t>();
}

void CudaBackend::round_to_fp8(const Tensor& y, const Tensor& turned, const Tensor& scale,
                               const Tensor& x) {
  const std::int64_t n = x.shape.elements();
  const Tensor most{scratch(sizeof(float)), {1}, DType::f32, Device::cuda};
  zero(most);
  cuda::launch("round_to_fp8", stream_, {cuda::blocks_of(n, kThreads * kPerThread), kThreads},
               largest_kernel, most.as<int>(), x.as<float>(), n);
  with_float8(y.dtype, [&](auto format) {
    round_to_float8<decltype(format)>(y, turned, scale, x, most, stream_);
  });
}

void CudaBackend::multiply(const Tensor& y, const Factor& a, const Factor& b,
                           const Epilogue& then) {
  const std::int64_t a_numbers = a.values.shape.elements(), K = a_numbers / y.rows();
  const bool adds = then.residual.data == y.data;
  const cuda::Finish finish({then.bias, adds ? Tensor{} : then.residual, then.activation});
  const bool whole = a.values.has_whole_rows() && b.values.has_whole_rows() && y.has_whole_rows();
  if (whole && !batch_invariant_ && blas() != nullptr) {
    const auto matrix = [](const Factor& f) -> cuda::BlasMatrix {
      return {f.values.data, f.values.dtype, f.values.cols(), f.along_k, f.scale.as<float>()};
    };
    void* room = scratch(cuda::Blas::kWorkspaceBytes);
    // To products of 8 bits the library adds no bias of f32.
    const bool apart = is_float8(a.values.dtype) && !then.bias.empty();
    const Epilogue with{.residual = adds ? y : Tensor{}};
    if (blas()->multiply(y, matrix(a), matrix(b), K, apart ? with : then, room, stream_))
      return apart ? cuda::finish_all(y, finish, stream_) : void();
  }
  const std::int64_t numbers = a_numbers + b.values.shape.elements();
  auto* room = static_cast<float*>(scratch(static_cast<std::size_t>(numbers) * sizeof(float)));
  const Tensor as = widened(room, a.values, a.scale, b.scale, stream_);
  const Tensor bs = widened(room + a_numbers, b.values, {}, {}, stream_);
  if (!adds) zero(y);
  if (a.along_k)
    b.along_k ? add_tiles<true, true>(y, as, bs, K, stream_)
              : add_tiles<true, false>(y, as, bs, K, stream_);
  else
    b.along_k ? add_tiles<false, true>(y, as, bs, K, stream_)
              : add_tiles<false, false>(y, as, bs, K, stream_);
  cuda::finish_all(y, finish, stream_);
}

}  // namespace r1
