// y = x panel: 16 rows of a weight at a time against up to 8 rows of x (4 or 6 where registers are
// few), so that each 64 bytes of weights are read once for them. A row's sum runs along K in one
// order, whatever the other rows.
#include "kernels/cpu/isa/products.h"

#include "kernels/cpu/isa/blocks.h"

namespace r1::R1_ISA {
namespace {

using cpu::PanelType;
using cpu::Rows;
using cpu::XBlock;

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

// By the end of a product it is there.
template <int R, int P>
R1_INLINE void ask_to_write(float* y, std::int64_t stride) {
  if (R > 4 && P > 1)
    for (int r = 0; r < R; ++r)
      for (int p = 0; p < P; ++p) __builtin_prefetch(y + r * stride + kLanes * p, 1);
}

// Panels side by side, of f32: four times what other types have there, so that the next lines are
// asked for from the second cache as well.
template <int P>
R1_INLINE void fetch_near(Bytes w, std::int64_t apart) {
  constexpr int kFirstCache = 3;
  constexpr std::int64_t kNear = 6 * std::int64_t{cpu::kLine};
  if (P * kLanes > cpu::kPanelRows)
    for (int p = 0; p < P; ++p)
      __builtin_prefetch(w + kNear + register_at(p, apart), 0, kFirstCache);
}

// P parts of a panel side by side, each as many of its rows as a register has lanes: what is read
// of x then serves P products. Where the registers for it are few, P is 1; other parts of the same
// 64 bytes then come out of the cache.
template <int R, int P>
void product_f32(float* y, std::int64_t stride, Bytes w, std::int64_t apart, const float* x,
                 std::int64_t K, std::int64_t n) {
  Each<Each<Floats, P>, R> sum;  // not zeroed as one piece of memory
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) sum[r] = {};
  ask_to_write<R, P>(y, stride);
  for (std::int64_t k = 0; k < K; ++k) {
    fetch<R>(w + 64 * k, 64);
    fetch_near<P>(w + 64 * k, apart);
    Each<Floats, P> v;
    for (int p = 0; p < P; ++p) v[p] = load<Floats>(w + 64 * k + register_at(p, apart));
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

// What is added to each value before it is multiplied by the scale, so that the sum of the products
// can begin with that times the sum of x.
constexpr std::int32_t start_of_sum(PanelType type) {
  if (cpu::is_signed(type)) return kSignedStart;
  if (type == PanelType::q4_0) return -8;
  return type == PanelType::q6_k ? -32 : 0;
}

// The largest byte of quads that are not signed.
constexpr int largest_byte(PanelType type) {
  return type == PanelType::q6_k ? 63 : type == PanelType::q5_k ? 31 : 15;
}

template <int R, int P>
using Tile = Each<Each<Ints, P>, R>;

// Adds the sums of quads first … last - 1 of block b for R rows of x, whose blocks lie `blocks`
// apart.
template <int R, typename Weights, int P>
R1_INLINE void add_quads(Tile<R, P>& sum, const Weights& w, std::int64_t b, const XBlock* x,
                         std::int64_t blocks, int first, int last) {
  // Few rows would wait for one sum after the other, so that odd quads have sums of their own:
  // whole numbers come out the same.
  constexpr int kChains = R * P <= 2 ? 2 : 1;
  Tile<R, P> other;
#pragma GCC unroll 8
  for (std::int64_t j = first; j < last; ++j) {
    Each<Ints, P> v;
    for (int p = 0; p < P; ++p) v[p] = w.quad(b, j, p);
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
      const auto four = four_for<P>(x[r * blocks].q + 4 * j);
#pragma GCC unroll 2
      for (int p = 0; p < P; ++p) {
        Ints& to = j % kChains == 0 ? sum[r][p] : other[r][p];
        to = cpu::is_signed(w.kType) ? dot_signed(to, v[p], four) : dot_small(to, v[p], four);
        keep_order(to);
      }
    }
  }
  if (kChains > 1)
    for (int r = 0; r < R; ++r)
      for (int p = 0; p < P; ++p) sum[r][p] += other[r][p];
}

// The same by way of narrow sums of kQuads quads.
template <int kQuads, int R, typename Weights, int P>
R1_INLINE void add_narrow_quads(Tile<R, P>& sum, const Weights& w, std::int64_t b, const XBlock* x,
                                std::int64_t blocks, int first, int last) {
#pragma GCC unroll 8
  for (std::int64_t from = first; from < last; from += kQuads) {
    Each<Each<Pairs, P>, R> narrow;
#pragma GCC unroll 8
    for (std::int64_t j = from; j < from + kQuads; ++j) {
      Each<Ints, P> v;
      for (int p = 0; p < P; ++p) v[p] = w.quad(b, j, p);
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

// The sums of block b, or of its half h, for R rows of x.
template <int R, typename Weights, int P>
R1_INLINE void sum_block(Tile<R, P>& sum, const Weights& w, std::int64_t b, int h, const XBlock* x,
                         std::int64_t blocks) {
  constexpr PanelType type = Weights::kType;
  constexpr int kQuads = 8 / cpu::scales_of_block(type), kNarrow = kNarrowSum / largest_byte(type);
  for (int r = 0; r < R; ++r)
    for (int p = 0; p < P; ++p) sum[r][p] = all(x[r * blocks].start[h]);
  if constexpr (cpu::is_signed(type) || kNarrow < 2)
    add_quads<R>(sum, w, b, x, blocks, h * kQuads, (h + 1) * kQuads);
  else
    add_narrow_quads<(kNarrow < kQuads ? kNarrow : kQuads), R>(sum, w, b, x, blocks, h * kQuads,
                                                               (h + 1) * kQuads);
}

// Takes from the products of 256 k the minima times the sums of x, which stand in pairs of blocks.
template <int R, typename Weights, int P>
R1_INLINE void take_minima(Each<Each<Floats, P>, R>& product, const Weights& w, const XBlock* x,
                           std::int64_t blocks) {
  Tile<R, P> sum;
  for (std::int64_t b = 0; b < cpu::kSuperBlocks; b += 2)
    for (int p = 0; p < P; ++p) {
      const Ints minima = w.minima(b, p);
      for (int r = 0; r < R; ++r)
        sum[r][p] = dot_pairs(sum[r][p], minima, four_bytes(x[r * blocks + b].sums));
    }
  for (int p = 0; p < P; ++p) {
    const Floats step = w.minus_minimum(p);
    for (int r = 0; r < R; ++r)
      product[r][p] = multiply_add(to_floats(sum[r][p]), step, product[r][p]);
  }
}

// R rows of x with P registers of weights, whose sums meet the scale of x when they are those of
// all blocks that have it.
template <int R, int P, typename Weights>
void product_blocks(float* y, std::int64_t stride, Weights w, const XBlock* x, std::int64_t K,
                    std::int64_t n) {
  constexpr PanelType type = Weights::kType;
  constexpr std::int64_t kTogether = cpu::blocks_of_step(type);
  constexpr bool always_all = cpu::shared_size(type) > 0;
  constexpr int kHalves = cpu::scales_of_block(type);
  const std::int64_t blocks = K / cpu::kBlock;
  Each<Each<Floats, P>, R> total;
  ask_to_write<R, P>(y, stride);
  for (std::int64_t first = 0; first < blocks; first += kTogether, x += kTogether) {
    const std::int64_t left = blocks - first;
    const std::int64_t count = always_all || left > kTogether ? kTogether : left;
    w.template enter<R>(first);
    Each<Each<Floats, P>, R> product;
    for (std::int64_t b = 0; b < count; ++b) {
      w.template enter_block<R>(b);
#pragma GCC unroll 2
      for (int h = 0; h < kHalves; ++h) {
        Tile<R, P> sum;
        sum_block<R>(sum, w, b, h, x + b, blocks);
        for (int p = 0; p < P; ++p) {
          const Floats s = w.scale(b, h, p);
          for (int r = 0; r < R; ++r)
            product[r][p] = multiply_add(bits<Floats>(sum[r][p]) - all(x[r * blocks + b].away), s,
                                         product[r][p]);
        }
      }
    }
    if constexpr (cpu::has_minima(type)) take_minima<R>(product, w, x, blocks);
    for (int r = 0; r < R; ++r)
      for (int p = 0; p < P; ++p)
        total[r][p] = multiply_add(product[r][p], all(x[r * blocks].scale), total[r][p]);
  }
  write_parts(y, stride, total, n);
}

// Calls product.operator()<R>(first) for lots of R rows.
template <int kMost, typename Product>
R1_INLINE void by_rows(cpu::Range rows, const Product& product) {
  std::int64_t t = rows.begin;
  const auto left = [&] { return rows.end - t; };
  for (; left() >= kMost; t += kMost) product.template operator()<kMost>(t);
  if (kMost > 4 && left() >= 4) product.template operator()<4>(t), t += 4;
  if (left() >= 2) product.template operator()<2>(t), t += 2;
  if (left() >= 1) product.template operator()<1>(t);
}

template <PanelType type>
void product_packed(float* y, std::int64_t stride, Bytes w, const Rows& x, cpu::Range rows,
                    std::int64_t K, std::int64_t n) {
  by_rows<most_rows(type)>(rows, [&]<int R>(std::int64_t first) {
    constexpr int kParts = parts_at_once(type, R);
    for (std::int64_t part = 0; part < cpu::kPanelRows; part += kParts * kLanes) {
      float* to = y + first * stride + part;
      if constexpr (type == PanelType::f32) {
        product_f32<R, kParts>(to, stride, w + 4 * part, 0, x.f32 + first * K, K, n - part);
      } else if constexpr (type == PanelType::bf16) {
        const std::int64_t pairs = (K + 1) / 2;
        const PairElement* from = pairs_of(x) + first * pairs * 2;
        product_bf16<R, kParts>(to, stride, w + 4 * part, from, pairs, n - part);
      } else {
        const XBlock* from = x.blocks + first * (K / cpu::kBlock);
        product_blocks<R, kParts>(to, stride, Packed<type, kParts>(w, part), from, K, n - part);
      }
    }
  });
}

// P registers at once, from row `part` of the panels on.
template <PanelType type, int P>
void product_spread(float* y, std::int64_t stride, Bytes w, const Rows& x, cpu::Range rows,
                    std::int64_t K, std::int64_t part, std::int64_t n) {
  const std::int64_t apart = cpu::spread_size(type, K);
  by_rows<most_rows(type)>(rows, [&]<int R>(std::int64_t first) {
    float* to = y + first * stride;
    if constexpr (type == PanelType::f32 || type == PanelType::bf16) {
      const std::int64_t k = type == PanelType::f32 ? K : (K + 1) / 2 * 2;
      product_f32<R, P>(to, stride, w + 4 * part, apart, x.f32 + first * k, k, n);
    } else {
      const XBlock* from = x.blocks + first * (K / cpu::kBlock);
      product_blocks<R, P>(to, stride, Spread<type, P>(w, part, apart), from, K, n);
    }
  });
}

template <PanelType type>
void spread_blocks(unsigned char* to, Bytes panel, std::int64_t K) {
  constexpr std::int64_t kLines = cpu::spread_block(type);
  const std::int64_t blocks = K / cpu::kBlock;
  for (std::int64_t part = 0; part < cpu::kPanelRows; part += kLanes) {
    Packed<type, 1> from(panel, part);
    for (std::int64_t first = 0; first < blocks; first += cpu::kSuperBlocks) {
      from.template enter<2>(first);
      unsigned char* lines = to + cpu::spread_offset(type, first) + 4 * part;
      const auto put = [&](std::int64_t line, auto v) {
        store(lines + std::int64_t{cpu::kLine} * line, bits<Floats>(v));
      };
      for (std::int64_t b = 0; b < cpu::kSuperBlocks && first + b < blocks; ++b) {
        from.template enter_block<2>(b);
#pragma GCC unroll 8
        for (int j = 0; j < 8; ++j) put(kLines * b + j, from.quad(b, j, 0));
        for (int h = 0; h < cpu::scales_of_block(type); ++h)
          put(kLines * b + 8 + h, from.scale(b, h, 0));
      }
      if constexpr (cpu::has_minima(type)) {
        const std::int64_t behind = kLines * cpu::kSuperBlocks;
        for (std::int64_t b = 0; b < cpu::kSuperBlocks; b += 2)
          put(behind + b / 2, from.minima(b, 0));
        put(behind + cpu::kSuperBlocks / 2, from.minus_minimum(0));
      }
    }
  }
}

void spread_bf16(unsigned char* to, Bytes panel, std::int64_t K) {
  for (std::int64_t k = 0; k < (K + 1) / 2; ++k)
    for (std::int64_t at = 0; at < std::int64_t{cpu::kLine}; at += kRegister) {
      const Ints pairs = load<Ints>(panel + 64 * k + at);
      for (int i = 0; i < 2; ++i)
        store(to + 64 * (2 * k + i) + at, bits<Floats>(i == 0 ? pairs << 16 : pairs >> 16 << 16));
    }
}

template <PanelType type>
struct Of {
  static constexpr PanelType kType = type;
};
template <typename Act>
void by_type(PanelType type, const Act& act) {
  switch (type) {
    case PanelType::f32:
      return act(Of<PanelType::f32>());
    case PanelType::bf16:
      return act(Of<PanelType::bf16>());
    case PanelType::q8_0:
      return act(Of<PanelType::q8_0>());
    case PanelType::q4_0:
      return act(Of<PanelType::q4_0>());
    case PanelType::q4_k:
      return act(Of<PanelType::q4_k>());
    case PanelType::q5_k:
      return act(Of<PanelType::q5_k>());
    case PanelType::q6_k:
      return act(Of<PanelType::q6_k>());
    case PanelType::iq4_nl:
      return act(Of<PanelType::iq4_nl>());
    case PanelType::iq4_xs:
      return act(Of<PanelType::iq4_xs>());
  }
}

}  // namespace

void product(PanelType type, float* y, std::int64_t stride, const void* panels, const Rows& x,
             cpu::Range rows, std::int64_t K, std::int64_t n) {
  by_type(type, [&](auto of) {
    auto w = static_cast<Bytes>(panels);
    for (std::int64_t at = 0; at < n; at += cpu::kPanelRows, w += cpu::panel_size(of.kType, K))
      product_packed<of.kType>(y + at, stride, w, x, rows, K, n - at);
  });
}

void product_spread(PanelType type, float* y, std::int64_t stride, const void* panels,
                    const Rows& x, cpu::Range rows, std::int64_t K, std::int64_t n) {
  by_type(type, [&](auto of) {
    const std::int64_t apart = cpu::spread_size(of.kType, K);
    for (std::int64_t at = 0; at < n;) {
      const Bytes w = static_cast<Bytes>(panels) + at / cpu::kPanelRows * apart;
      const std::int64_t part = at % cpu::kPanelRows;
      if (n - at > kLanes)
        product_spread<of.kType, 2>(y + at, stride, w, x, rows, K, part, n - at), at += 2 * kLanes;
      else
        product_spread<of.kType, 1>(y + at, stride, w, x, rows, K, part, n - at), at += kLanes;
    }
  });
}

void spread(PanelType type, void* to, const void* panel, std::int64_t K) {
  const auto bytes = static_cast<unsigned char*>(to);
  by_type(type, [&](auto of) {
    if constexpr (of.kType == PanelType::bf16)
      spread_bf16(bytes, static_cast<Bytes>(panel), K);
    else if constexpr (of.kType != PanelType::f32)
      spread_blocks<of.kType>(bytes, static_cast<Bytes>(panel), K);
  });
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
