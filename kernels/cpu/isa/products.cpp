// y = x panel: 16 rows of a weight at a time against up to 8 rows of x (4 or 6 where registers are
// few), so that each 64 bytes of weights are read once for them. A row's sum runs along K in one
// order, whatever the other rows.
#include "kernels/cpu/isa/products.h"

#include "kernels/cpu/isa/quads.h"

namespace r1::R1_ISA {
namespace {

using cpu::PanelType;
using cpu::Rows;
using cpu::XBlock;
using Bytes = const unsigned char*;

R1_INLINE std::int32_t four_bytes(const void* p) { return load<std::int32_t>(p); }

R1_INLINE void write(float* y, Floats v, std::int64_t n) {
  if (n > 0) store_n(y, v, n < kLanes ? n : kLanes);
}

template <int R, int P>
R1_INLINE void write_parts(float* y, std::int64_t stride, Each<Each<Floats, P>, R>& v,
                           std::int64_t n) {
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
    for (int p = 0; p < P; ++p) write(y + r * stride + kLanes * p, v[r][p], n - kLanes * p);
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

// P parts of a panel side by side, each as many of its rows as a register has lanes: what is read
// of x then serves P products. Where the registers for it are few, P is 1; other parts of the same
// 64 bytes then come out of the cache.
template <int R, int P>
void product_f32(float* y, std::int64_t stride, Bytes w, const float* x, std::int64_t K,
                 std::int64_t n) {
  Each<Each<Floats, P>, R> sum;  // not zeroed as one piece of memory
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) sum[r] = {};
  for (std::int64_t k = 0; k < K; ++k) {
    fetch<R>(w + 64 * k, 64);
    Each<Floats, P> v;
    for (int p = 0; p < P; ++p) v[p] = load<Floats>(w + 64 * k + std::int64_t{kRegister} * p);
    for (int r = 0; r < R; ++r)
      for (int p = 0; p < P; ++p) sum[r][p] = multiply_add(v[p], all(x[r * K + k]), sum[r][p]);
  }
  write_parts(y, stride, sum, n);
}

// With few registers the compiler is held to the order in which sums are written here: left alone,
// it makes all products of a block first, and has to put them in memory.
template <typename V>
R1_INLINE void keep_order(V& sum) {
  if constexpr (kRegister == 32) unknown(sum);
}

template <int R, int P>
void product_bf16(float* y, std::int64_t stride, Bytes w, const PairElement* x, std::int64_t pairs,
                  std::int64_t n) {
  Each<Each<Floats, P>, R> sum;
  for (std::int64_t k = 0; k < pairs; ++k) {
    fetch<R>(w + 64 * k, 64);
#pragma GCC unroll 2
    for (int step = 0; step < kBf16Steps; ++step) {
      Each<Ints, P> v;
      for (int p = 0; p < P; ++p)
        v[p] = bf16_of_step(load<Ints>(w + 64 * k + std::int64_t{kRegister} * p), step);
#pragma GCC unroll 8
      for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
        for (int p = 0; p < P; ++p) {
          sum[r][p] = dot_bf16(sum[r][p], v[p], x + (r * pairs + k) * 2 + step);
          keep_order(sum[r][p]);
        }
    }
  }
  write_parts(y, stride, sum, n);
}

constexpr bool has_shared(PanelType type) { return cpu::shared_size(type) > 0; }
constexpr bool has_signed_scales(PanelType type) {
  return type == PanelType::q6_k || type == PanelType::iq4_xs;
}

// Rows of x and parts of a panel that go through a product together: their sums stay in registers,
// 32 of 64 bytes or 16. Blocks have two sums a row, and need some besides.
constexpr int most_rows(PanelType type) {
  if (kRegister == 64) return 8;
  return kRegister == 32 && (type == PanelType::f32 || type == PanelType::bf16) ? 6 : 4;
}
constexpr int parts_at_once(PanelType type, int rows) {
  if (kRegister == 32) return 2;
  const bool plain = type == PanelType::bf16 || type == PanelType::f32;
  return plain && rows <= 2 ? cpu::kPanelRows / kLanes : 1;
}

// Quad j of a block.
template <PanelType type>
R1_INLINE Ints quad(Bytes values, std::int64_t j) {
  const cpu::Pieces pieces = cpu::pieces_of(type, static_cast<std::size_t>(j));
  Ints value{};
#pragma GCC unroll 3
  for (const cpu::Piece& p : pieces.of)
    value |= load<Ints>(values + cpu::kLine * p.line) >> p.shift &
             static_cast<std::int32_t>(p.mask_of_four());
  if constexpr (cpu::has_codebook(type)) return in_codebook(value);
  return value;
}

// What is added to each value before it is multiplied by the scale, so that the sum of the products
// can begin with that times the sum of x.
constexpr std::int32_t start_of_sum(PanelType type) {
  if (cpu::is_signed(type)) return kSignedStart;
  if (type == PanelType::q4_0) return -8;
  return type == PanelType::q6_k ? -32 : 0;
}

R1_INLINE Floats from_bytes(Bytes p) { return to_floats(widen_bytes(p)); }
R1_INLINE Floats from_signed_bytes(Bytes p) { return to_floats(widen_signed_bytes(p)); }

// The largest byte of quads that are not signed.
constexpr int largest_byte(PanelType type) {
  return type == PanelType::q6_k ? 63 : type == PanelType::q5_k ? 31 : 15;
}

template <int R, int P>
using Tile = Each<Each<Ints, P>, R>;

// Adds the sums of quads first … last - 1 for R rows of x, whose blocks lie `blocks` apart.
template <PanelType type, int R, int P>
R1_INLINE void add_quads(Tile<R, P>& sum, Bytes values, const XBlock* x, std::int64_t blocks,
                         int first, int last) {
  // Few rows would wait for one sum after the other, so that odd quads have sums of their own:
  // whole numbers come out the same.
  constexpr int kChains = R * P <= 2 ? 2 : 1;
  Tile<R, P> other;
#pragma GCC unroll 8
  for (std::int64_t j = first; j < last; ++j) {
    Each<Ints, P> v;
    for (int p = 0; p < P; ++p) v[p] = quad<type>(values + std::int64_t{kRegister} * p, j);
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
      const std::int32_t four = four_bytes(x[r * blocks].q + 4 * j);
#pragma GCC unroll 2
      for (int p = 0; p < P; ++p) {
        Ints& to = j % kChains == 0 ? sum[r][p] : other[r][p];
        to = cpu::is_signed(type) ? dot_signed(to, v[p], four) : dot_small(to, v[p], four);
        keep_order(to);
      }
    }
  }
  if (kChains > 1)
    for (int r = 0; r < R; ++r)
      for (int p = 0; p < P; ++p) sum[r][p] += other[r][p];
}

// The same by way of narrow sums of kQuads quads.
template <PanelType type, int R, int P, int kQuads>
R1_INLINE void add_narrow_quads(Tile<R, P>& sum, Bytes values, const XBlock* x, std::int64_t blocks,
                                int first, int last) {
#pragma GCC unroll 8
  for (std::int64_t from = first; from < last; from += kQuads) {
    Each<Each<Pairs, P>, R> narrow;
#pragma GCC unroll 8
    for (std::int64_t j = from; j < from + kQuads; ++j) {
      Each<Ints, P> v;
      for (int p = 0; p < P; ++p) v[p] = quad<type>(values + std::int64_t{kRegister} * p, j);
#pragma GCC unroll 8
      for (int r = 0; r < R; ++r) {
        const std::int32_t four = four_bytes(x[r * blocks].q + 4 * j);
#pragma GCC unroll 2
        for (int p = 0; p < P; ++p) {
          narrow[r][p] = dot_narrow(narrow[r][p], v[p], four);
          keep_order(narrow[r][p]);
        }
      }
    }
    for (int r = 0; r < R; ++r)
      for (int p = 0; p < P; ++p) sum[r][p] = add_narrow(sum[r][p], narrow[r][p]);
  }
}

// R rows of x with the rows `part` … of a panel.
template <PanelType type, int R, int P>
void product_blocks(float* y, std::int64_t stride, Bytes w, const XBlock* x, std::int64_t K,
                    std::int64_t part, std::int64_t n) {
  const std::int64_t blocks = K / cpu::kBlock;
  constexpr std::size_t after = cpu::values_size(type);
  constexpr bool has_minimum = type == PanelType::q4_k || type == PanelType::q5_k;
  constexpr int kHalves = type == PanelType::q6_k ? 2 : 1;  // with a scale each
  constexpr int kQuads = 8 / kHalves, kNarrow = kNarrowSum / largest_byte(type);
  Each<Each<Floats, P>, R> total;
  Each<Floats, P> d, m;  // of 256 k, which share them
  for (std::int64_t b = 0; b < blocks; ++b, ++x) {
    const Bytes block = w + cpu::block_offset(type, b);
    const Bytes scales = block + after + part;
    const Bytes shared = w + cpu::shared_offset(type, b) + 2 * part;
    fetch<R>(block, cpu::block_size(type));
    for (int p = 0; p < P && has_shared(type) && b % cpu::kSuperBlocks == 0; ++p) {
      d[p] = from_f16(shared + kLanes * 2 * p);
      if (has_minimum) m[p] = from_f16(shared + cpu::kHalves + kLanes * 2 * p);
    }
    Each<Each<Floats, P>, R> product;
#pragma GCC unroll 2
    for (int h = 0; h < kHalves; ++h) {
      Tile<R, P> sum;
      for (int r = 0; r < R && start_of_sum(type) != 0; ++r)
        for (int p = 0; p < P; ++p) sum[r][p] = all(x[r * blocks].start[h]);
      if constexpr (cpu::is_signed(type) || kNarrow < 2)
        add_quads<type>(sum, block + 4 * part, x, blocks, h * kQuads, (h + 1) * kQuads);
      else
        add_narrow_quads<type, R, P, (kNarrow < kQuads ? kNarrow : kQuads)>(
            sum, block + 4 * part, x, blocks, h * kQuads, (h + 1) * kQuads);
      for (int p = 0; p < P; ++p) {
        const Bytes scale_at = scales + std::int64_t{16} * h + kLanes * p;
        // A scale of one block is read here, where sums have left it a register.
        Floats scale = has_shared(type) ? d[p] : from_f16(scales + part + kLanes * 2 * p);
        if constexpr (has_minimum) scale = d[p] * from_bytes(scale_at);
        if constexpr (has_signed_scales(type)) scale = d[p] * from_signed_bytes(scale_at);
        for (int r = 0; r < R; ++r)
          product[r][p] = h == 0 ? to_floats(sum[r][p]) * scale
                                 : multiply_add(to_floats(sum[r][p]), scale, product[r][p]);
      }
    }
    for (int p = 0; p < P; ++p) {
      Floats minimum{};
      if constexpr (has_minimum) minimum = -(m[p] * from_bytes(scales + 16 + kLanes * p));
      for (int r = 0; r < R; ++r) {
        if constexpr (has_minimum)
          product[r][p] = multiply_add(minimum, all(x[r * blocks].sum), product[r][p]);
        total[r][p] = multiply_add(product[r][p], all(x[r * blocks].scale), total[r][p]);
      }
    }
  }
  write_parts(y, stride, total, n);
}

// R rows of x, from `first` on, with the whole panel.
template <PanelType type, int R>
void product_rows(float* y, std::int64_t stride, Bytes w, const Rows& x, std::int64_t first,
                  std::int64_t K, std::int64_t n) {
  y += first * stride;
  constexpr int kParts = parts_at_once(type, R);
  for (std::int64_t part = 0; part < cpu::kPanelRows; part += kParts * kLanes) {
    if constexpr (type == PanelType::f32) {
      product_f32<R, kParts>(y + part, stride, w + 4 * part, x.f32 + first * K, K, n - part);
    } else if constexpr (type == PanelType::bf16) {
      const std::int64_t pairs = (K + 1) / 2;
      const PairElement* rows = pairs_of(x) + first * pairs * 2;
      product_bf16<R, kParts>(y + part, stride, w + 4 * part, rows, pairs, n - part);
    } else {
      product_blocks<type, R, kParts>(y + part, stride, w, x.blocks + first * (K / cpu::kBlock), K,
                                      part, n - part);
    }
  }
}

template <PanelType type>
void product_all(float* y, std::int64_t stride, Bytes w, const Rows& x, cpu::Range rows,
                 std::int64_t K, std::int64_t n) {
  std::int64_t t = rows.begin;
  const auto left = [&] { return rows.end - t; };
  constexpr int kMost = most_rows(type);
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

// q = round(x / step) with step the largest |x| of 32 over 127; 0 where there is no such step.
// Beside a number that is not finite the step is none either, and so no sum of the row.
void quantize(PanelType type, XBlock* to, const float* x, std::int64_t K) {
  for (XBlock* const end = to + K / cpu::kBlock; to != end; ++to, x += cpu::kBlock) {
    const float top = largest_magnitude(x, cpu::kBlock);
    if (!has_step(top)) {
      *to = {};
      to->scale = top / 127.0f;
      continue;
    }
    const float inverse = 127.0f / top;
    to->scale = top / 127.0f;
    std::int32_t half[2];
    for (std::int64_t h = 0; h < 2; ++h) {
      Ints total{};
      for (std::int64_t i = 16 * h; i < 16 * (h + 1); i += kLanes) {
        const Ints v = __builtin_convertvector(nearest(load<Floats>(x + i) * inverse), Ints);
        store_bytes(to->q + i, v);
        total += v;
      }
      half[h] = sum(total);
    }
    to->sum = static_cast<float>(half[0] + half[1]);
    const bool by_halves = type == PanelType::q6_k;
    to->start[0] = start_of_sum(type) * (by_halves ? half[0] : half[0] + half[1]);
    to->start[1] = start_of_sum(type) * half[1];
  }
}

// The upper half of what is nearest; ties to even. A NaN stays one.
R1_INLINE std::uint32_t nearest_bf16(float x) {
  const auto v = bits<std::uint32_t>(x);
  const std::uint32_t rounded = v + 0x7fffu + (v >> 16 & 1u), nan = v | 0x400000u;
  return (v & 0x7fffffffu) > 0x7f800000u ? nan : rounded;
}
void to_bf16(std::uint16_t* y, const float* x, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) y[i] = static_cast<std::uint16_t>(nearest_bf16(x[i]) >> 16);
}
void round_to_bf16(float* y, const float* x, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) y[i] = bits<float>(nearest_bf16(x[i]) & 0xffff0000u);
}

}  // namespace r1::R1_ISA
