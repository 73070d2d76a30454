// Turns pairs of each head by their position: a warp a head, bound by memory.
#include <cstdint>

#include "kernels/cuda/cuda_backend.h"
#include "kernels/cuda/reduce.cuh"

namespace r1 {
namespace {

using cuda::kWarp;

struct Heads {
  std::int64_t rows, H, half;  // rows = T H
  bool interleaved;
};

// kBack: the turn's transpose, added.
template <bool kBack>
__global__ void rope_kernel(float* y, const float* x, const float* table, Heads s) {
  const std::int64_t r = cuda::my_row<kWarp>();
  cuda::wait_for_earlier();
  if (r >= s.rows) return;
  const float2* turn = reinterpret_cast<const float2*>(table) + r / s.H * s.half;
  const std::int64_t begin = r * 2 * s.half;
  for (std::int64_t i = threadIdx.x % kWarp; i < s.half; i += kWarp) {
    const std::int64_t a = begin + (s.interleaved ? 2 * i : i);
    const std::int64_t b = a + (s.interleaved ? 1 : s.half);
    const float cosine = turn[i].x, sine = turn[i].y, first = x[a], second = x[b];
    if constexpr (kBack) {
      y[a] += first * cosine + second * sine;
      y[b] += second * cosine - first * sine;
    } else {
      y[a] = first * cosine - second * sine;
      y[b] = first * sine + second * cosine;
    }
  }
}

}  // namespace

// Angles reach 131,072 and more: sincosf reduces them exactly, its fast form would not.
void CudaBackend::rope_table(const Tensor& table, const Tensor& positions,
                             const Tensor& frequencies, float magnitude) {
  const std::int64_t half = frequencies.shape[0];
  float* to = table.as<float>();
  const std::int32_t* position = positions.as<std::int32_t>();
  const float* frequency = frequencies.as<float>();
  cuda::each("rope_table", stream_, positions.shape[0] * half, [=] __device__(std::int64_t i) {
    float sine, cosine;
    sincosf(static_cast<float>(position[i / half]) * frequency[i % half], &sine, &cosine);
    to[2 * i] = magnitude * cosine;
    to[2 * i + 1] = magnitude * sine;
  });
}

void CudaBackend::rope(const Tensor& y, const Tensor& x, const Tensor& table, bool interleaved) {
  const Heads s{x.rows(), x.shape[1], x.shape[2] / 2, interleaved};
  cuda::launch_early("rope", stream_, cuda::grid_of_rows<kWarp>(s.rows), rope_kernel<false>,
                     y.as<float>(), x.as<float>(), table.as<float>(), s);
}

void CudaBackend::rope_backward(const Tensor& dx, const Tensor& dy, const Tensor& table,
                                bool interleaved) {
  if (dx.empty()) return;
  const Heads s{dy.rows(), dy.shape[1], dy.shape[2] / 2, interleaved};
  cuda::launch_early("rope_backward", stream_, cuda::grid_of_rows<kWarp>(s.rows), rope_kernel<true>,
                     dx.as<float>(), dy.as<float>(), table.as<float>(), s);
}

}  // namespace r1
