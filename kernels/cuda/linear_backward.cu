// The gradients of linear, add_bias and scale_columns.
#include <cstdint>

#include "kernels/cuda/blas.h"
#include "kernels/cuda/cuda_backend.h"
#include "kernels/cuda/linear_mma.h"
#include "kernels/cuda/reduce.cuh"
#include "kernels/cuda/tiled_product.cuh"

namespace r1 {

using cuda::operand;
using cuda::source_f32;

// A gradient as the product on the way there took x: rounded, where that was.
bool CudaBackend::add_by_half(const Tensor& dx, const Tensor& dy, const Tensor& w) {
  if (!cuda::suits_tensor_cores(w)) return false;
  const DType type = cuda::rounded_type(w);
  const std::size_t dy_bytes = cuda::half_rows_bytes(dy);
  auto* workspace = static_cast<std::byte*>(
      scratch(cuda::Blas::kWorkspaceBytes + dy_bytes + cuda::whole_weight_bytes(w)));
  std::byte* room = workspace + cuda::Blas::kWorkspaceBytes;
  const cuda::BlasMatrix a{cuda::half_rows(dy, type, room, stream_), type,
                           cuda::rounded_pitch(dy.cols())};
  const cuda::BlasMatrix b{cuda::whole_weight(w, room + dy_bytes, stream_), type, w.cols(), false};
  return blas()->multiply(dx, a, b, w.rows(), {.residual = dx}, workspace, stream_);
}

// dx [T, K] += dy [T, N] w [N, K];  dw [N, K] += dy^T x.
void CudaBackend::linear_backward(const Tensor& dx, const Tensor& dw, const Tensor& dy,
                                  const Tensor& x, const Tensor& w) {
  const std::int64_t T = dy.rows(), N = w.rows(), K = w.cols();
  const bool whole = T > 0 && N % 4 == 0 && K % 4 == 0 && !batch_invariant_ && blas() != nullptr;
  const auto by_blas = [&](const Tensor& sum, const cuda::BlasMatrix& a, const cuda::BlasMatrix& b,
                           std::int64_t terms) {
    if (!whole) return false;
    void* room = scratch(cuda::Blas::kWorkspaceBytes);
    return blas()->multiply(sum, a, b, terms, {.residual = sum}, room, stream_);
  };
  const cuda::BlasMatrix along_n{dy.data, DType::f32, N}, along_t{dy.data, DType::f32, N, false};
  const auto dx_by_blas = [&] {
    if (w.dtype == DType::f32) return by_blas(dx, along_n, {w.data, w.dtype, K, false}, N);
    return whole && add_by_half(dx, dy, w);
  };
  if (!dx.empty() && !dx_by_blas())
    cuda::with_source(w, [&](auto source) {
      cuda::tiled_product<true>("linear_backward", stream_, dx.as<float>(), T, K, N,
                                operand<true>(source_f32(dy)), operand<false>(source));
    });
  if (!dw.empty() && !by_blas(dw, along_t, {x.data, DType::f32, K, false}, T))
    cuda::split_product("linear_backward", stream_, dw.as<float>(),
                        scratch(cuda::split_product_bytes(N, K, T)), N, K, T,
                        operand<false>(source_f32(dy)), operand<false>(source_f32(x)));
}

void CudaBackend::add_bias_backward(const Tensor& dx, const Tensor& db, const Tensor& dy) {
  const float* d = dy.as<float>();
  const std::int64_t N = dy.cols();
  if (!db.empty())
    cuda::column_sums("add_bias_backward", stream_, db.as<float>(),
                      scratch(cuda::column_sums_bytes(dy.rows(), N)), dy.rows(), N,
                      [=] __device__(std::int64_t r, std::int64_t c) { return d[r * N + c]; });
  if (!dx.empty()) add_scaled(dx, dy, 1.0f);
}

void CudaBackend::scale_columns_backward(const Tensor& dx, const Tensor& dm, const Tensor& dy,
                                         const Tensor& x, const Tensor& m, const Tensor& d) {
  const float *dys = dy.as<float>(), *from = x.as<float>();
  const float *magnitude = m.as<float>(), *divisor = d.as<float>();
  const std::int64_t N = dy.cols();
  if (!dm.empty())
    cuda::column_sums("scale_columns_backward", stream_, dm.as<float>(),
                      scratch(cuda::column_sums_bytes(dy.rows(), N)), dy.rows(), N,
                      [=] __device__(std::int64_t r, std::int64_t c) {
                        return dys[r * N + c] * from[r * N + c] / divisor[c];
                      });
  if (dx.empty()) return;
  float* to = dx.as<float>();
  cuda::each(
      "scale_columns_backward", stream_, dy.shape.elements(),
      [=] __device__(std::int64_t i) { to[i] += dys[i] * (magnitude[i % N] / divisor[i % N]); });
}

}  // namespace r1
