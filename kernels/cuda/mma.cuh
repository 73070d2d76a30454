#pragma once

#include <cstdint>
#include <type_traits>

#include <cuda_runtime.h>

#include "kernels/cuda/intrinsics.cuh"

namespace r1::cuda {

// Instructions of tensor cores, what feeds them, and two of the softmax, by name: PTX on a card,
// the same layout of registers on the host. A warp runs them together.
//   PTX ISA, 9.7.14.5 (mma, ldmatrix), 9.7.9.25 (cp.async).

// Two numbers rounded to bf16, the first in the low half.
__device__ inline unsigned pack_bfloats(float low, float high) {
#ifdef __CUDACC__
  unsigned both;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(both) : "f"(high), "f"(low));
  return both;
#else
  return unsigned{float_to_bfloat(low)} | unsigned{float_to_bfloat(high)} << 16;
#endif
}

// Two numbers rounded to Type, likewise. What is too large for f16 becomes its largest; a NaN stays
// one.
template <typename Type>
__device__ inline unsigned pack(float low, float high) {
  if constexpr (std::is_same_v<Type, Bf16>) return pack_bfloats(low, high);
  constexpr float kLargest = 65504.0f;
  const auto fit = [](float x) { return x > kLargest ? kLargest : x < -kLargest ? -kLargest : x; };
#ifdef __CUDACC__
  unsigned both;
  asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(both) : "f"(fit(high)), "f"(fit(low)));
  return both;
#else
  return unsigned{f32_to_f16(fit(low))} | unsigned{f32_to_f16(fit(high))} << 16;
#endif
}

// Four signed bytes times an f16 `scale`, each product rounded to f16 once: two words of them, in
// order from the low half. 0x6400 + b is 1,024 + b in f16, and so a byte becomes a number.
__device__ inline uint2 scale_bytes(unsigned bytes, std::uint16_t scale) {
#ifdef __CUDACC__
  constexpr unsigned kBias = 0x64806480u;  // 1,024 + 128
  const unsigned scales = unsigned{scale} << 16 | scale, biased = bytes ^ 0x80808080u;
  uint2 both{__byte_perm(biased, 0x64646464u, 0x4140), __byte_perm(biased, 0x64646464u, 0x4342)};
  for (unsigned* word : {&both.x, &both.y})
    asm("{sub.rn.f16x2 %0, %0, %1;\n mul.rn.f16x2 %0, %0, %2;}"
        : "+r"(*word)
        : "r"(kBias), "r"(scales));
  return both;
#else
  const auto product = [&](int i) {
    const auto byte = static_cast<std::int8_t>(bytes >> 8 * i);
    return unsigned{f32_to_f16(f16_to_f32(scale) * static_cast<float>(byte))};
  };
  return {product(0) | product(1) << 16, product(2) | product(3) << 16};
#endif
}

// 2^x, to two units in the last place; 0 below the smallest normal number.
__device__ inline float power_of_two(float x) {
#ifdef __CUDACC__
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
#else
  return exp2f(x);
#endif
}

#ifndef __CUDACC__
// What a lane has of a and b (`multiply_add`), widened: pairs, one after another.
struct Fragments {
  float a[8], b[4];
};
template <typename Type>
Fragments widened(const unsigned (&a)[4], unsigned b0, unsigned b1) {
  const auto half = [](unsigned pair, int i) {
    return Type::widen(static_cast<std::uint16_t>(pair >> 16 * i));
  };
  Fragments all;
  for (int i = 0; i < 8; ++i) all.a[i] = half(a[i / 2], i % 2);
  for (int i = 0; i < 4; ++i) all.b[i] = half(i < 2 ? b0 : b1, i % 2);
  return all;
}

// The two rows of a that this lane multiplies.
struct TwoRows {
  float of[2][16];
};
inline TwoRows two_rows(const cuda_host::Lanes<Fragments>& lanes) {
  TwoRows rows;
  for (int t = 0; t < 4; ++t) {
    const Fragments& some = lanes.of(cuda_host::lane() / 4 * 4 + t);
    for (int i = 0; i < 8; ++i) rows.of[i / 2 % 2][i / 4 * 8 + 2 * t + i % 2] = some.a[i];
  }
  return rows;
}

// This lane's part of c [16, 8] += a b. right(j, column) fills in 16 numbers of its j-th column of
// b.
template <typename Right>
void add_products(float (&c)[4], const TwoRows& rows, const Right& right) {
  for (int j = 0; j < 2; ++j) {
    float column[16];
    right(j, column);
    for (int i = 0; i < 2; ++i)
      for (int k = 0; k < 16; ++k) c[2 * i + j] += rows.of[i][k] * column[k];
  }
}
#endif

// c [16, 8] += a [16, 16] b [16, 8] in Type, bf16 or f16, with f32 sums. With g = lane / 4 and t =
// lane % 4, a lane has of a (g, 2t), (g + 8, 2t), (g, 2t + 8), (g + 8, 2t + 8) and what stands to
// the right of each; of b (2t, g), (2t + 8, g) and what stands below; of c (g, 2t), (g + 8, 2t) and
// to the right.
template <typename Type = Bf16>
__device__ inline void multiply_add(float (&c)[4], const unsigned (&a)[4], unsigned b0,
                                    unsigned b1) {
#ifdef __CUDACC__
  if constexpr (std::is_same_v<Type, Bf16>)
    asm volatile(
        "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, "
        "{%8, %9}, {%0, %1, %2, %3};"
        : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
  else
    asm volatile(
        "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, "
        "{%8, %9}, {%0, %1, %2, %3};"
        : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
#else
  const auto lanes = cuda_host::exchange(~0u, widened<Type>(a, b0, b1), __LINE__);
  add_products(c, two_rows(lanes), [&](int j, float(&column)[16]) {
    for (int t = 0; t < 4; ++t) {
      const Fragments& some = lanes.of(4 * (cuda_host::lane() % 4 * 2 + j) + t);
      for (int i = 0; i < 4; ++i) column[i / 2 * 8 + 2 * t + i % 2] = some.b[i];
    }
  });
#endif
}

// Four matrices [8, 8] of 16-bit numbers from shared memory: lane 8 m + r gives where row r of
// matrix m begins, and gets of each matrix (g, 2t) and what stands to the right; or, transposed,
// (2t, g) and what stands below.
template <bool kTransposed>
__device__ inline void load_matrices(unsigned (&words)[4], const std::uint16_t* row) {
#ifdef __CUDACC__
  const auto at = static_cast<unsigned>(__cvta_generic_to_shared(row));
  if constexpr (kTransposed)
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(words[0]), "=r"(words[1]), "=r"(words[2]), "=r"(words[3])
                 : "r"(at)
                 : "memory");
  else
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(words[0]), "=r"(words[1]), "=r"(words[2]), "=r"(words[3])
                 : "r"(at)
                 : "memory");
#else
  const int g = cuda_host::lane() / 4, t = cuda_host::lane() % 4;
  const auto rows = cuda_host::exchange(~0u, row, __LINE__);
  for (int m = 0; m < 4; ++m) {
    const auto at = [&](int i) {
      return kTransposed ? rows.of(8 * m + 2 * t + i)[g] : rows.of(8 * m + g)[2 * t + i];
    };
    words[m] = unsigned{at(0)} | unsigned{at(1)} << 16;
  }
#endif
}

// 16 bytes from global to shared memory, or zeros; there once this thread has waited for them.
// Copies are closed into groups, and waited for but for the last kLeft groups.
__device__ inline void copy16_async(void* shared, const void* global, bool zeros = false) {
#ifdef __CUDACC__
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(
                   static_cast<unsigned>(__cvta_generic_to_shared(shared))),
               "l"(global), "r"(zeros ? 0 : 16)
               : "memory");
#else
  cuda_host::copy_later(shared, zeros ? nullptr : global, 16);
#endif
}
__device__ inline void commit_copies() {
#ifdef __CUDACC__
  asm volatile("cp.async.commit_group;" ::: "memory");
#else
  cuda_host::commit_copies();
#endif
}
template <int kLeft = 0>
__device__ inline void wait_for_copies() {
#ifdef __CUDACC__
  asm volatile("cp.async.wait_group %0;" ::"n"(kLeft) : "memory");
#else
  cuda_host::wait_for_copies(kLeft);
#endif
}

}  // namespace r1::cuda
