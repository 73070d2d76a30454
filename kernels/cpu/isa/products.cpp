// y = x panel: 16 rows of a weight at a time against up to 8 rows of x, so that each 64 bytes of
// weights are read once for 8 rows. A row's sum runs along K in one order, whatever the other rows.
#include "kernels/cpu/isa/products.h"

#include "kernels/cpu/isa/quads.h"

namespace r1::R1_ISA {
namespace {

using cpu::PanelType;
using cpu::Rows;
using Bytes = const unsigned char*;
using Narrow [[gnu::vector_size(kLanes)]] = std::int8_t;

R1_INLINE std::int32_t four_bytes(const void* p) { return load<std::int32_t>(p); }

R1_INLINE void write(float* y, Floats v, std::int64_t n) {
  if (n > 0) store_n(y, v, n < kLanes ? n : kLanes);
}

// Asks for weights that R rows will want later, as far as the second cache. One row streams by
// itself; several keep the machine at work so long between two loads that it fetches too late: from
// memory, 8 rows then take 3 times as long in bf16 and q8_0.
constexpr std::int64_t kAhead = 16384;  // bytes: half a microsecond
template <int R>
R1_INLINE void fetch(Bytes w, std::size_t bytes) {
  constexpr int kSecondCache = 2;
  if (R > 1)
    for (std::size_t i = 0; i < bytes; i += 64) __builtin_prefetch(w + kAhead + i, 0, kSecondCache);
}

// A part of a panel: as many of its rows as a register has lanes. Other parts lie 4 kLanes bytes
// away in the same 64, so that they come out of the cache.
template <int R>
void product_f32(float* y, std::int64_t stride, Bytes w, const float* x, std::int64_t K,
                 std::int64_t n) {
  Each<Floats, R> sum;
  for (std::int64_t k = 0; k < K; ++k) {
    fetch<R>(w + 64 * k, 64);
    const Floats v = load<Floats>(w + 64 * k);
    for (int r = 0; r < R; ++r) sum[r] = multiply_add(v, all(x[r * K + k]), sum[r]);
  }
  for (int r = 0; r < R; ++r) write(y + r * stride, sum[r], n);
}

// P parts together: a row alone would wait for one sum after the other.
template <int R, int P>
void product_bf16(float* y, std::int64_t stride, Bytes w, const PairElement* x, std::int64_t pairs,
                  std::int64_t n) {
  Each<Each<Floats, P>, R> sum;
  for (std::int64_t k = 0; k < pairs; ++k) {
    fetch<R>(w + 64 * k, 64);
    for (int p = 0; p < P; ++p) {
      const Ints v = load<Ints>(w + 64 * k + std::int64_t{kRegister} * p);
      for (int r = 0; r < R; ++r) sum[r][p] = dot_bf16(sum[r][p], v, x + (r * pairs + k) * 2);
    }
  }
  for (int r = 0; r < R; ++r)
    for (int p = 0; p < P; ++p) write(y + r * stride + kLanes * p, sum[r][p], n - kLanes * p);
}

constexpr bool has_shared(PanelType type) { return cpu::shared_size(type) > 0; }
constexpr bool has_codebook(PanelType type) {
  return type == PanelType::iq4_nl || type == PanelType::iq4_xs;
}
constexpr bool has_nibbles(PanelType type) {
  return type == PanelType::q4_0 || type == PanelType::q4_k || has_codebook(type);
}
constexpr bool is_signed(PanelType type) { return type == PanelType::q8_0 || has_codebook(type); }

// Quad j of a block.
template <PanelType type>
R1_INLINE Ints quad(Bytes values, std::int64_t j) {
  if constexpr (!has_nibbles(type)) return load<Ints>(values + 64 * j);
  const Ints both = load<Ints>(values + 64 * (j % 4));
  const Ints nibbles = (j < 4 ? both : both >> 4) & 0x0f0f0f0f;
  if constexpr (has_codebook(type)) return in_codebook(nibbles);
  return nibbles;
}

// What is added to each value before it is multiplied by the scale, so that the sum of the products
// can begin with that times the sum of x.
constexpr std::int32_t start_of_sum(PanelType type) {
  if (is_signed(type)) return kSignedStart;
  if (type == PanelType::q4_0) return -8;
  return type == PanelType::q6_k ? -32 : 0;
}

R1_INLINE Floats from_bytes(Bytes p) { return to_floats(widen_bytes(p)); }
R1_INLINE Floats from_signed_bytes(Bytes p) { return to_floats(widen_signed_bytes(p)); }

// The sums of quads first … last - 1 for R rows of x, whose quads begin at q and lie K apart. Few
// rows would wait for one sum after the other, so that odd quads have sums of their own: whole
// numbers come out the same.
template <PanelType type, int R>
R1_INLINE void add_quads_of_rows(Each<Ints, R>& sum, Bytes values, const std::int8_t* q,
                                 std::int64_t K, int first, int last) {
  constexpr int kChains = R <= 2 ? 2 : 1;
  Each<Ints, R> other;
#pragma GCC unroll 8
  for (std::int64_t j = first; j < last; ++j) {
    const Ints v = quad<type>(values, j);
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
      const std::int32_t four = four_bytes(q + r * K + 4 * j);
      Ints& to = j % kChains == 0 ? sum[r] : other[r];
      to = is_signed(type) ? dot_signed(to, v, four) : dot_small(to, v, four);
    }
  }
  if (kChains > 1)
    for (int r = 0; r < R; ++r) sum[r] += other[r];
}

// Rows `first` … of x with the rows `part` … of a panel.
template <PanelType type, int R>
void product_blocks(float* y, std::int64_t stride, Bytes w, const Rows& x, std::int64_t first,
                    std::int64_t K, std::int64_t part, std::int64_t n) {
  const std::int64_t blocks = K / cpu::kBlock;
  const std::int8_t* x_q = x.q + first * K;
  const float *x_scale = x.scale + first * blocks, *x_sum = x.sum + first * blocks;
  const std::int32_t* x_start = x.start + first * blocks * 2;
  constexpr std::size_t after = has_nibbles(type) ? cpu::kNibbleValues : cpu::kByteValues;
  constexpr bool has_minimum = type == PanelType::q4_k || type == PanelType::q5_k;
  constexpr bool has_halves = type == PanelType::q6_k;  // a scale for each 16
  Each<Floats, R> total;
  Floats d{}, m{};  // of 256 k where they share them
  for (std::int64_t b = 0; b < blocks; ++b) {
    const Bytes block = w + cpu::block_offset(type, b);
    const Bytes scales = block + after + part;
    fetch<R>(block, cpu::block_size(type));
    if (!has_shared(type)) d = from_f16(scales + part);
    if (has_shared(type) && b % cpu::kSuperBlocks == 0) {
      const Bytes shared = w + cpu::shared_offset(type, b) + 2 * part;
      d = from_f16(shared);
      if (has_minimum) m = from_f16(shared + cpu::kHalves);
    }
    const std::int8_t* q = x_q + b * cpu::kBlock;
    const std::int32_t* start = x_start + 2 * b;
    Each<Ints, R> sum, rest;
    for (int r = 0; r < R; ++r) {
      if (start_of_sum(type) != 0) sum[r] = all(start[r * blocks * 2]);
      if (has_halves) rest[r] = all(start[r * blocks * 2 + 1]);
    }
    add_quads_of_rows<type>(sum, block + 4 * part, q, K, 0, has_halves ? 4 : 8);
    if constexpr (has_halves) add_quads_of_rows<type>(rest, block + 4 * part, q, K, 4, 8);

    Floats scale = d, second{}, minimum{};
    if constexpr (has_halves) {
      scale = d * from_signed_bytes(scales);
      second = d * from_signed_bytes(scales + 16);
    }
    if constexpr (type == PanelType::iq4_xs) scale = d * from_signed_bytes(scales);
    if constexpr (has_minimum) {
      scale = d * from_bytes(scales);
      minimum = -(m * from_bytes(scales + 16));
    }
    for (int r = 0; r < R; ++r) {
      Floats product = to_floats(sum[r]) * scale;
      if constexpr (has_halves) product = multiply_add(to_floats(rest[r]), second, product);
      if constexpr (has_minimum)
        product = multiply_add(minimum, all(x_sum[r * blocks + b]), product);
      total[r] = multiply_add(product, all(x_scale[r * blocks + b]), total[r]);
    }
  }
  for (int r = 0; r < R; ++r) write(y + r * stride, total[r], n);
}

// R rows of x, from `first` on, with the whole panel.
template <PanelType type, int R>
void product_rows(float* y, std::int64_t stride, Bytes w, const Rows& x, std::int64_t first,
                  std::int64_t K, std::int64_t n) {
  y += first * stride;
  constexpr bool is_bf16 = type == PanelType::bf16;
  constexpr int kParts = is_bf16 && R <= 2 ? cpu::kPanelRows / kLanes : 1;
  for (std::int64_t part = 0; part < cpu::kPanelRows; part += kParts * kLanes) {
    if constexpr (type == PanelType::f32) {
      product_f32<R>(y + part, stride, w + 4 * part, x.f32 + first * K, K, n - part);
    } else if constexpr (is_bf16) {
      const std::int64_t pairs = (K + 1) / 2;
      const PairElement* rows = pairs_of(x) + first * pairs * 2;
      product_bf16<R, kParts>(y + part, stride, w + 4 * part, rows, pairs, n - part);
    } else {
      product_blocks<type, R>(y + part, stride, w, x, first, K, part, n - part);
    }
  }
}

template <PanelType type>
void product_all(float* y, std::int64_t stride, Bytes w, const Rows& x, cpu::Range rows,
                 std::int64_t K, std::int64_t n) {
  std::int64_t t = rows.begin;
  const auto left = [&] { return rows.end - t; };
  // Rows whose sums stay in registers: blocks have two a row, and need some besides.
  constexpr bool has_blocks = type != PanelType::f32 && type != PanelType::bf16;
  constexpr int kMost = has_blocks && kRegister < 64 ? 4 : 8;
  for (; left() >= kMost; t += kMost) product_rows<type, kMost>(y, stride, w, x, t, K, n);
  if (kMost > 4 && left() >= 4) product_rows<type, 4>(y, stride, w, x, t, K, n), t += 4;
  if (left() >= 2) product_rows<type, 2>(y, stride, w, x, t, K, n), t += 2;
  if (left() >= 1) product_rows<type, 1>(y, stride, w, x, t, K, n);
}

}  // namespace

void product(PanelType type, float* y, std::int64_t stride, const void* panel, const Rows& x,
             cpu::Range rows, std::int64_t K, std::int64_t n) {
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
    case PanelType::iq4_nl:
      return product_all<PanelType::iq4_nl>(y, stride, w, x, rows, K, n);
    case PanelType::iq4_xs:
      return product_all<PanelType::iq4_xs>(y, stride, w, x, rows, K, n);
  }
}

// q = round(x / step) with step the largest |x| of 32 over 127.
void quantize(PanelType type, const cpu::RowOut& to, const float* x, std::int64_t K) {
  for (std::int64_t b = 0; b < K / cpu::kBlock; ++b, x += cpu::kBlock) {
    Floats most{};
    for (std::int64_t i = 0; i < cpu::kBlock; i += kLanes) {
      const Floats v = load<Floats>(x + i);
      most = larger(most, larger(v, -v));
    }
    const float top = largest(most), inverse = top > 0.0f ? 127.0f / top : 0.0f;
    to.scale[b] = top / 127.0f;
    std::int32_t half[2];
    for (std::int64_t h = 0; h < 2; ++h) {
      Ints total{};
      for (std::int64_t i = 16 * h; i < 16 * (h + 1); i += kLanes) {
        const Ints v = __builtin_convertvector(nearest(load<Floats>(x + i) * inverse), Ints);
        const auto bytes = __builtin_convertvector(v, Narrow);
        __builtin_memcpy(to.q + b * cpu::kBlock + i, &bytes, sizeof bytes);
        total += v;
      }
      half[h] = sum(total);
    }
    to.sum[b] = static_cast<float>(half[0] + half[1]);
    const bool by_halves = type == PanelType::q6_k;
    to.start[2 * b] = start_of_sum(type) * (by_halves ? half[0] : half[0] + half[1]);
    to.start[2 * b + 1] = start_of_sum(type) * half[1];
  }
}

// To nearest even; a NaN stays one.
void to_bf16(std::uint16_t* y, const float* x, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) {
    const auto v = bits<std::uint32_t>(x[i]);
    const std::uint32_t rounded = (v + 0x7fffu + (v >> 16 & 1u)) >> 16, nan = v >> 16 | 64u;
    y[i] = static_cast<std::uint16_t>((v & 0x7fffffffu) > 0x7f800000u ? nan : rounded);
  }
}

}  // namespace r1::R1_ISA
