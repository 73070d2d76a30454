// y = x w^T. Up to 8 rows: the kernels of linear_rows.cu and linear_quant.cu, which read each
// weight once. More: tensor cores where the weight may be rounded, else tiles in f32; from some
// size on cuBLASLt instead of both. Where a row may not depend on the batch, one of our own kernels
// makes it in any.
#include <cstdint>

#include "kernels/cuda/blas.h"
#include "kernels/cuda/cuda_backend.h"
#include "kernels/cuda/epilogue.cuh"
#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/linear_mma.h"
#include "kernels/cuda/linear_rows.h"
#include "kernels/cuda/mma.cuh"
#include "kernels/cuda/tiled_product.cuh"

namespace r1 {

using cuda::operand;

namespace {

// Of a quantized weight cuBLASLt wants a copy in bf16, 5 bytes moved for each of its numbers: as
// long as the product of some 500 rows takes.
constexpr std::int64_t kBlasRows = 5, kBlasRowsOfQuants = 1024;

}  // namespace

bool CudaBackend::linear_blas(const Tensor& y, const Tensor& x, const Tensor& w,
                              const Epilogue& then) {
  const std::int64_t T = x.rows(), N = w.rows(), K = w.cols();
  const bool quants = is_quantized(w.dtype), rounds = cuda::suits_tensor_cores(w);
  if (T < (quants ? kBlasRowsOfQuants : kBlasRows) || N % 4 != 0) return false;  // 16 bytes
  if (!rounds && (w.dtype != DType::f32 || K % 4 != 0)) return false;
  if (blas() == nullptr) return false;
  const std::size_t x_bytes = rounds ? cuda::half_rows_bytes(x) : 0;
  auto* workspace = static_cast<std::byte*>(
      scratch(cuda::Blas::kWorkspaceBytes + x_bytes + cuda::whole_weight_bytes(w)));
  std::byte* room = workspace + cuda::Blas::kWorkspaceBytes;
  cuda::BlasMatrix a{x.data, DType::f32, K}, b{w.data, w.dtype, K};
  if (rounds) {
    const DType type = cuda::rounded_type(w);
    a = {cuda::half_rows(x, type, room, stream_), type, cuda::rounded_pitch(K)};
    b = {cuda::whole_weight(w, room + x_bytes, stream_), type, K};
  }
  return blas()->multiply(y, a, b, K, then, workspace, stream_);
}

// Rows that zeros must follow are rounded into `scratch`.
DType CudaBackend::operand_type(const Tensor& w, std::int64_t T) const {
  const bool few = T <= cuda::kFewRows && !batch_invariant_;
  const bool padded = cuda::rounded_pitch(w.cols()) != w.cols();
  return few || padded || !cuda::suits_tensor_cores(w) ? DType::f32 : cuda::rounded_type(w);
}

void CudaBackend::linear(const Tensor& y, const Tensor& x, const Tensor& w, const Epilogue& then) {
  const std::int64_t T = x.rows(), N = w.rows(), K = w.cols();
  if (x.dtype != DType::f32 && x.dtype != operand_type(w, T))
    cuda::fail_unsupported("linear", "x is of another type than the product takes");
  const cuda::Finish finish(then);
  const bool few = T <= cuda::kFewRows && !batch_invariant_;
  if (few && is_quantized(w.dtype) && w.packed == cuda::is_split(w.dtype)) {
    void* room = scratch(cuda::rounded_rows_bytes(T, K));
    return cuda::linear_quant(y, x, w, room, finish, stream_);
  }
  if (!batch_invariant_ && linear_blas(y, x, w, then)) return;
  if (few && !is_quantized(w.dtype)) return cuda::linear_rows(y, x, w, finish, stream_);
  if (cuda::suits_tensor_cores(w))
    return cuda::linear_mma(y, x, w, scratch(cuda::half_rows_bytes(x)), finish, stream_);
  cuda::with_source(w, [&](auto source) {
    cuda::tiled_product<false>("linear", stream_, y.as<float>(), T, N, K,
                               operand<true>(cuda::source_f32(x)), operand<true>(source));
  });
  cuda::finish_all(y, finish, stream_);
}

void CudaBackend::add_bias(const Tensor& y, const Tensor& x, const Tensor& b) {
  float* to = y.as<float>();
  const float *from = x.as<float>(), *bias = b.as<float>();
  const std::int64_t N = x.cols();
  cuda::each("add_bias", stream_, x.shape.elements(),
             [=] __device__(std::int64_t i) { to[i] = from[i] + bias[i % N]; });
}

void CudaBackend::scale_columns(const Tensor& y, const Tensor& x, const Tensor& m,
                                const Tensor& d) {
  float* to = y.as<float>();
  const float *from = x.as<float>(), *magnitude = m.as<float>(), *divisor = d.as<float>();
  const std::int64_t N = x.cols();
  cuda::each("scale_columns", stream_, x.shape.elements(), [=] __device__(std::int64_t i) {
    to[i] = from[i] * (magnitude[i % N] / divisor[i % N]);
  });
}

}  // namespace r1
