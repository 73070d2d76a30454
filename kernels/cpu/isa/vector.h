#pragma once

#include <cstddef>
#include <cstdint>

// Sixteen numbers at a time, whatever the registers: one of 64 bytes, two of 32 or four of 16.
namespace r1::R1_ISA {

using F16 [[gnu::vector_size(64)]] = float;
using I16 [[gnu::vector_size(64)]] = std::int32_t;
using U16 [[gnu::vector_size(64)]] = std::uint32_t;
using B16 [[gnu::vector_size(16)]] = std::uint8_t;
using C16 [[gnu::vector_size(16)]] = std::int8_t;
using H16 [[gnu::vector_size(32)]] = std::uint16_t;

#define R1_INLINE [[gnu::always_inline]] inline

// A V for each of n rows or columns; they stay in registers.
template <typename V, int n>
struct Each {
  V of[std::size_t{n}]{};
  R1_INLINE V& operator[](int i) { return of[i]; }
};

template <typename V>
R1_INLINE V load(const void* p) {
  V v;
  __builtin_memcpy(&v, p, sizeof v);
  return v;
}
R1_INLINE void store(void* p, F16 v) { __builtin_memcpy(p, &v, sizeof v); }
template <typename To, typename From>
R1_INLINE To bits(From v) {
  return __builtin_bit_cast(To, v);
}
R1_INLINE F16 all(float x) { return F16{} + x; }
R1_INLINE F16 to_float(I16 v) { return __builtin_convertvector(v, F16); }

// The first n of 16, the others zero.
R1_INLINE F16 load_some(const float* p, std::int64_t n) {
  F16 v{};
  for (std::int64_t i = 0; i < n; ++i) v[i] = p[i];
  return v;
}
R1_INLINE void store_some(float* p, F16 v, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) p[i] = v[i];
}

R1_INLINE F16 widen(const float* p) { return load<F16>(p); }
R1_INLINE F16 widen(const std::uint16_t* p) {  // bf16
  return bits<F16>(__builtin_convertvector(load<H16>(p), U16) << 16);
}
R1_INLINE F16 widen_some(const float* p, std::int64_t n) { return load_some(p, n); }
R1_INLINE F16 widen_some(const std::uint16_t* p, std::int64_t n) {
  U16 v{};
  for (std::int64_t i = 0; i < n; ++i) v[i] = p[i];
  return bits<F16>(v << 16);
}

// Sixteen halves: the exponent is moved to its place and set right by a product, which is exact for
// small halves too. No infinities.
R1_INLINE F16 from_f16(const void* p) {
  const U16 h = __builtin_convertvector(load<H16>(p), U16);
  const F16 size = bits<F16>((h & 0x7fffu) << 13) * 0x1p112f;
  return bits<F16>(bits<U16>(size) | ((h & 0x8000u) << 16));
}

// Always in this order.
R1_INLINE float sum(F16 v) {
  float s[16];
  store(s, v);
  for (int half = 8; half > 0; half /= 2)
    for (int i = 0; i < half; ++i) s[i] += s[i + half];
  return s[0];
}
R1_INLINE F16 larger(F16 a, F16 b) { return a > b ? a : b; }
R1_INLINE float largest(F16 v) {
  float s[16];
  store(s, v);
  for (int half = 8; half > 0; half /= 2)
    for (int i = 0; i < half; ++i) s[i] = s[i] > s[i + half] ? s[i] : s[i + half];
  return s[0];
}

// The nearest whole number, as a float; |v| < 2^22.
R1_INLINE F16 nearest(F16 v) {
  const F16 magic = all(0x1.8p23f);  // here a step of f32 is one
  return (v + magic) - magic;
}

// e^x = 2^n e^r with n whole and |r| <= log(2) / 2, where seven terms of the series leave 1e-8. 2^n
// is multiplied in by halves, so that results may be denormal or the largest. Within 3 roundings.
R1_INLINE F16 exp(F16 x) {
  x = x < -104.0f ? all(-104.0f) : x;  // e^-104 rounds to 0
  x = x > 89.0f ? all(89.0f) : x;      // e^89 is infinite
  const F16 n = nearest(x * 0x1.715476p0f);
  F16 r = x - n * 0x1.62e4p-1f;  // log 2 in two parts; n times the first is exact
  r = r - n * 0x1.7f7d1cp-20f;
  F16 e = all(1.0f / 5040);
  const float series[] = {1.0f / 720, 1.0f / 120, 1.0f / 24, 1.0f / 6, 0.5f, 1.0f, 1.0f};
  for (const float c : series) e = e * r + c;
  const I16 whole = __builtin_convertvector(n, I16), half = whole >> 1;
  return e * bits<F16>((half + 127) << 23) * bits<F16>((whole - half + 127) << 23);
}

}  // namespace r1::R1_ISA
