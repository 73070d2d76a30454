// y = x panel: 16 rows of a weight at a time against up to 8 rows of x, so that each 64 bytes of
// weights are read once for 8 rows. A row's sum runs along K in one order, whatever the other rows.
#include "kernels/cpu/isa/products.h"

#include "kernels/cpu/isa/quads.h"

namespace r1::R1_ISA {
namespace {

using cpu::PanelType;
using cpu::Rows;
using Bytes = const unsigned char*;

R1_INLINE std::int32_t four_bytes(const void* p) { return load<std::int32_t>(p); }

R1_INLINE void write(float* y, F16 v, int n) {
  if (n == cpu::kPanelRows)
    store(y, v);
  else
    store_some(y, v, n);
}

template <int R>
void product_f32(float* y, std::int64_t stride, Bytes w, const Rows& x, std::int64_t K, int n) {
  Each<F16, R> sum;
  for (std::int64_t k = 0; k < K; ++k) {
    const F16 v = load<F16>(w + 64 * k);
    for (int r = 0; r < R; ++r) sum[r] += v * x.f32[r * K + k];
  }
  for (int r = 0; r < R; ++r) write(y + r * stride, sum[r], n);
}

template <int R>
void product_bf16(float* y, std::int64_t stride, Bytes w, const Rows& x, std::int64_t K, int n) {
  const std::int64_t pairs = (K + 1) / 2;
  Each<F16, R> sum;
  for (std::int64_t k = 0; k < pairs; ++k) {
    const I16 v = load<I16>(w + 64 * k);
    for (int r = 0; r < R; ++r)
      sum[r] = dot_bf16(sum[r], v, four_bytes(x.bf16 + 2 * (r * pairs + k)));
  }
  for (int r = 0; r < R; ++r) write(y + r * stride, sum[r], n);
}

constexpr bool has_nibbles(PanelType type) {
  return type == PanelType::q4_0 || type == PanelType::q4_k;
}

// Quad j of a block in 16 rows.
template <PanelType type>
R1_INLINE I16 quad(Bytes values, int j) {
  if constexpr (!has_nibbles(type)) return load<I16>(values + 64 * j);
  const I16 both = load<I16>(values + 64 * (j % 4));
  return (j < 4 ? both : both >> 4) & 0x0f0f0f0f;
}

// What is added to each value before it is multiplied by the scale, so that the sum of the products
// can begin with that times the sum of x.
template <PanelType type>
constexpr std::int32_t start_of_sum() {
  if (type == PanelType::q8_0) return kSignedStart;
  if (type == PanelType::q4_0) return -8;
  return type == PanelType::q6_k ? -32 : 0;
}

R1_INLINE F16 from_bytes(Bytes p) { return __builtin_convertvector(load<B16>(p), F16); }
R1_INLINE F16 from_signed_bytes(Bytes p) { return __builtin_convertvector(load<C16>(p), F16); }

// The sums of quads first … last - 1 for R rows of x, whose quads begin at q and lie K apart.
template <PanelType type, int R>
R1_INLINE void add_quads_of_rows(Each<I16, R>& sum, Bytes values, const std::int8_t* q,
                                 std::int64_t K, int first, int last) {
#pragma GCC unroll 8
  for (int j = first; j < last; ++j) {
    const I16 v = quad<type>(values, j);
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
      const std::int32_t four = four_bytes(q + r * K + 4 * j);
      sum[r] = type == PanelType::q8_0 ? dot_signed(sum[r], v, four) : dot_small(sum[r], v, four);
    }
  }
}

template <PanelType type, int R>
void product_blocks(float* y, std::int64_t stride, Bytes w, const Rows& x, std::int64_t K, int n) {
  const std::int64_t blocks = K / cpu::kBlock;
  constexpr std::size_t after = has_nibbles(type) ? cpu::kNibbleValues : cpu::kByteValues;
  constexpr bool has_minimum = type == PanelType::q4_k || type == PanelType::q5_k;
  constexpr bool has_halves = type == PanelType::q6_k;  // a scale for each 16
  Each<F16, R> total;
  for (std::int64_t b = 0; b < blocks; ++b) {
    const Bytes block = w + cpu::block_offset(type, b), shared = w + cpu::shared_offset(type, b);
    const std::int8_t* q = x.q + b * cpu::kBlock;
    const std::int32_t* sum_of_x = x.sum + 2 * b;  // of the first 16, and of the rest
    Each<I16, R> sum, rest;
    for (int r = 0; r < R; ++r) {
      const std::int32_t s0 = sum_of_x[2 * r * blocks], s1 = sum_of_x[2 * r * blocks + 1];
      sum[r] = I16{} + start_of_sum<type>() * (has_halves ? s0 : s0 + s1);
      if (has_halves) rest[r] = I16{} + start_of_sum<type>() * s1;
    }
    add_quads_of_rows<type>(sum, block, q, K, 0, has_halves ? 4 : 8);
    if constexpr (has_halves) add_quads_of_rows<type>(rest, block, q, K, 4, 8);

    F16 scale = from_f16(cpu::shared_size(type) == 0 ? block + after : shared), second{}, minimum{};
    if constexpr (has_halves) {
      second = scale * from_signed_bytes(block + after + 16);
      scale = scale * from_signed_bytes(block + after);
    }
    if constexpr (has_minimum) {
      scale = scale * from_bytes(block + after);
      minimum = from_f16(shared + cpu::kHalves) * from_bytes(block + after + 16);
    }
    for (int r = 0; r < R; ++r) {
      const float step = x.scale[r * blocks + b];
      F16 part = to_float(sum[r]) * scale;
      if constexpr (has_halves) part += to_float(rest[r]) * second;
      if constexpr (has_minimum) {
        const std::int32_t all_x = sum_of_x[2 * r * blocks] + sum_of_x[2 * r * blocks + 1];
        part -= minimum * static_cast<float>(all_x);
      }
      total[r] += part * step;
    }
  }
  for (int r = 0; r < R; ++r) write(y + r * stride, total[r], n);
}

template <PanelType type, int R>
void product_rows(float* y, std::int64_t stride, Bytes w, const Rows& x, std::int64_t K, int n) {
  if constexpr (type == PanelType::f32)
    product_f32<R>(y, stride, w, x, K, n);
  else if constexpr (type == PanelType::bf16)
    product_bf16<R>(y, stride, w, x, K, n);
  else
    product_blocks<type, R>(y, stride, w, x, K, n);
}

template <typename T>
R1_INLINE const T* skip(const T* p, std::int64_t n) {
  return p == nullptr ? p : p + n;
}

Rows without(std::int64_t rows, const Rows& x, std::int64_t K) {
  return {skip(x.f32, rows * K), skip(x.bf16, rows * ((K + 1) / 2 * 2)), skip(x.q, rows * K),
          skip(x.scale, rows * (K / cpu::kBlock)), skip(x.sum, rows * (K / 16))};
}

template <PanelType type>
void product_all(float* y, std::int64_t stride, Bytes w, Rows x, std::int64_t rows, std::int64_t K,
                 int n) {
  const auto step = [&](int done) {
    y += done * stride;
    x = without(done, x, K);
    rows -= done;
  };
  while (rows >= 8) product_rows<type, 8>(y, stride, w, x, K, n), step(8);
  if (rows >= 4) product_rows<type, 4>(y, stride, w, x, K, n), step(4);
  if (rows >= 2) product_rows<type, 2>(y, stride, w, x, K, n), step(2);
  if (rows >= 1) product_rows<type, 1>(y, stride, w, x, K, n);
}

}  // namespace

void product(PanelType type, float* y, std::int64_t stride, const void* panel, const Rows& x,
             std::int64_t rows, std::int64_t K, int n) {
  const auto w = static_cast<Bytes>(panel);
  switch (type) {
    case PanelType::f32:
      return product_all<PanelType::f32>(y, stride, w, x, rows, K, n);
    case PanelType::bf16:
      return product_all<PanelType::bf16>(y, stride, w, x, rows, K, n);
    case PanelType::q8_0:
      return product_all<PanelType::q8_0>(y, stride, w, x, rows, K, n);
    case PanelType::q4_0:
      return product_all<PanelType::q4_0>(y, stride, w, x, rows, K, n);
    case PanelType::q4_k:
      return product_all<PanelType::q4_k>(y, stride, w, x, rows, K, n);
    case PanelType::q5_k:
      return product_all<PanelType::q5_k>(y, stride, w, x, rows, K, n);
    case PanelType::q6_k:
      return product_all<PanelType::q6_k>(y, stride, w, x, rows, K, n);
  }
}

// q = round(x / step) with step the largest |x| of 32 over 127.
void quantize(std::int8_t* q, float* scale, std::int32_t* sum, const float* x, std::int64_t K) {
  for (std::int64_t b = 0; b < K / cpu::kBlock; ++b) {
    const F16 v[2] = {load<F16>(x + 32 * b), load<F16>(x + 32 * b + 16)};
    const float most = largest(larger(larger(v[0], -v[0]), larger(v[1], -v[1])));
    const float inverse = most > 0.0f ? 127.0f / most : 0.0f;
    scale[b] = most / 127.0f;
    for (int half = 0; half < 2; ++half) {
      const I16 whole = __builtin_convertvector(nearest(v[half] * inverse), I16);
      const C16 bytes = __builtin_convertvector(whole, C16);
      __builtin_memcpy(q + 32 * b + 16 * half, &bytes, sizeof bytes);
      std::int32_t total = 0;
      for (int i = 0; i < 16; ++i) total += whole[i];
      sum[2 * b + half] = total;
    }
  }
}

// To nearest even; a NaN stays one.
void to_bf16(std::uint16_t* y, const float* x, std::int64_t n) {
  for (std::int64_t i = 0; i < n; i += 16) {
    const std::int64_t left = n - i < 16 ? n - i : 16;
    const U16 v = bits<U16>(load_some(x + i, left));
    const U16 rounded = (v + 0x7fffu + ((v >> 16) & 1u)) >> 16;
    const U16 nan = (v >> 16) | 64u;
    const H16 h = __builtin_convertvector((v & 0x7fffffffu) > 0x7f800000u ? nan : rounded, H16);
    for (std::int64_t j = 0; j < left; ++j) y[i + j] = h[j];
  }
}

}  // namespace r1::R1_ISA
