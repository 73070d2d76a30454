#pragma once

#include "kernels/cpu/isa/kernels.h"
#include "kernels/cpu/isa/vector.h"
#include "lib/tensor/codebook.h"

// Sums of neighbouring products, in as many rows as a register has lanes: the instructions that
// differ between machines.
//   dot_small   sum[r] += w[4r] x[0] + … + w[4r + 3] x[3]: bytes of w from 0 to 63, signed ones of
//               x
//   dot_signed  the same for signed bytes of w; the sum has to begin with kSignedStart times the
//   sum
//               of x
//   dot_pairs   sum[r] += w[2r] x[0] + w[2r + 1] x[1]: pairs of signed 16-bit whole numbers
//   dot_bf16    sum[r] += w[2r] x[0] + w[2r + 1] x[1]: pairs of bf16, x as PairElement
namespace r1::R1_ISA {

#if defined(__AVX512VNNI__) && defined(__AVX512BF16__)

R1_INLINE Ints dot_small(Ints sum, Ints w, std::int32_t x) {
  return bits<Ints>(
      _mm512_dpbusd_epi32(bits<__m512i>(sum), bits<__m512i>(w), _mm512_set1_epi32(x)));
}

// The instruction wants w unsigned: 128 is added by the sign bit, and taken away at the start.
inline constexpr std::int32_t kSignedStart = -128;
R1_INLINE Ints dot_signed(Ints sum, Ints w, std::int32_t x) {
  return dot_small(sum, w ^ all(static_cast<std::int32_t>(0x80808080)), x);
}

R1_INLINE Ints dot_pairs(Ints sum, Ints w, std::int32_t x) {
  return bits<Ints>(
      _mm512_dpwssd_epi32(bits<__m512i>(sum), bits<__m512i>(w), _mm512_set1_epi32(x)));
}

inline constexpr bool kHasBf16 = true;
using PairElement = std::uint16_t;
R1_INLINE const PairElement* pairs_of(const cpu::Rows& x) { return x.bf16; }
R1_INLINE Floats dot_bf16(Floats sum, Ints w, const PairElement* x) {
  const __m512i pair = _mm512_set1_epi32(load<std::int32_t>(x));
  return bits<Floats>(_mm512_dpbf16_ps(bits<__m512>(sum), bits<__m512bh>(w), bits<__m512bh>(pair)));
}

#else

inline constexpr std::int32_t kSignedStart = 0;

// Widened, the products of two bf16 numbers are exact in f32.
inline constexpr bool kHasBf16 = false;
using PairElement = float;  // rounded to bf16
R1_INLINE const PairElement* pairs_of(const cpu::Rows& x) { return x.f32; }
R1_INLINE Floats dot_bf16(Floats sum, Ints w, const PairElement* x) {
  constexpr auto kHigh = static_cast<std::int32_t>(0xffff0000);
  sum = multiply_add(bits<Floats>(w << 16), all(x[0]), sum);
  return multiply_add(bits<Floats>(w & kHigh), all(x[1]), sum);
}

#if defined(__AVX2__)

R1_INLINE Ints add_pairs(Ints sum, __m256i pairs) {
  return sum + bits<Ints>(_mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
}

// Pairs are summed in 16 bits: 2 * 63 * 127 fits.
R1_INLINE Ints dot_small(Ints sum, Ints w, std::int32_t x) {
  return add_pairs(sum, _mm256_maddubs_epi16(bits<__m256i>(w), _mm256_set1_epi32(x)));
}

// The sign of w goes to x, whose bytes are never -128; 2 * 128 * 127 fits in 16 bits.
R1_INLINE Ints dot_signed(Ints sum, Ints w, std::int32_t x) {
  const auto bytes = bits<__m256i>(w);
  return add_pairs(sum, _mm256_maddubs_epi16(_mm256_abs_epi8(bytes),
                                             _mm256_sign_epi8(_mm256_set1_epi32(x), bytes)));
}

R1_INLINE Ints dot_pairs(Ints sum, Ints w, std::int32_t x) {
  return sum + bits<Ints>(_mm256_madd_epi16(bits<__m256i>(w), _mm256_set1_epi32(x)));
}

#else

R1_INLINE Ints dot_pairs(Ints sum, Ints w, std::int32_t x) {
  return sum + (w << 16 >> 16) * (x << 16 >> 16) + (w >> 16) * (x >> 16);
}

// Byte i of each four, with its sign.
R1_INLINE Ints byte_of(Ints v, int i) { return v << (24 - 8 * i) >> 24; }

R1_INLINE Ints dot_signed(Ints sum, Ints w, std::int32_t x) {
  for (int i = 0; i < 4; ++i) sum += byte_of(w, i) * byte_of(all(x), i);
  return sum;
}
R1_INLINE Ints dot_small(Ints sum, Ints w, std::int32_t x) { return dot_signed(sum, w, x); }

#endif
#endif

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
#else
R1_INLINE Ints in_codebook(Ints places) {
  std::int8_t byte[kRegister];
  __builtin_memcpy(byte, &places, sizeof byte);
  for (std::int8_t& b : byte) b = kCodebook[b];
  return load<Ints>(byte);
}
#endif

}  // namespace r1::R1_ISA
