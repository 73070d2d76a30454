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

constexpr bool has_signed_scales(PanelType type) {
  return type == PanelType::q6_k || type == PanelType::iq4_xs;
}

// Rows of x and parts of a panel that go through a product together: their sums stay in registers,
// of which blocks need some besides.
constexpr int most_rows(PanelType type) {
  if (kRegister == 64) return 8;
  return kRegister == 32 && (type == PanelType::f32 || type == PanelType::bf16) ? 6 : 4;
}
constexpr int parts_at_once(PanelType type, int rows) {
  if (kRegister == 32) return 2;
  const bool plain = type == PanelType::bf16 || type == PanelType::f32;
  const bool has_room = kRegister == 16 && kRegisterCount == 32;
  return has_room || (plain && rows <= 2) ? cpu::kPanelRows / kLanes : 1;
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
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 2
      for (int p = 0; p < P; ++p) {
        const std::int8_t* four = x[r * blocks].q + 4 * j;
        Ints& to = j % kChains == 0 ? sum[r][p] : other[r][p];
        to = cpu::is_signed(type) ? dot_signed(to, v[p], four) : dot_small(to, v[p], four);
        keep_order(to);
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
      for (int r = 0; r < R; ++r)
#pragma GCC unroll 2
        for (int p = 0; p < P; ++p) {
          narrow[r][p] = dot_narrow(narrow[r][p], v[p], x[r * blocks].q + 4 * j);
          keep_order(narrow[r][p]);
        }
    }
    for (int r = 0; r < R; ++r)
      for (int p = 0; p < P; ++p) sum[r][p] = add_narrow(sum[r][p], narrow[r][p]);
  }
}

// The sums of one block, or of its half h, for R rows of x.
template <PanelType type, int R, int P, int kHalves>
R1_INLINE void sum_block(Tile<R, P>& sum, Bytes values, const XBlock* x, std::int64_t blocks,
                         int h) {
  constexpr int kQuads = 8 / kHalves, kNarrow = kNarrowSum / largest_byte(type);
  for (int r = 0; r < R; ++r)
    for (int p = 0; p < P; ++p) sum[r][p] = all(x[r * blocks].start[h]);
  if constexpr (cpu::is_signed(type) || kNarrow < 2)
    add_quads<type>(sum, values, x, blocks, h * kQuads, (h + 1) * kQuads);
  else
    add_narrow_quads<type, R, P, (kNarrow < kQuads ? kNarrow : kQuads)>(
        sum, values, x, blocks, h * kQuads, (h + 1) * kQuads);
}

// Takes from the products of 256 k the minima times the sums of x, which stand in pairs of blocks.
// at(b, p): the minima of a block; m: their scales.
template <int R, int P, typename At>
R1_INLINE void take_minima(Each<Each<Floats, P>, R>& product, const At& at, Bytes m,
                           const XBlock* x, std::int64_t blocks) {
  Tile<R, P> sum;
  for (std::int64_t b = 0; b < cpu::kSuperBlocks; b += 2)
    for (int p = 0; p < P; ++p) {
      const Ints minima = widen_bytes(at(b, p)) | (widen_bytes(at(b + 1, p)) << 16);
      for (int r = 0; r < R; ++r)
        sum[r][p] = dot_pairs(sum[r][p], minima, four_bytes(x[r * blocks + b].sums));
    }
  for (int p = 0; p < P; ++p) {
    const Floats step = from_f16(m + kLanes * 2 * p) * (-1.0f / cpu::kSumSteps);
    for (int r = 0; r < R; ++r)
      product[r][p] = multiply_add(to_floats(sum[r][p]), step, product[r][p]);
  }
}

// R rows of x with the rows `part` … of a panel, whose sums meet the scale of x when they are those
// of all blocks that have it.
template <PanelType type, int R, int P>
void product_blocks(float* y, std::int64_t stride, Bytes w, const XBlock* x, std::int64_t K,
                    std::int64_t part, std::int64_t n) {
  constexpr std::int64_t kTogether = cpu::blocks_of_step(type);
  constexpr bool shares = cpu::shared_size(type) > 0;  // and has all of 256 k
  constexpr bool has_minimum = type == PanelType::q4_k || type == PanelType::q5_k;
  constexpr int kHalves = type == PanelType::q6_k ? 2 : 1;  // with a scale each
  const std::int64_t blocks = K / cpu::kBlock;
  Each<Each<Floats, P>, R> total;
  for (std::int64_t first = 0; first < blocks; first += kTogether, x += kTogether) {
    const std::int64_t left = blocks - first;
    const std::int64_t count = shares || left > kTogether ? kTogether : left;
    const Bytes shared = w + cpu::shared_offset(type, first) + 2 * part;
    Each<Floats, P> d;
    if constexpr (shares) {
      fetch<R>(w + cpu::shared_offset(type, first), cpu::shared_size(type));
      for (int p = 0; p < P; ++p) d[p] = from_f16(shared + kLanes * 2 * p);
    }
    const auto scales = [&](std::int64_t b) {
      return w + cpu::block_offset(type, first + b) + cpu::values_size(type);
    };
    const auto scale = [&](std::int64_t b, int h, int p) {
      const std::int64_t at = part + kLanes * p;
      if constexpr (!shares) return from_f16(scales(b) + 2 * at);
      const Bytes byte = scales(b) + std::int64_t{16} * h + at;
      return d[p] * (has_signed_scales(type) ? from_signed_bytes(byte) : from_bytes(byte));
    };
    Each<Each<Floats, P>, R> product;
    for (std::int64_t b = 0; b < count; ++b) {
      const Bytes block = w + cpu::block_offset(type, first + b);
      fetch<R>(block, cpu::block_size(type));
#pragma GCC unroll 2
      for (int h = 0; h < kHalves; ++h) {
        Tile<R, P> sum;
        sum_block<type, R, P, kHalves>(sum, block + 4 * part, x + b, blocks, h);
        for (int p = 0; p < P; ++p) {
          const Floats s = scale(b, h, p);
          for (int r = 0; r < R; ++r)
            product[r][p] = multiply_add(bits<Floats>(sum[r][p]) - all(x[r * blocks + b].away), s,
                                         product[r][p]);
        }
      }
    }
    if constexpr (has_minimum)
      take_minima<R, P>(
          product, [&](std::int64_t b, int p) { return scales(b) + 16 + part + kLanes * p; },
          shared + cpu::kHalves, x, blocks);
    for (int r = 0; r < R; ++r)
      for (int p = 0; p < P; ++p)
        total[r][p] = multiply_add(product[r][p], all(x[r * blocks].scale), total[r][p]);
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
      const XBlock* rows = x.blocks + first * (K / cpu::kBlock);
      product_blocks<type, R, kParts>(y + part, stride, w, rows, K, part, n - part);
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

// How often x may be doubled and not exceed `most`, both given as bits: 20 times at most, where x
// is next to nothing, so that the inverse of no step is infinite (has_step).
R1_INLINE std::int32_t doublings(std::int32_t x, std::int32_t most) {
  const std::int32_t apart = (most - x) >> 23;
  return apart < 20 ? apart : 20;
}

// q = round(x inverse); returns the sum of each half.
R1_INLINE void round_block(XBlock& to, std::int32_t* half, const float* x, float inverse) {
  for (std::int64_t h = 0; h < 2; ++h) {
    Ints total{};
    for (std::int64_t i = 16 * h; i < 16 * (h + 1); i += kLanes) {
      const Ints v = nearest_whole(load<Floats>(x + i) * inverse);
      store_bytes(to.q + i, v);
      total += v;
    }
    half[h] = sum(total);
  }
}

// q = round(x / step), with a step of the largest |x| over 127 of the blocks that share one, halved
// where a block has room. 0 where there is no such step. Beside a number that is not finite the
// step is none either, and so no sum of the row.
void quantize(PanelType type, XBlock* to, const float* x, std::int64_t K) {
  const std::int64_t blocks = K / cpu::kBlock, together = cpu::blocks_of_step(type);
  const bool by_halves = type == PanelType::q6_k;
  for (std::int64_t first = 0; first < blocks; first += together) {
    const std::int64_t left = blocks - first, count = left < together ? left : together;
    std::int32_t own[std::size_t{cpu::kSuperBlocks}], most = 0;  // magnitudes, as bits
    for (std::int64_t b = 0; b < count; ++b) {
      own[b] = bits<std::int32_t>(largest_magnitude(x + b * cpu::kBlock, cpu::kBlock));
      most = own[b] > most ? own[b] : most;
    }
    const float largest = bits<float>(most);
    for (std::int64_t b = 0; b < count; ++b, ++to, x += cpu::kBlock) {
      *to = {};
      to->scale = largest / 127.0f;
      if (!has_step(largest)) continue;
      const std::int32_t e = doublings(own[b], most);
      std::int32_t half[2];
      round_block(*to, half, x, 127.0f / largest * bits<float>((127 + e) << 23));
      const std::int32_t both = half[0] + half[1];
      const std::int32_t away = kWholeBits - (e << 23);  // in steps of 2^-e
      to->start[0] = away + start_of_sum(type) * (by_halves ? half[0] : both);
      to->start[1] = away + start_of_sum(type) * half[1];
      to->away = bits<float>(away);
      to->sums[0] = static_cast<std::int16_t>((both * cpu::kSumSteps + (1 << e >> 1)) >> e);
    }
    for (std::int64_t b = 2; b <= count; ++b) to[-b].sums[1] = to[1 - b].sums[0];
  }
}

// The upper half is what is nearest; ties to even. A NaN stays one.
R1_INLINE Words nearest_bf16(Words v) {
  const Words rounded = v + 0x7fffu + (v >> 16 & 1u);
  return (v & 0x7fffffffu) > 0x7f800000u ? v | 0x400000u : rounded;
}
// Rounded by instruction where there is one and no number is denormal: it takes those for 0.
R1_INLINE HalfRegister rounded_to_bf16(Floats v) {
#if defined(__AVX512BF16__)
  constexpr int kDenormal = 0x20;
  if (_mm512_fpclass_ps_mask(bits<__m512>(v), kDenormal) == 0)
    return bits<HalfRegister>(_mm512_cvtneps_pbh(bits<__m512>(v)));
#endif
  return __builtin_convertvector(nearest_bf16(bits<Words>(v)) >> 16, HalfRegister);
}
void to_bf16(std::uint16_t* y, const float* x, std::int64_t n) {
  by_register(n, [&](std::int64_t i, std::int64_t m) {
    const HalfRegister rounded = rounded_to_bf16(load_n(x + i, m));
    __builtin_memcpy(y + i, &rounded, sizeof(std::uint16_t) * static_cast<std::size_t>(m));
  });
}
void round_to_bf16(float* y, const float* x, std::int64_t n) {
  by_register(n, [&](std::int64_t i, std::int64_t m) {
    store_n(y + i, bits<Floats>(nearest_bf16(bits<Words>(load_n(x + i, m))) & 0xffff0000u), m);
  });
}

}  // namespace r1::R1_ISA
