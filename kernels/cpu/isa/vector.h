#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

#if defined(__AVX2__)
#include <immintrin.h>
#elif defined(__SSE2__)
#include <emmintrin.h>
#elif defined(__ARM_NEON)
#include <arm_neon.h>
#endif

namespace r1::R1_ISA {

#if defined(__AVX512F__)
inline constexpr int kRegister = 64;  // bytes
#elif defined(__AVX2__)
inline constexpr int kRegister = 32;
#else
inline constexpr int kRegister = 16;
#endif
inline constexpr std::int64_t kLanes = kRegister / 4;
#if defined(__AVX512F__) || defined(__ARM_NEON)
inline constexpr int kRegisterCount = 32;
#else
inline constexpr int kRegisterCount = 16;
#endif

// As many numbers as a register holds. The compiler knows + - * / & | << and comparisons of these.
using Floats [[gnu::vector_size(kRegister)]] = float;
using Ints [[gnu::vector_size(kRegister)]] = std::int32_t;
using Words [[gnu::vector_size(kRegister)]] = std::uint32_t;

using HalfRegister [[gnu::vector_size(kRegister / 2)]] = std::uint16_t;

#define R1_INLINE [[gnu::always_inline]] inline

// One for each of n rows or columns; they stay in registers.
template <typename V, int n>
struct Each {
  V of[std::size_t{n}]{};
  R1_INLINE V& operator[](int i) { return of[i]; }
  R1_INLINE const V& operator[](int i) const { return of[i]; }
};

template <typename V>
R1_INLINE V load(const void* p) {
  V v;
  __builtin_memcpy(&v, p, sizeof v);
  return v;
}
R1_INLINE void store(void* p, Floats v) { __builtin_memcpy(p, &v, sizeof v); }
template <typename To, typename From>
R1_INLINE To bits(From v) {
  return __builtin_bit_cast(To, v);
}
// The compiler may not know what v holds: it can neither leave out what went into it nor put it
// off.
template <typename V>
R1_INLINE void unknown(V& v) {
#if defined(__AVX512F__)
  asm volatile("" : "+v"(v));  // any of 32 registers
#elif defined(__x86_64__)
  asm volatile("" : "+x"(v));
#else
  asm volatile("" : "+w"(v));
#endif
}
R1_INLINE Floats all(float x) { return x - Floats{}; }
R1_INLINE Ints all(std::int32_t x) { return x - Ints{}; }
R1_INLINE Floats to_floats(Ints v) { return __builtin_convertvector(v, Floats); }
// a b + c, in one rounding where there is such an instruction. Said outright: left to the compiler,
// which products are fused depends on what stands around them, and with it the bits of a row.
R1_INLINE Floats multiply_add(Floats a, Floats b, Floats c) {
#if defined(__AVX512F__)
  return bits<Floats>(_mm512_fmadd_ps(bits<__m512>(a), bits<__m512>(b), bits<__m512>(c)));
#elif defined(__FMA__)
  return bits<Floats>(_mm256_fmadd_ps(bits<__m256>(a), bits<__m256>(b), bits<__m256>(c)));
#elif defined(__ARM_NEON)
  return bits<Floats>(vfmaq_f32(bits<float32x4_t>(c), bits<float32x4_t>(a), bits<float32x4_t>(b)));
#else
  return a * b + c;
#endif
}
R1_INLINE Floats square_root(Floats v) {
#if defined(__AVX512F__)
  return bits<Floats>(_mm512_maskz_sqrt_ps(0xffff, bits<__m512>(v)));
#elif defined(__AVX2__)
  return bits<Floats>(_mm256_sqrt_ps(bits<__m256>(v)));
#elif defined(__ARM_NEON)
  return bits<Floats>(vsqrtq_f32(bits<float32x4_t>(v)));
#else
  for (int i = 0; i < kLanes; ++i) v[i] = __builtin_sqrtf(v[i]);
  return v;
#endif
}
R1_INLINE Floats larger(Floats a, Floats b) { return a > b ? a : b; }
R1_INLINE Floats smaller(Floats a, Floats b) { return a < b ? a : b; }
R1_INLINE Ints larger(Ints a, Ints b) { return a > b ? a : b; }

// The first n, the others zero.
R1_INLINE Floats load_some(const float* p, std::int64_t n) {
  float room[kLanes] = {};
  for (std::int64_t i = 0; i < n; ++i) room[i] = p[i];
  return load<Floats>(room);
}
R1_INLINE void store_some(float* p, Floats v, std::int64_t n) {
  float room[kLanes];
  store(room, v);
  for (std::int64_t i = 0; i < n; ++i) p[i] = room[i];
}

R1_INLINE Floats load_n(const float* p, std::int64_t n) {
  return n == kLanes ? load<Floats>(p) : load_some(p, n);
}
R1_INLINE void store_n(float* p, Floats v, std::int64_t n) {
  if (n == kLanes)
    store(p, v);
  else
    store_some(p, v, n);
}

// Calls body(i, n) for each register of count elements, from i on: n of them are there.
template <typename Body>
R1_INLINE void by_register(std::int64_t count, const Body& body) {
  std::int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) body(i, std::int64_t{kLanes});
  if (i < count) body(i, count - i);
}

// A register's worth of narrower whole numbers, widened. By instruction where there is one: the
// compiler would take bytes one by one.
#if defined(__AVX512F__)
inline constexpr __mmask16 kAll = 0xffff;  // without a mask g++ 12 warns of its own header
R1_INLINE Ints widen_bytes(const void* p) {
  return bits<Ints>(_mm512_maskz_cvtepu8_epi32(kAll, load<__m128i>(p)));
}
R1_INLINE Ints widen_signed_bytes(const void* p) {
  return bits<Ints>(_mm512_maskz_cvtepi8_epi32(kAll, load<__m128i>(p)));
}
R1_INLINE Words widen_words(const void* p) {
  return bits<Words>(_mm512_maskz_cvtepu16_epi32(kAll, load<__m256i>(p)));
}
#elif defined(__AVX2__)
R1_INLINE Ints widen_bytes(const void* p) {
  return bits<Ints>(_mm256_cvtepu8_epi32(_mm_loadl_epi64(static_cast<const __m128i*>(p))));
}
R1_INLINE Ints widen_signed_bytes(const void* p) {
  return bits<Ints>(_mm256_cvtepi8_epi32(_mm_loadl_epi64(static_cast<const __m128i*>(p))));
}
R1_INLINE Words widen_words(const void* p) {
  return bits<Words>(_mm256_cvtepu16_epi32(load<__m128i>(p)));
}
#elif defined(__ARM_NEON)
R1_INLINE Ints widen_bytes(const void* p) {
  const uint8x8_t four = vreinterpret_u8_u32(vdup_n_u32(load<std::uint32_t>(p)));
  return bits<Ints>(vmovl_u16(vget_low_u16(vmovl_u8(four))));
}
R1_INLINE Ints widen_signed_bytes(const void* p) { return widen_bytes(p) << 24 >> 24; }
R1_INLINE Words widen_words(const void* p) { return bits<Words>(vmovl_u16(load<uint16x4_t>(p))); }
#else
R1_INLINE Ints widen_bytes(const void* p) {
  Ints v{};
  for (int i = 0; i < kLanes; ++i) v[i] = static_cast<const std::uint8_t*>(p)[i];
  return v;
}
R1_INLINE Ints widen_signed_bytes(const void* p) { return widen_bytes(p) << 24 >> 24; }
R1_INLINE Words widen_words(const void* p) {
  return __builtin_convertvector(load<HalfRegister>(p), Words);
}
#endif

// Signed bytes, as many as fill a register when each has 16 bits.
R1_INLINE Ints widen_to_pairs(const void* p) {
#if defined(__AVX512F__)
  return bits<Ints>(_mm512_maskz_cvtepi8_epi16(0xffffffffu, load<__m256i>(p)));
#elif defined(__AVX2__)
  return bits<Ints>(_mm256_cvtepi8_epi16(load<__m128i>(p)));
#else
  using Bytes [[gnu::vector_size(kRegister / 2)]] = std::int8_t;
  using Pairs [[gnu::vector_size(kRegister)]] = std::int16_t;
  return bits<Ints>(__builtin_convertvector(load<Bytes>(p), Pairs));
#endif
}

// Whole numbers from -128 to 127 as bytes.
R1_INLINE void store_bytes(void* p, Ints v) {
#if defined(__AVX512F__)
  _mm_storeu_si128(static_cast<__m128i*>(p), _mm512_maskz_cvtepi32_epi8(kAll, bits<__m512i>(v)));
#elif defined(__AVX2__)
  const auto all = bits<__m256i>(v);
  const __m128i words =
      _mm_packs_epi32(_mm256_castsi256_si128(all), _mm256_extracti128_si256(all, 1));
  _mm_storel_epi64(static_cast<__m128i*>(p), _mm_packs_epi16(words, words));
#else
  using Narrow [[gnu::vector_size(kLanes)]] = std::int8_t;
  const auto bytes = __builtin_convertvector(v, Narrow);
  __builtin_memcpy(p, &bytes, sizeof bytes);
#endif
}

R1_INLINE Floats widen(const float* p) { return load<Floats>(p); }

// Halves. Without an instruction for it, the exponent is moved to its place and set right by a
// product, which is exact for small halves too; what is no number begins at 2^16.
R1_INLINE Floats from_f16(const void* p) {
#if defined(__AVX512F__)
  return bits<Floats>(_mm512_maskz_cvtph_ps(kAll, load<__m256i>(p)));
#elif defined(__F16C__)
  return bits<Floats>(_mm256_cvtph_ps(load<__m128i>(p)));
#elif defined(__ARM_NEON)
  return bits<Floats>(vcvt_f32_f16(load<float16x4_t>(p)));
#else
  const Words h = widen_words(p);
  const Floats size = bits<Floats>((h & 0x7fffu) << 13) * 0x1p112f;
  const Words no_number = bits<Words>(size >= 0x1p16f) & 0x7f800000u;
  return bits<Floats>(bits<Words>(size) | no_number | ((h & 0x8000u) << 16));
#endif
}
struct F16 {
  std::uint16_t bits;
};
R1_INLINE Floats widen(const F16* p) { return from_f16(p); }
struct Bf16 {
  std::uint16_t bits;
};
R1_INLINE Floats widen(const Bf16* p) { return bits<Floats>(widen_words(p) << 16); }

template <typename T>
R1_INLINE Floats widen_n(const T* p, std::int64_t n) {
  if (n == kLanes) return widen(p);
  T room[kLanes] = {};
  for (std::int64_t i = 0; i < n; ++i) room[i] = p[i];
  return widen(room);
}

// Folds a register until one number is left: always in this order, by half the width each time.
template <typename T, int n, typename V, typename Fold>
R1_INLINE T folded(V v, const Fold& fold) {
  static_assert(sizeof v == sizeof(T) * n);
  if constexpr (n == 16)
    return folded<T, 8>(fold(__builtin_shufflevector(v, v, 0, 1, 2, 3, 4, 5, 6, 7),
                             __builtin_shufflevector(v, v, 8, 9, 10, 11, 12, 13, 14, 15)),
                        fold);
  else if constexpr (n == 8)
    return folded<T, 4>(
        fold(__builtin_shufflevector(v, v, 0, 1, 2, 3), __builtin_shufflevector(v, v, 4, 5, 6, 7)),
        fold);
  else if constexpr (n == 4)
    return folded<T, 2>(
        fold(__builtin_shufflevector(v, v, 0, 1), __builtin_shufflevector(v, v, 2, 3)), fold);
  else
    return fold(v[0], v[1]);
}

// Of a and then b, cut into pieces of `width`: the first half of each, or the second.
template <int width, bool second, typename V, int... i>
R1_INLINE V halves(V a, V b, std::integer_sequence<int, i...>) {
  constexpr int half = width / 2;
  return __builtin_shufflevector(a, b, (i / half * width + i % half + second * half)...);
}
// In the place of both numbers of each pair the first of them or the second; or both, exchanged.
template <bool second, typename V, int... i>
R1_INLINE V one_of_pairs(V v, std::integer_sequence<int, i...>) {
  return __builtin_shufflevector(v, v, (i / 2 * 2 + second)...);
}
template <typename V, int... i>
R1_INLINE V exchanged_pairs(V v, std::integer_sequence<int, i...>) {
  return __builtin_shufflevector(v, v, (i ^ 1)...);
}
// What each of n registers folds to, in the order of `folded`: to[r] is of v[r], in whole
// registers.
template <int n, int width = kLanes, typename T, typename V, typename Fold>
R1_INLINE void fold_each(T* to, V* v, const Fold& fold) {
  if constexpr (n == 1 && width == kLanes) {
    to[0] = folded<T, kLanes>(v[0], fold);
  } else if constexpr (width == 1) {
    __builtin_memcpy(to, v, sizeof(V) * n);
  } else {
    constexpr auto order = std::make_integer_sequence<int, kLanes>{};
#pragma GCC unroll 8
    for (int i = 0; i < n; i += 2) {
      const V a = v[i], b = v[i + 1 < n ? i + 1 : i];
      v[i / 2] = fold(halves<width, false>(a, b, order), halves<width, true>(a, b, order));
    }
    fold_each<(n + 1) / 2, width / 2>(to, v, fold);
  }
}
struct Sum {
  template <typename T>
  R1_INLINE T operator()(T a, T b) const {
    return a + b;
  }
};
struct Larger {
  template <typename T>
  R1_INLINE T operator()(T a, T b) const {
    return a > b ? a : b;
  }
};
R1_INLINE float sum(Floats v) { return folded<float, kLanes>(v, Sum{}); }
R1_INLINE std::int32_t sum(Ints v) { return folded<std::int32_t, kLanes>(v, Sum{}); }
R1_INLINE float largest(Floats v) { return folded<float, kLanes>(v, Larger{}); }

// Of x [n]; infinite or a NaN where one of them is: by their bits, whose order is that of the
// magnitudes. By lane, and of all.
R1_INLINE Ints magnitude(Floats v) { return bits<Ints>(v) & 0x7fffffff; }
template <typename T>
R1_INLINE Ints largest_magnitudes(const T* x, std::int64_t n) {
  Ints most{};
  by_register(n, [&](std::int64_t i, std::int64_t m) {
    most = larger(most, magnitude(widen_n(x + i, m)));
  });
  return most;
}
template <typename T>
R1_INLINE float largest_magnitude(const T* x, std::int64_t n) {
  return bits<float>(folded<std::int32_t, kLanes>(largest_magnitudes(x, n), Larger{}));
}
// Can numbers up to this be rounded to whole steps? Not what is so small that a step has no
// inverse, nor what is not finite.
R1_INLINE bool has_step(float largest) { return largest > 0x1p-100f && largest < __builtin_inff(); }

// At 1.5 2^23 a step of f32 is one, so that its bits count whole numbers from these on.
inline constexpr float kWhole = 0x1.8p23f;
inline constexpr std::int32_t kWholeBits = 0x4b400000;

// The nearest whole number; |v| < 2^22.
R1_INLINE Floats nearest(Floats v) { return (v + all(kWhole)) - all(kWhole); }
R1_INLINE Ints nearest_whole(Floats v) { return bits<Ints>(v + all(kWhole)) - kWholeBits; }

// v 2^n for whole n, in one rounding: by halves, where there is no instruction for it, so that
// results may be denormal or the largest.
R1_INLINE Floats scaled_by_power(Floats v, Floats n) {
#if defined(__AVX512F__)
  return bits<Floats>(_mm512_maskz_scalef_ps(kAll, bits<__m512>(v), bits<__m512>(n)));
#else
  const Ints whole = __builtin_convertvector(n, Ints), half = whole >> 1;
  return v * bits<Floats>((half + 127) << 23) * bits<Floats>((whole - half + 127) << 23);
#endif
}

// e^x = 2^n e^r with n whole and |r| <= log(2) / 2, where seven terms of the series leave 1e-8.
// Within 3 roundings; 0 where it would be denormal, which takes some processors 50 times as long.
R1_INLINE Floats exp(Floats x) {
  constexpr float kLeast = -87.33f;
  const Ints is_nothing = x < all(kLeast);
  x = larger(all(kLeast), x);
  x = smaller(all(89.0f), x);  // e^89 is infinite
  const Floats n = nearest(x * 0x1.715476p0f);
  Floats r = multiply_add(n, all(-0x1.62e4p-1f), x);  // log 2 in two parts
  r = multiply_add(n, all(-0x1.7f7d1cp-20f), r);
  Floats e = all(1.0f / 5040);
  const float series[] = {1.0f / 720, 1.0f / 120, 1.0f / 24, 1.0f / 6, 0.5f, 1.0f, 1.0f};
  for (const float c : series) e = multiply_add(e, r, all(c));
  return bits<Floats>(bits<Ints>(scaled_by_power(e, n)) & ~is_nothing);
}

}  // namespace r1::R1_ISA
