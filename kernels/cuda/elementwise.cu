// Operations whose elements have nothing to do with each other: a thread each, so that a warp reads
// and writes 128 bytes in a row. All are bound by memory.
#include <cstdint>

#include "kernels/cuda/cuda_backend.h"
#include "kernels/cuda/epilogue.cuh"
#include "kernels/cuda/intrinsics.cuh"
#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/operand.cuh"

namespace r1 {

using cuda::each;

namespace {

__device__ inline float swiglu_of(float gate, float up) { return gate / (1.0f + expf(-gate)) * up; }

// Four numbers a thread, in 16-byte loads where they are whole.
template <typename Type>
void swiglu_fours(const Tensor& y, const Tensor& gate, const Tensor& up, cudaStream_t stream) {
  auto* to = y.as<typename Type::Bits>();
  const float *g = gate.as<float>(), *u = up.as<float>();
  const std::int64_t n = y.shape.elements();
  each("swiglu", stream, (n + 3) / 4, [=] __device__(std::int64_t i) {
    if (4 * i + 4 > n) {
      for (std::int64_t k = 4 * i; k < n; ++k) to[k] = Type::round(swiglu_of(g[k], u[k]));
      return;
    }
    float gates[4], v[4];
    cuda::load16<cuda::F32>(gates, g + 4 * i);
    cuda::load16<cuda::F32>(v, u + 4 * i);
    for (int k = 0; k < 4; ++k) v[k] = swiglu_of(gates[k], v[k]);
    cuda::store_four<Type>(to + 4 * i, v);
  });
}

}  // namespace

void CudaBackend::swiglu(const Tensor& y, const Tensor& gate, const Tensor& up) {
  cuda::for_operand(y.dtype,
                    [&](auto type) { swiglu_fours<decltype(type)>(y, gate, up, stream_); });
}

// silu'(g) = s (1 + g (1 - s)) with s = sigmoid(g).
void CudaBackend::swiglu_backward(const Tensor& dgate, const Tensor& dup, const Tensor& dy,
                                  const Tensor& gate, const Tensor& up) {
  float *dg = dgate.as<float>(), *du = dup.as<float>();
  const float *d = dy.as<float>(), *gates = gate.as<float>(), *u = up.as<float>();
  each("swiglu_backward", stream_, dy.shape.elements(), [=] __device__(std::int64_t i) {
    const float g = gates[i], s = cuda::sigmoid(g);
    if (dg != nullptr) dg[i] += d[i] * u[i] * s * (1.0f + g * (1.0f - s));
    if (du != nullptr) du[i] += d[i] * g * s;
  });
}

void CudaBackend::gelu(const Tensor& y, const Tensor& x) {
  float* to = y.as<float>();
  const float* from = x.as<float>();
  each("gelu", stream_, y.shape.elements(),
       [=] __device__(std::int64_t i) { to[i] = cuda::gelu(from[i]); });
}

// gelu'(x) = s + x z' s (1 - s) with s = sigmoid(z); from e^-|z|, because 1 - s would cancel.
void CudaBackend::gelu_backward(const Tensor& dx, const Tensor& dy, const Tensor& x) {
  if (dx.empty()) return;
  float* to = dx.as<float>();
  const float *d = dy.as<float>(), *from = x.as<float>();
  each("gelu_backward", stream_, dy.shape.elements(), [=] __device__(std::int64_t i) {
    const float v = from[i], z = kGeluSlope * (v + kGeluCube * v * v * v);
    const float dz = kGeluSlope * (1.0f + 3.0f * kGeluCube * v * v);
    const float e = expf(-fabsf(z)), inverse = 1.0f / (1.0f + e);
    const float s = z > 0.0f ? inverse : e * inverse, small = e * inverse * inverse;
    to[i] += d[i] * (s + (small > 0.0f ? v * dz * small : 0.0f));  // no inf * 0
  });
}

void CudaBackend::dropout(const Tensor& y, const Tensor& x, const Dropout& options) {
  float* to = y.as<float>();
  const float* from = x.as<float>();
  const std::int64_t n = y.shape.elements();
  const Dropout of = options;
  each("dropout", stream_, (n + kDropoutDraw - 1) / kDropoutDraw, [=] __device__(std::int64_t d) {
    const DropoutFactors factors = dropout_factors(of, d);
    for (std::int64_t i = d * kDropoutDraw, k = 0; k < kDropoutDraw && i + k < n; ++k)
      to[i + k] = from[i + k] * factors.of[k];
  });
}

void CudaBackend::dropout_backward(const Tensor& dx, const Tensor& dy, const Dropout& options) {
  if (dx.empty()) return;
  float* to = dx.as<float>();
  const float* d = dy.as<float>();
  const std::int64_t n = dy.shape.elements();
  const Dropout of = options;
  each("dropout_backward", stream_, (n + kDropoutDraw - 1) / kDropoutDraw,
       [=] __device__(std::int64_t draw) {
         const DropoutFactors factors = dropout_factors(of, draw);
         for (std::int64_t i = draw * kDropoutDraw, k = 0; k < kDropoutDraw && i + k < n; ++k)
           to[i + k] += d[i + k] * factors.of[k];
       });
}

void CudaBackend::add(const Tensor& y, const Tensor& a, const Tensor& b) {
  float* to = y.as<float>();
  const float *first = a.as<float>(), *second = b.as<float>();
  each("add", stream_, y.shape.elements(),
       [=] __device__(std::int64_t i) { to[i] = first[i] + second[i]; });
}

void CudaBackend::add_scaled(const Tensor& y, const Tensor& x, float s) {
  float* to = y.as<float>();
  const float* from = x.as<float>();
  each("add_scaled", stream_, y.shape.elements(),
       [=] __device__(std::int64_t i) { to[i] += s * from[i]; });
}

void CudaBackend::blend(const Tensor& y, float a, const Tensor& x, float b, const Tensor& z) {
  float* to = y.as<float>();
  const float *first = x.as<float>(), *second = z.as<float>();
  each("blend", stream_, y.shape.elements(), [=] __device__(std::int64_t i) {
    to[i] = second == nullptr ? a * first[i] : a * first[i] + b * second[i];
  });
}

}  // namespace r1
