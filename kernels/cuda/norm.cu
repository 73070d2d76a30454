// y = x / rms(x) * w by row: a row to a warp, or to a block of 256 threads where it is longer than
// 1024. Moves x and y once; what is beyond 4096 of a row is read twice.
#include <cstdint>

#include "kernels/cuda/cuda_backend.h"
#include "kernels/cuda/operand.cuh"
#include "kernels/cuda/reduce.cuh"

namespace r1 {
namespace {

using cuda::kLongRow;
using cuda::kRowThreads;
using cuda::kWarp;

// Fours of a row that a thread has at once, so that all of a row of 4096 is on its way together.
template <int kThreads>
inline constexpr int kHeld = kThreads == kWarp ? 8 : 4;

template <typename Type, int kThreads>
__global__ void rms_norm_kernel(typename Type::Bits* y, float* rstd, const float* x, const float* w,
                                std::int64_t rows, std::int64_t D, float eps) {
  const std::int64_t r = cuda::my_row<kThreads>();
  const int first = static_cast<int>(threadIdx.x) % kThreads;
  cuda::wait_for_earlier();
  if (r >= rows) return;  // a whole warp, or none of the block
  x += r * D;
  y += r * D;
  const bool fours = D % 4 == 0;
  const std::int64_t rest = fours ? 4 * kHeld<kThreads> * kThreads : 0;
  float held[kHeld<kThreads>][4] = {}, weights[kHeld<kThreads>][4], squares = 0.0f;
#pragma unroll
  for (int i = 0; i < kHeld<kThreads>; ++i) {
    const int d = 4 * (first + i * kThreads);
    if (!fours || d >= D) continue;
    cuda::load16<cuda::F32>(held[i], x + d);
    cuda::load16<cuda::F32>(weights[i], w + d);
  }
#pragma unroll
  for (int i = 0; i < kHeld<kThreads>; ++i)
    for (const float value : held[i]) squares += value * value;
  for (std::int64_t d = rest + first; d < D; d += kThreads) squares += x[d] * x[d];
  squares = cuda::over_row<cuda::Sum, kThreads>(squares);
  const float scale = rsqrtf(squares / static_cast<float>(D) + eps);
#pragma unroll
  for (int i = 0; i < kHeld<kThreads>; ++i) {
    const int d = 4 * (first + i * kThreads);
    if (!fours || d >= D) continue;
    for (int j = 0; j < 4; ++j) held[i][j] = held[i][j] * scale * weights[i][j];
    cuda::store_four<Type>(y + d, held[i]);
  }
  for (std::int64_t d = rest + first; d < D; d += kThreads) y[d] = Type::round(x[d] * scale * w[d]);
  if (rstd != nullptr && first == 0) rstd[r] = scale;
}

// With n = x rstd:  dx += rstd (dy w - n mean(dy w n)).
template <int kThreads>
__global__ void rms_norm_backward_kernel(float* dx, const float* dy, const float* x, const float* w,
                                         const float* rstd, std::int64_t rows, std::int64_t D) {
  const std::int64_t r = cuda::my_row<kThreads>();
  if (r >= rows) return;
  const int first = static_cast<int>(threadIdx.x) % kThreads;
  const float scale = rstd[r];
  x += r * D;
  dy += r * D;
  float sum = 0.0f;
  for (std::int64_t d = first; d < D; d += kThreads) sum += dy[d] * w[d] * (x[d] * scale);
  const float mean = cuda::over_row<cuda::Sum, kThreads>(sum) / static_cast<float>(D);
  for (std::int64_t d = first; d < D; d += kThreads)
    dx[r * D + d] += scale * (dy[d] * w[d] - x[d] * scale * mean);
}

}  // namespace

void CudaBackend::rms_norm(const Tensor& y, const Tensor& rstd, const Tensor& x, const Tensor& w,
                           float eps) {
  const std::int64_t R = x.rows(), D = x.cols();
  cuda::for_operand(y.dtype, [&](auto type) {
    using Type = decltype(type);
    const auto run = [&](const cuda::Grid& grid, auto kernel) {
      cuda::launch_early("rms_norm", stream_, grid, kernel, y.as<typename Type::Bits>(),
                         rstd.as<float>(), x.as<float>(), w.as<float>(), R, D, eps);
    };
    if (D > kLongRow)
      run(cuda::grid_of_rows<kRowThreads>(R), rms_norm_kernel<Type, kRowThreads>);
    else
      run(cuda::grid_of_rows<kWarp>(R), rms_norm_kernel<Type, kWarp>);
  });
}

// dw += sum of dy n over rows.
void CudaBackend::rms_norm_backward(const Tensor& dx, const Tensor& dw, const Tensor& dy,
                                    const Tensor& x, const Tensor& w, const Tensor& rstd) {
  const std::int64_t R = x.rows(), D = x.cols();
  const float *d = dy.as<float>(), *in = x.as<float>(), *scale = rstd.as<float>();
  const auto run = [&](const cuda::Grid& grid, auto kernel) {
    cuda::launch("rms_norm_backward", stream_, grid, kernel, dx.as<float>(), d, in, w.as<float>(),
                 scale, R, D);
  };
  if (!dx.empty()) {
    if (D > kLongRow)
      run(cuda::grid_of_rows<kRowThreads>(R), rms_norm_backward_kernel<kRowThreads>);
    else
      run(cuda::grid_of_rows<kWarp>(R), rms_norm_backward_kernel<kWarp>);
  }
  if (!dw.empty())
    cuda::column_sums("rms_norm_backward", stream_, dw.as<float>(),
                      scratch(cuda::column_sums_bytes(R, D)), R, D,
                      [=] __device__(std::int64_t r, std::int64_t c) {
                        return d[r * D + c] * (in[r * D + c] * scale[r]);
                      });
}

}  // namespace r1
