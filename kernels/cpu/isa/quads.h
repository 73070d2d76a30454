#pragma once

#include "kernels/cpu/isa/kernels.h"
#include "kernels/cpu/isa/vector.h"
#include "lib/tensor/codebook.h"

// Sums of neighbouring products, in as many rows as a register has lanes: the instructions that
// differ between machines.
//   dot_small   sum[r] += w[4r] x[0] + … + w[4r + 3] x[3]: bytes of w from 0 to 63, signed ones of
//               x, which stand in memory
//   dot_signed  the same for signed bytes w, given as signed_bytes(w); the sum has to begin with
//               kSignedStart sums of x
//   dot_narrow  the same as dot_small to sums of 16 bits, two to a lane, which add_narrow adds up:
//               cheaper where dot_small takes several instructions. The largest byte of w times the
//               calls that go into one sum is at most kNarrowSum, which is 0 where it does not pay
//   dot_pairs   sum[r] += w[2r] x[0] + w[2r + 1] x[1]: pairs of signed 16-bit whole numbers
//   dot_bf16    sum[r] += w[2r] x[0] + w[2r + 1] x[1]: pairs of bf16, x as PairElement; kBf16Steps
//               calls, each with bf16_of_step(w) and x one further
namespace r1::R1_ISA {

R1_INLINE std::int32_t four_bytes(const void* p) { return load<std::int32_t>(p); }

#if defined(__AVX512BF16__)

inline constexpr bool kHasBf16 = true;
using PairElement = std::uint16_t;
R1_INLINE const PairElement* pairs_of(const cpu::Rows& x) { return x.bf16; }
R1_INLINE const PairElement* pairs_of(const cpu::AttendRow& row) { return row.halves; }
R1_INLINE void store_pairs(PairElement* to, Floats v) {
  const __m256bh rounded = _mm512_cvtneps_pbh(bits<__m512>(v));
  __builtin_memcpy(to, &rounded, sizeof rounded);
}
inline constexpr int kBf16Steps = 1;
R1_INLINE Ints bf16_of_step(Ints w, int) { return w; }
R1_INLINE Floats dot_bf16(Floats sum, Ints w, const PairElement* x) {
  const __m512i pair = _mm512_set1_epi32(load<std::int32_t>(x));
  return bits<Floats>(_mm512_dpbf16_ps(bits<__m512>(sum), bits<__m512bh>(w), bits<__m512bh>(pair)));
}

#else

// Widened, the products of two bf16 numbers are exact in f32.
inline constexpr bool kHasBf16 = false;
using PairElement = float;
R1_INLINE const PairElement* pairs_of(const cpu::Rows& x) { return x.f32; }
R1_INLINE const PairElement* pairs_of(const cpu::AttendRow& row) { return row.q; }
R1_INLINE void store_pairs(PairElement* to, Floats v) { store(to, v); }
inline constexpr int kBf16Steps = 2;
R1_INLINE Ints bf16_of_step(Ints w, int step) {
  return step == 0 ? w << 16 : w & all(static_cast<std::int32_t>(0xffff0000));
}
R1_INLINE Floats dot_bf16(Floats sum, Ints w, const PairElement* x) {
  return multiply_add(bits<Floats>(w), all(*x), sum);
}

#endif

// Halves: twice as many as f32, at the same speed. Sums of them are halves too, so that only few
// terms go into one.
#if defined(__AVX512FP16__)

inline constexpr bool kHasF16 = true;
inline constexpr std::int64_t kHalfTerms = 64;
using Halves [[gnu::vector_size(kRegister)]] = _Float16;
// sum[2r] += w[2r] x[0], sum[2r + 1] += w[2r + 1] x[1].
R1_INLINE Halves add_pairs(Halves sum, Halves w, std::int32_t x) {
  return bits<Halves>(
      _mm512_fmadd_ph(bits<__m512h>(w), bits<__m512h>(_mm512_set1_epi32(x)), bits<__m512h>(sum)));
}
R1_INLINE HalfRegister to_halves(Floats v) {
  return bits<HalfRegister>(
      _mm512_maskz_cvtps_ph(kAll, bits<__m512>(v), _MM_FROUND_TO_NEAREST_INT));
}
// To two registers of f32. By way of memory: the second half of a register comes cheaper from
// there.
R1_INLINE void add_widened(Each<Floats, 2>& total, Halves v) {
  unsigned char halves[kRegister];
  __builtin_memcpy(halves, &v, sizeof halves);
  asm volatile("" : "+m"(halves));
  for (int i = 0; i < 2; ++i) total[i] += from_f16(halves + kRegister / 2 * i);
}

#else

inline constexpr bool kHasF16 = false;

#endif

// Bytes and pairs. VNNI sums by itself: in AVX-512, or in registers of 32 bytes, where of two
// encodings the machine knows one.
#if defined(__AVX512VNNI__)
#define R1_VNNI

// One instruction, where g++ would first load x by another.
R1_INLINE Ints dot_small(Ints sum, Ints w, const std::int8_t* x) {
  struct Four {
    std::int8_t of[4];
  };
  asm("vpdpbusd %2%{1to16%}, %1, %0" : "+v"(sum) : "v"(w), "m"(*reinterpret_cast<const Four*>(x)));
  return sum;
}
// Several wait for x in a register.
R1_INLINE Ints dot_small(Ints sum, Ints w, Ints x) {
  asm("vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(w), "v"(x));
  return sum;
}
R1_INLINE Ints dot_pairs(Ints sum, Ints w, std::int32_t x) {
  return bits<Ints>(
      _mm512_dpwssd_epi32(bits<__m512i>(sum), bits<__m512i>(w), _mm512_set1_epi32(x)));
}

#elif defined(R1_VNNI_ENCODING)
#define R1_VNNI

R1_INLINE Ints dot_small(Ints sum, Ints w, const std::int8_t* x) {
  asm("%{" R1_VNNI_ENCODING "%} vpdpbusd %2, %1, %0" : "+x"(sum) : "x"(w), "x"(all(four_bytes(x))));
  return sum;
}
R1_INLINE Ints dot_pairs(Ints sum, Ints w, std::int32_t x) {
  asm("%{" R1_VNNI_ENCODING "%} vpdpwssd %2, %1, %0" : "+x"(sum) : "x"(w), "x"(all(x)));
  return sum;
}

#elif defined(__AVX2__)
#define R1_NARROW

// Two products of 127 each and their neighbours' stay within 16 bits: 2 * 129 * 127 < 2^15.
inline constexpr int kNarrowSum = 129;
using Pairs [[gnu::vector_size(kRegister)]] = std::int16_t;
R1_INLINE Pairs dot_narrow(Pairs sum, Ints w, const std::int8_t* x) {
  return sum +
         bits<Pairs>(_mm256_maddubs_epi16(bits<__m256i>(w), bits<__m256i>(all(four_bytes(x)))));
}
R1_INLINE Ints add_narrow(Ints sum, Pairs pairs) {
  return sum + bits<Ints>(_mm256_madd_epi16(bits<__m256i>(pairs), _mm256_set1_epi16(1)));
}

R1_INLINE Ints dot_small(Ints sum, Ints w, const std::int8_t* x) {
  return add_narrow(sum, dot_narrow(Pairs{}, w, x));
}

// The sign of w goes to x, whose bytes are never -128; 2 * 128 * 127 fits in 16 bits.
R1_INLINE Ints dot_signed(Ints sum, Ints w, const std::int8_t* x) {
  const auto bytes = bits<__m256i>(w), four = bits<__m256i>(all(four_bytes(x)));
  return add_narrow(sum, bits<Pairs>(_mm256_maddubs_epi16(_mm256_abs_epi8(bytes),
                                                          _mm256_sign_epi8(four, bytes))));
}

R1_INLINE Ints dot_pairs(Ints sum, Ints w, std::int32_t x) {
  return sum + bits<Ints>(_mm256_madd_epi16(bits<__m256i>(w), _mm256_set1_epi32(x)));
}

#elif defined(__SSE2__)

R1_INLINE Ints dot_pairs(Ints sum, Ints w, Ints x) {
  return sum + bits<Ints>(_mm_madd_epi16(bits<__m128i>(w), bits<__m128i>(x)));
}
R1_INLINE Ints dot_pairs(Ints sum, Ints w, std::int32_t x) { return dot_pairs(sum, w, all(x)); }

// Bytes 0 and 2 of each four as pairs, and bytes 1 and 3.
using Shorts [[gnu::vector_size(kRegister)]] = std::int16_t;
R1_INLINE Ints even_bytes(Ints v) { return bits<Ints>(bits<Shorts>(v) << 8 >> 8); }
R1_INLINE Ints odd_bytes(Ints v) { return bits<Ints>(bits<Shorts>(v) >> 8); }

R1_INLINE Ints dot_signed(Ints sum, Ints w, const std::int8_t* x) {
  const Ints four = all(four_bytes(x));
  const Ints even = dot_pairs(sum, even_bytes(w), even_bytes(four));
  return dot_pairs(even, odd_bytes(w), odd_bytes(four));
}

#elif defined(__ARM_NEON)

R1_INLINE Ints dot_pairs(Ints sum, Ints w, std::int32_t x) {
  const auto pairs = bits<int16x8_t>(w), factors = bits<int16x8_t>(all(x));
  return sum + bits<Ints>(vpaddq_s32(vmull_s16(vget_low_s16(pairs), vget_low_s16(factors)),
                                     vmull_high_s16(pairs, factors)));
}

#if defined(__ARM_FEATURE_DOTPROD)
R1_INLINE Ints dot_signed(Ints sum, Ints w, const std::int8_t* x) {
  return bits<Ints>(
      vdotq_s32(bits<int32x4_t>(sum), bits<int8x16_t>(w), bits<int8x16_t>(all(four_bytes(x)))));
}
#else
// Two products stay within 16 bits, since bytes of x are never -128: 2 * 128 * 127 < 2^15.
R1_INLINE Ints dot_signed(Ints sum, Ints w, const std::int8_t* x) {
  const auto bytes = bits<int8x16_t>(w), four = bits<int8x16_t>(all(four_bytes(x)));
  return bits<Ints>(vpadalq_s16(
      bits<int32x4_t>(sum),
      vpaddq_s16(vmull_s8(vget_low_s8(bytes), vget_low_s8(four)), vmull_high_s8(bytes, four))));
}
#endif

#else

R1_INLINE Ints dot_pairs(Ints sum, Ints w, std::int32_t x) {
  return sum + (w << 16 >> 16) * (x << 16 >> 16) + (w >> 16) * (x >> 16);
}

// Byte i of each four, with its sign.
R1_INLINE Ints byte_of(Ints v, int i) { return v << (24 - 8 * i) >> 24; }

R1_INLINE Ints dot_signed(Ints sum, Ints w, const std::int8_t* x) {
  for (int i = 0; i < 4; ++i) sum += byte_of(w, i) * x[i];
  return sum;
}

#endif

#if defined(R1_VNNI)
// The instruction wants w unsigned: 128 is added by the sign bit, and taken away at the start.
inline constexpr std::int32_t kSignedStart = -128;
R1_INLINE Ints signed_bytes(Ints w) { return w ^ all(static_cast<std::int32_t>(0x80808080)); }
template <typename X>
R1_INLINE Ints dot_signed(Ints sum, Ints w, X x) {
  return dot_small(sum, w, x);
}
#else
inline constexpr std::int32_t kSignedStart = 0;
R1_INLINE Ints signed_bytes(Ints w) { return w; }
#endif

#if !defined(R1_VNNI) && !defined(R1_NARROW)
R1_INLINE Ints dot_small(Ints sum, Ints w, const std::int8_t* x) { return dot_signed(sum, w, x); }
#endif

#if !defined(R1_NARROW)
inline constexpr int kNarrowSum = 0;
using Pairs = Ints;
R1_INLINE Pairs dot_narrow(Pairs sum, Ints w, const std::int8_t* x) { return dot_small(sum, w, x); }
R1_INLINE Ints add_narrow(Ints sum, Pairs pairs) { return sum + pairs; }
#endif

// The four of x for P products each.
template <int P>
R1_INLINE auto four_for(const std::int8_t* x) {
#if defined(__AVX512VNNI__)
  if constexpr (P > 1)
    return all(four_bytes(x));
  else
#endif
    return x;
}

// The numbers of the codebook at the places 0 … 15 in each byte.
#if defined(__AVX512BW__)
R1_INLINE Ints in_codebook(Ints places) {
  const __m512i numbers = _mm512_maskz_broadcast_i32x4(kAll, load<__m128i>(kCodebook));
  return bits<Ints>(_mm512_shuffle_epi8(numbers, bits<__m512i>(places)));
}
#elif defined(__AVX2__)
R1_INLINE Ints in_codebook(Ints places) {
  const __m256i numbers = _mm256_broadcastsi128_si256(load<__m128i>(kCodebook));
  return bits<Ints>(_mm256_shuffle_epi8(numbers, bits<__m256i>(places)));
}
#elif defined(__ARM_NEON)
R1_INLINE Ints in_codebook(Ints places) {
  return bits<Ints>(vqtbl1q_s8(load<int8x16_t>(kCodebook), bits<uint8x16_t>(places)));
}
#else
R1_INLINE Ints in_codebook(Ints places) {
  std::int8_t byte[kRegister];
  __builtin_memcpy(byte, &places, sizeof byte);
  for (std::int8_t& b : byte) b = kCodebook[b];
  return load<Ints>(byte);
}
#endif

}  // namespace r1::R1_ISA
