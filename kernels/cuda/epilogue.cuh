#pragma once

#include <cstdint>

#include <cuda_runtime.h>

#include "kernels/cuda/intrinsics.cuh"
#include "kernels/cuda/launch.cuh"
#include "lib/backend/backend.h"

namespace r1::cuda {

// 1 + tanh(u) = 2 sigmoid(2u), so that gelu(x) = x sigmoid(z).
__device__ inline float gelu(float x) {
  return x * sigmoid(kGeluSlope * (x + kGeluCube * x * x * x));
}

// An epilogue on its way into kernels: what becomes of each element of a product.
class Finish {
 public:
  explicit Finish(const Epilogue& then)
      : bias_(then.bias.as<float>()),
        residual_(then.residual.as<float>()),
        gelu_(then.activation == Activation::gelu) {}
  bool nothing() const { return bias_ == nullptr && residual_ == nullptr && !gelu_; }

  // Of element i of y, in column n.
  __device__ float operator()(float value, std::int64_t i, std::int64_t n) const {
    if (bias_ != nullptr) value += bias_[n];
    if (gelu_) value = gelu(value);
    return residual_ != nullptr ? value + residual_[i] : value;
  }

 private:
  const float *bias_, *residual_;
  bool gelu_;
};

// In a pass of its own, behind products that do not store through `finish` themselves.
inline void finish_all(const Tensor& y, const Finish& finish, cudaStream_t stream) {
  if (finish.nothing()) return;
  float* at = y.as<float>();
  const std::int64_t N = y.cols();
  each("linear", stream, y.shape.elements(),
       [=] __device__(std::int64_t i) { at[i] = finish(at[i], i, i % N); });
}

}  // namespace r1::cuda
