// y = x w^T. Up to 8 rows: the kernels of linear_rows.cu and linear_quant.cu, which read each
// weight once. More: tensor cores where the weight may be rounded, else tiles in f32. Where a row
// may not depend on the batch, one of these two makes it in any.
#include <cstdint>

#include "kernels/cuda/cuda_backend.h"
#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/linear_mma.h"
#include "kernels/cuda/linear_rows.h"
#include "kernels/cuda/tiled_product.cuh"

namespace r1 {

using cuda::operand;

void CudaBackend::linear(const Tensor& y, const Tensor& x, const Tensor& w) {
  const std::int64_t T = x.rows(), N = w.rows(), K = w.cols();
  const bool few = T <= cuda::kFewRows && !batch_invariant_;
  if (few && !is_quantized(w.dtype)) return cuda::linear_rows(y, x, w, stream_);
  if (few && w.packed == cuda::is_split(w.dtype)) {
    void* room = scratch(cuda::rounded_rows_bytes(T, K));
    return cuda::linear_quant(y, x, w, room, stream_);
  }
  if (cuda::suits_tensor_cores(w))
    return cuda::linear_mma(y, x, w, scratch(cuda::bfloat_rows_bytes(T, K)), stream_);
  cuda::with_source(w, [&](auto source) {
    cuda::tiled_product<false>("linear", stream_, y.as<float>(), T, N, K,
                               operand<true>(cuda::source_f32(x)), operand<true>(source));
  });
}

void CudaBackend::add_bias(const Tensor& y, const Tensor& x, const Tensor& b) {
  float* to = y.as<float>();
  const float *from = x.as<float>(), *bias = b.as<float>();
  const std::int64_t N = x.cols();
  cuda::each("add_bias", stream_, x.shape.elements(),
             [=] __device__(std::int64_t i) { to[i] = from[i] + bias[i % N]; });
}

}  // namespace r1
