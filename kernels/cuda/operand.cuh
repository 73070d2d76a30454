#pragma once

#include <type_traits>

#include "kernels/cuda/intrinsics.cuh"
#include "kernels/cuda/mma.cuh"
#include "lib/tensor/dtype.h"

namespace r1::cuda {

// How an op stores what a product reads next: in f32, or rounded as the product would have done it.
template <typename Type>
__device__ inline void store_four(typename Type::Bits* to, const float (&v)[4]) {
  if constexpr (std::is_same_v<Type, F32>)
    *reinterpret_cast<float4*>(to) = {v[0], v[1], v[2], v[3]};
  else
    *reinterpret_cast<uint2*>(to) = {pack<Type>(v[0], v[1]), pack<Type>(v[2], v[3])};
}

// run(F32{}), run(F16{}) or run(Bf16{}): of what operand_type may name.
template <typename Run>
void for_operand(DType type, const Run& run) {
  if (type == DType::f16) return run(F16{});
  if (type == DType::bf16) return run(Bf16{});
  run(F32{});
}

}  // namespace r1::cuda
