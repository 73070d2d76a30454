#pragma once

#include <cstdint>
#include <type_traits>

#include <cuda_runtime.h>

#include "kernels/cuda/intrinsics.cuh"
#include "kernels/cuda/reduce.cuh"

namespace r1::cuda {

// Hopper's products of a warp group: four warps that follow one another, the first a multiple of
// four. They run on while the group does other things: operands in registers and sums are not to be
// touched between `begin_products` and the wait. Machine code for sm_90a alone has them.
//   PTX ISA, 9.7.15 (wgmma).

#if !defined(__CUDA_ARCH__) || defined(__CUDA_ARCH_FEAT_SM90_ALL)
inline constexpr bool kHasWarpGroups = true;
#else
inline constexpr bool kHasWarpGroups = false;
#endif
inline constexpr int kGroupThreads = 4 * kWarp;

// Of the registers of each thread of a group, between 24 and 240; multiples of 8.
template <int kRegisters>
__device__ inline void take_registers() {
#ifdef __CUDACC__
  asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;" ::"n"(kRegisters));
#endif
}
template <int kRegisters>
__device__ inline void leave_registers() {
#ifdef __CUDACC__
  asm volatile("setmaxnreg.dec.sync.aligned.u32 %0;" ::"n"(kRegisters));
#endif
}

// A matrix of 16-bit numbers in shared memory, cut into 8 rows of 16 bytes that lie together. Bytes
// from one such piece to the next along k, and along the rows or columns of the product.
struct SharedPieces {
  const std::uint16_t* first;
  unsigned along_k, across;

  __device__ SharedPieces at(int elements) const { return {first + elements, along_k, across}; }
#ifdef __CUDACC__
  __device__ std::uint64_t descriptor() const {
    const auto address = static_cast<unsigned>(__cvta_generic_to_shared(first));
    return (address & 0x3ffffu) >> 4 | std::uint64_t{along_k >> 4} << 16 |
           std::uint64_t{across >> 4} << 32;
  }
#else
  // What stands at `r` across and `k`. kTurned: the 16 bytes run across, not along k.
  template <bool kTurned>
  std::uint16_t of(int r, int k) const {
    const int inside = kTurned ? k % 8 * 8 + r % 8 : r % 8 * 8 + k % 8;
    return first[r / 8 * static_cast<int>(across / 2) + k / 8 * static_cast<int>(along_k / 2) +
                 inside];
  }
#endif
};

__device__ inline void begin_products() {
#ifdef __CUDACC__
  asm volatile("wgmma.fence.sync.aligned;" ::: "memory");
#endif
}
__device__ inline void commit_products() {
#ifdef __CUDACC__
  asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory");
#endif
}
// A wait stays behind what makes `number`, which is not below 0: a branch that is never taken. Else
// the assembler puts arithmetic that could run beside the products behind the wait for them.
__device__ inline void make_first(float number) {
#ifdef __CUDACC__
  if (number < 0.0f) __trap();
#else
  static_cast<void>(number);
#endif
}

// For all but the last kLeft groups of products; those of `sums` are among them.
template <int kLeft, int kTiles>
__device__ inline void wait_for_products(float (&sums)[kTiles][4]) {
#ifdef __CUDACC__
  asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(kLeft) : "memory");
#pragma unroll
  for (int n = 0; n < kTiles; ++n)
    for (int i = 0; i < 4; ++i) asm volatile("" : "+f"(sums[n][i])::"memory");  // not read before
#else
  static_cast<void>(sums);
#endif
}

#define R1_EIGHT(c, n)                                                           \
  "+f"(c[n][0]), "+f"(c[n][1]), "+f"(c[n][2]), "+f"(c[n][3]), "+f"(c[n + 1][0]), \
      "+f"(c[n + 1][1]), "+f"(c[n + 1][2]), "+f"(c[n + 1][3])
#define R1_SUMS(c, n) R1_EIGHT(c, n), R1_EIGHT(c, n + 2), R1_EIGHT(c, n + 4), R1_EIGHT(c, n + 6)
#define R1_NAMES                                                                           \
  "{%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, %16, %17, %18, " \
  "%19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31}"

// c [64, 64] = a [64, 16] b [64, 16]^T, or added to it. A warp has 16 rows of c and a thread of
// them what `multiply_add` says, for 8 columns after another.
template <typename Type>
__device__ inline void multiply_shared(float (&c)[8][4], const SharedPieces& a,
                                       const SharedPieces& b, bool add) {
#ifdef __CUDACC__
  if constexpr (std::is_same_v<Type, Bf16>)
    asm volatile(
        "{.reg .pred p;\n setp.ne.b32 p, %34, 0;\n"
        "wgmma.mma_async.sync.aligned.m64n64k16.f32.bf16.bf16 " R1_NAMES
        ", %32, %33, p, 1, 1, 0, 0;}"
        : R1_SUMS(c, 0)
        : "l"(a.descriptor()), "l"(b.descriptor()), "r"(int{add}));
  else
    asm volatile(
        "{.reg .pred p;\n setp.ne.b32 p, %34, 0;\n"
        "wgmma.mma_async.sync.aligned.m64n64k16.f32.f16.f16 " R1_NAMES ", %32, %33, p, 1, 1, 0, 0;}"
        : R1_SUMS(c, 0)
        : "l"(a.descriptor()), "l"(b.descriptor()), "r"(int{add}));
#else
  const int g = cuda_host::lane() / 4, t = cuda_host::lane() % 4;
  const int warp = static_cast<int>(threadIdx.x) % kGroupThreads / kWarp;
  TwoRows rows;
  for (int k = 0; k < 32; ++k)
    rows.of[k / 16][k % 16] = Type::widen(a.of<false>(16 * warp + g + k / 16 * 8, k % 16));
  for (int n = 0; n < 8; ++n) {
    if (!add) c[n][0] = c[n][1] = c[n][2] = c[n][3] = 0.0f;
    add_products(c[n], rows, [&](int j, float(&column)[16]) {
      for (int k = 0; k < 16; ++k) column[k] = Type::widen(b.of<false>(8 * n + 2 * t + j, k));
    });
  }
#endif
}

// c [64, 64 columns from 8 kFirst on] += a [64, 16] b [16, 64]; a as in `multiply_add`.
template <typename Type, int kFirst, int kTiles>
__device__ inline void multiply_registers(float (&c)[kTiles][4], const unsigned (&a)[4],
                                          const SharedPieces& b) {
#ifdef __CUDACC__
  if constexpr (std::is_same_v<Type, Bf16>)
    asm volatile("wgmma.mma_async.sync.aligned.m64n64k16.f32.bf16.bf16 " R1_NAMES
                 ", {%32, %33, %34, %35}, %36, 1, 1, 1, 1;"
                 : R1_SUMS(c, kFirst)
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b.descriptor()));
  else
    asm volatile("wgmma.mma_async.sync.aligned.m64n64k16.f32.f16.f16 " R1_NAMES
                 ", {%32, %33, %34, %35}, %36, 1, 1, 1, 1;"
                 : R1_SUMS(c, kFirst)
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "l"(b.descriptor()));
#else
  const int t = cuda_host::lane() % 4;
  const TwoRows rows = two_rows(cuda_host::exchange(~0u, widened<Type>(a, 0, 0), __LINE__));
  for (int n = 0; n < 8; ++n)
    add_products(c[kFirst + n], rows, [&](int j, float(&column)[16]) {
      for (int k = 0; k < 16; ++k) column[k] = Type::widen(b.of<true>(8 * n + 2 * t + j, k));
    });
#endif
}

#undef R1_EIGHT
#undef R1_SUMS
#undef R1_NAMES

}  // namespace r1::cuda
