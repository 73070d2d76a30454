#pragma once

#include <cstdint>

#include <cuda_runtime.h>

#ifndef __CUDACC__
#include "lib/tensor/dtype.h"
#endif

namespace r1::cuda {

// What has no one spelling on the device and on the host, behind a name.

// The block's dynamic shared memory, aligned to 16.
template <typename T>
__device__ inline T* dynamic_shared() {
#ifdef __CUDACC__
  extern __shared__ uint4 bytes[];
  return reinterpret_cast<T*>(bytes);
#else
  return static_cast<T*>(cuda_host::dynamic_shared());
#endif
}

__device__ inline float half_to_float(std::uint16_t half) {
#ifdef __CUDACC__
  float value;
  asm("cvt.f32.f16 %0, %1;" : "=f"(value) : "h"(half));
  return value;
#else
  return f16_to_f32(half);
#endif
}

// To nearest even; beyond the largest, infinity.
__device__ inline std::uint16_t float_to_half(float value) {
#ifdef __CUDACC__
  std::uint16_t half;
  asm("cvt.rn.f16.f32 %0, %1;" : "=h"(half) : "f"(value));
  return half;
#else
  return f32_to_f16(value);
#endif
}

__device__ inline float bfloat_to_float(std::uint16_t bits) {
  return __uint_as_float(std::uint32_t{bits} << 16);
}

// To nearest even; a NaN stays one.
__device__ inline std::uint16_t float_to_bfloat(float value) {
  const std::uint32_t bits = __float_as_uint(value);
  const bool nan = (bits & 0x7fffffffu) > 0x7f800000u;
  const std::uint32_t rounded = bits + 0x7fffu + ((bits >> 16) & 1u);
  return static_cast<std::uint16_t>(nan ? (bits >> 16) | 0x40u : rounded >> 16);
}

// How numbers are stored. Each names its bits as `Bits`, widens and rounds them.
struct F32 {
  using Bits = float;
  __device__ static float widen(float value) { return value; }
  __device__ static float round(float value) { return value; }
};
struct F16 {
  using Bits = std::uint16_t;
  __device__ static float widen(std::uint16_t bits) { return half_to_float(bits); }
  __device__ static std::uint16_t round(float value) { return float_to_half(value); }
};
struct Bf16 {
  using Bits = std::uint16_t;
  __device__ static float widen(std::uint16_t bits) { return bfloat_to_float(bits); }
  __device__ static std::uint16_t round(float value) { return float_to_bfloat(value); }
};
// Whole numbers that share a scale, f16, in blocks of kElements.
struct Q8 {
  using Bits = std::int8_t;
  static constexpr int kElements = 32;
};

// Numbers in 16 bytes, and one load of them from an aligned address.
template <typename Type>
inline constexpr int kPerLoad = 16 / static_cast<int>(sizeof(typename Type::Bits));

template <typename Type>
__device__ inline void widen16(float (&values)[kPerLoad<Type>], const uint4& raw) {
  const unsigned words[4] = {raw.x, raw.y, raw.z, raw.w};
  for (int i = 0; i < 4; ++i) {
    if constexpr (sizeof(typename Type::Bits) == 4) {
      values[i] = __uint_as_float(words[i]);
    } else {
      values[2 * i] = Type::widen(static_cast<std::uint16_t>(words[i]));
      values[2 * i + 1] = Type::widen(static_cast<std::uint16_t>(words[i] >> 16));
    }
  }
}

template <typename Type>
__device__ inline void load16(float (&values)[kPerLoad<Type>], const typename Type::Bits* from) {
  widen16<Type>(values, *reinterpret_cast<const uint4*>(from));
}

// 16 bytes of a weight, which one thread reads, once: they leave the L1 cache to others.
__device__ inline uint4 load_once(const void* from) {
#ifdef __CUDACC__
  uint4 raw;
  asm volatile("ld.global.nc.L1::no_allocate.v4.u32 {%0, %1, %2, %3}, [%4];"
               : "=r"(raw.x), "=r"(raw.y), "=r"(raw.z), "=r"(raw.w)
               : "l"(from));
  return raw;
#else
  return *static_cast<const uint4*>(from);
#endif
}

// In a kernel that may begin early (`Grid`): waits until the kernels before it are done and what
// they wrote can be read. Before that a kernel touches nothing but weights. From here on the kernel
// behind it may begin.
__device__ inline void wait_for_earlier() {
#ifndef __CUDACC__
  cuda_host::wait_for_earlier();
#elif __CUDA_ARCH__ >= 900
  asm volatile("griddepcontrol.launch_dependents;");
  asm volatile("griddepcontrol.wait;" ::: "memory");
#endif
}

// 1 / (1 + e^-x), without overflow into NaN at either end.
__device__ inline float sigmoid(float x) { return 1.0f / (1.0f + expf(-x)); }
// log(1 + e^x) without overflow.
__device__ inline float softplus(float x) { return fmaxf(x, 0.0f) + log1pf(expf(-fabsf(x))); }

}  // namespace r1::cuda
