#pragma once

#include "kernels/cpu/isa/vector.h"

#if defined(__AVX2__)
#include <immintrin.h>
#endif

// Sums of four neighbouring products at a time, in sixteen rows: the instructions that differ.
namespace r1::R1_ISA {

// sum[r] += w[4r] x[0] + … + w[4r + 3] x[3]: bytes of w from 0 to 63, four signed bytes of x.
R1_INLINE I16 dot_small(I16 sum, I16 w, std::int32_t x);
// The same for signed bytes of w. `signed_start` is what the sum has to begin with, by the sum of
// x.
R1_INLINE I16 dot_signed(I16 sum, I16 w, std::int32_t x);
// sum[r] += w[2r] x[0] + w[2r + 1] x[1] of bf16 pairs.
R1_INLINE F16 dot_bf16(F16 sum, I16 w, std::int32_t x);

#if defined(__AVX512VNNI__) && defined(__AVX512BF16__)

R1_INLINE I16 dot_small(I16 sum, I16 w, std::int32_t x) {
  return bits<I16>(_mm512_dpbusd_epi32(bits<__m512i>(sum), bits<__m512i>(w), _mm512_set1_epi32(x)));
}

// The instruction wants w unsigned: 128 is added by the sign bit, and taken away at the start.
inline constexpr std::int32_t kSignedStart = -128;
R1_INLINE I16 dot_signed(I16 sum, I16 w, std::int32_t x) {
  return dot_small(sum, w ^ static_cast<std::int32_t>(0x80808080), x);
}

R1_INLINE F16 dot_bf16(F16 sum, I16 w, std::int32_t x) {
  return bits<F16>(
      _mm512_dpbf16_ps(bits<__m512>(sum), bits<__m512bh>(w), bits<__m512bh>(_mm512_set1_epi32(x))));
}

#else

inline constexpr std::int32_t kSignedStart = 0;

// Widened, the products of two bf16 numbers are exact in f32.
R1_INLINE F16 dot_bf16(F16 sum, I16 w, std::int32_t x) {
  const std::int32_t high = x & static_cast<std::int32_t>(0xffff0000), low = x << 16;
  const F16 first = bits<F16>(w << 16);
  const F16 second = bits<F16>(w & static_cast<std::int32_t>(0xffff0000));
  sum += first * bits<float>(low);
  sum += second * bits<float>(high);
  return sum;
}

#if defined(__AVX2__)

struct Halves {
  __m256i part[2];
};

R1_INLINE __m256i add_quads(__m256i sum, __m256i pairs) {
  return _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
}

// Pairs are summed in 16 bits: 2 * 63 * 127 fits.
R1_INLINE I16 dot_small(I16 sum, I16 w, std::int32_t x) {
  Halves s = bits<Halves>(sum);
  const Halves v = bits<Halves>(w);
  const __m256i xs = _mm256_set1_epi32(x);
  for (int i = 0; i < 2; ++i) s.part[i] = add_quads(s.part[i], _mm256_maddubs_epi16(v.part[i], xs));
  return bits<I16>(s);
}

// The sign of w goes to x, whose bytes are never -128; 2 * 128 * 127 fits in 16 bits.
R1_INLINE I16 dot_signed(I16 sum, I16 w, std::int32_t x) {
  Halves s = bits<Halves>(sum);
  const Halves v = bits<Halves>(w);
  const __m256i xs = _mm256_set1_epi32(x);
  for (int i = 0; i < 2; ++i)
    s.part[i] = add_quads(s.part[i], _mm256_maddubs_epi16(_mm256_abs_epi8(v.part[i]),
                                                          _mm256_sign_epi8(xs, v.part[i])));
  return bits<I16>(s);
}

#else

// Byte i of each four, with its sign.
R1_INLINE I16 byte_of(I16 v, int i) { return v << (24 - 8 * i) >> 24; }

R1_INLINE I16 dot_signed(I16 sum, I16 w, std::int32_t x) {
  for (int i = 0; i < 4; ++i) sum += byte_of(w, i) * (x << (24 - 8 * i) >> 24);
  return sum;
}
R1_INLINE I16 dot_small(I16 sum, I16 w, std::int32_t x) { return dot_signed(sum, w, x); }

#endif
#endif

}  // namespace r1::R1_ISA
