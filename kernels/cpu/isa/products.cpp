// y = x panels: 16 rows of a weight in each, one, two or four panels side by side, against up to 8
// rows of x (4 or 6 where registers are few), so that each 64 bytes of weights are read once for
// them. A row's sum runs along K in one order, whatever the other rows.
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
// Panels that were just spread are in a near cache already.
template <int R, int P, bool from_memory = true>
void product_f32(float* y, std::int64_t stride, Bytes w, std::int64_t apart, const float* x,
                 std::int64_t K, std::int64_t n) {
  Each<Each<Floats, P>, R> sum;  // not zeroed as one piece of memory
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) sum[r] = {};
  ask_to_write<R, P>(y, stride);
  for (std::int64_t k = 0; k < K; ++k) {
    if (from_memory) fetch<R, P>(w, 64 * k, 64, apart);
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
[[gnu::noinline]] void product_bf16(float* y, std::int64_t stride, Bytes w, std::int64_t apart,
                                    const PairElement* x, std::int64_t pairs, std::int64_t n) {
  Each<Each<Floats, P>, R> sum;
  for (std::int64_t k = 0; k < pairs; ++k) {
    fetch<R, P>(w, 64 * k, 64, apart);
#pragma GCC unroll 2
    for (int step = 0; step < kBf16Steps; ++step) {
      Each<Ints, P> v;
      for (int p = 0; p < P; ++p)
        v[p] = bf16_of_step(load<Ints>(w + 64 * k + register_at(p, apart)), step);
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

#if defined(__AVX512FP16__)

R1_INLINE Floats read(const float* y, std::int64_t n) {
  return n > 0 ? load_n(y, n < kLanes ? n : kLanes) : Floats{};
}

// Rows of f16 from `first` on; all of them are in one panel, where x is panels.
R1_INLINE cpu::Strided<cpu::Pair> from_row(const cpu::Strided<cpu::Pair>& x, std::int64_t first,
                                           std::int64_t pairs) {
  const std::int64_t in_panel = first % cpu::kPanelRows;
  return {x.at + (first - in_panel) * (1 + pairs) + in_panel * x.row, x.row, x.column};
}

// Two sums of halves for each row of a panel, of even k and of odd, which are added up in f32 when
// they have kHalfTerms. By then each is off by 0.001 of itself, where terms are random: with x
// rounded to bf16 it would be 0.0016. The first `begin` pairs of w meet none.
template <int R, int P, bool adds = false>
[[gnu::noinline]] void product_f16(float* y, std::int64_t stride, Bytes w, std::int64_t apart,
                                   const cpu::Strided<cpu::Pair>& x, std::int64_t pairs,
                                   std::int64_t n, std::int64_t begin = 0) {
  const Bytes pairs_of_w = w + 64 * (1 + begin);
  const auto element = [&](int r, std::int64_t k) { return x.at + r * x.row + k * x.column; };
  Each<Each<Each<Floats, 2>, P>, R> total;
  ask_to_write<R, P>(y, stride);
  for (std::int64_t first = 0; first < pairs; first += kHalfTerms) {
    const std::int64_t last = first + kHalfTerms < pairs ? first + kHalfTerms : pairs;
    Each<Each<Halves, P>, R> sum;
    for (std::int64_t k = first; k < last; ++k) {
      fetch<R, P>(pairs_of_w, 64 * k, 64, apart);
      Each<Halves, P> v;
      for (int p = 0; p < P; ++p) v[p] = load<Halves>(pairs_of_w + 64 * k + register_at(p, apart));
#pragma GCC unroll 8
      for (int r = 0; r < R; ++r) {
        const auto pair = load<std::int32_t>(element(r, 1 + k));
#pragma GCC unroll 4
        for (int p = 0; p < P; ++p) sum[r][p] = add_pairs(sum[r][p], v[p], pair);
      }
    }
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
      for (int p = 0; p < P; ++p) add_widened(total[r][p], sum[r][p]);
  }
  constexpr auto order = std::make_integer_sequence<int, kLanes>{};
  Each<Each<Floats, P>, R> scaled;
  for (int r = 0; r < R; ++r)
    for (int p = 0; p < P; ++p) {
      const Floats low = total[r][p][0], high = total[r][p][1];
      const Floats both = halves<2, false>(low, high, order) + halves<2, true>(low, high, order);
      const Floats scale = load<Floats>(w + register_at(p, apart));
      scaled[r][p] = both * (scale * load<float>(element(r, 0)));
      if (adds) scaled[r][p] += read(y + r * stride + kLanes * p, n - kLanes * p);
    }
  write_parts(y, stride, scaled, n);
}

#endif

// Rows of x, and registers of weights side by side, that go through a product together: their sums
// stay in registers, of which blocks need some besides. Neighbouring panels share what is read of x
// and are fetched side by side: one row is done with a panel sooner than memory has the next.
constexpr int most_rows(PanelType type) {
  if (kRegister == 64) return 8;
  return kRegister == 32 && (type == PanelType::f32 || type == PanelType::bf16) ? 6 : 4;
}
constexpr int registers_at_once(PanelType type, int rows) {
  const bool plain = type == PanelType::f32 || type == PanelType::bf16 || type == PanelType::f16;
  if (kRegister >= 32) return plain && rows == 1 ? 4 : 2;
  const bool has_room = kRegister == 16 && kRegisterCount == 32;
  return has_room || (plain && rows <= 2) ? kParts : 1;
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

// R rows of x with P registers of panels that are `apart`, from row `part` of the first on.
// Compiled once for all its callers.
template <PanelType type, int R, int P>
[[gnu::noinline]] void product_packed(float* y, std::int64_t stride, Bytes w, std::int64_t apart,
                                      const Rows& x, std::int64_t first, std::int64_t K,
                                      std::int64_t part, std::int64_t n) {
  float* to = y + first * stride;
  if constexpr (type == PanelType::f32) {
    product_f32<R, P>(to, stride, w + 4 * part, apart, x.f32 + first * K, K, n);
  } else if constexpr (type == PanelType::bf16) {
    const std::int64_t pairs = (K + 1) / 2;
    product_bf16<R, P>(to, stride, w + 4 * part, apart, pairs_of(x) + first * pairs * 2, pairs, n);
  } else if constexpr (type == PanelType::f16) {
#if defined(__AVX512FP16__)
    product_f16<R, P>(to, stride, w + 4 * part, apart, from_row(x.f16, first, (K + 1) / 2),
                      (K + 1) / 2, n);
#endif
  } else {
    const XBlock* from = x.blocks + first * (K / cpu::kBlock);
    product_blocks<R, P>(to, stride, Packed<type, P>(w, part, apart), from, K, n);
  }
}

// The same for n rows of weights, P registers at a time while there are panels for all of them.
template <PanelType type, int R, int P>
void product_side_by_side(float* y, std::int64_t stride, Bytes w, const Rows& x, std::int64_t first,
                          std::int64_t K, std::int64_t n) {
  constexpr std::int64_t kLot = P * kLanes,
                         kLess = kLot > cpu::kPanelRows ? kLot - cpu::kPanelRows : 0;
  const auto size = static_cast<std::int64_t>(cpu::panel_size(type, K));
  const auto panel = [&](std::int64_t at) { return w + at / cpu::kPanelRows * size; };
  std::int64_t at = 0;
  for (; n - at > kLess; at += kLot)
    product_packed<type, R, P>(y + at, stride, panel(at), size, x, first, K, at % cpu::kPanelRows,
                               n - at);
  if constexpr (kLot > 2 * cpu::kPanelRows)
    product_side_by_side<type, R, P / 2>(y + at, stride, panel(at), x, first, K, n - at);
  else if (kLot > cpu::kPanelRows && at < n)  // the last is taken twice, and written once
    product_packed<type, R, P>(y + at, stride, panel(at), 0, x, first, K, 0, n - at);
}

// Two registers at once, from row `part` of the panels on, for as many rows of x as go together; to
// the last, if they are fewer, come some before them.
template <PanelType type>
void product_spread(float* y, std::int64_t stride, Bytes w, std::int64_t apart, const Rows& x,
                    cpu::Range rows, std::int64_t K, std::int64_t part, std::int64_t n) {
  constexpr int R = most_rows(type), P = 2;
  for (std::int64_t t = rows.begin; t < rows.end; t += R) {
    const std::int64_t first = t + R <= rows.end ? t : rows.end - R;
    float* to = y + first * stride;
    if constexpr (type == PanelType::f32 || type == PanelType::bf16) {
      const std::int64_t k = type == PanelType::f32 ? K : (K + 1) / 2 * 2;
      product_f32<R, P, type == PanelType::f32>(to, stride, w + 4 * part, apart, x.f32 + first * k,
                                                k, n);
    } else if constexpr (type != PanelType::f16) {
      const XBlock* from = x.blocks + first * (K / cpu::kBlock);
      product_blocks<R, P>(to, stride, Spread<type, P>(w, part, apart), from, K, n);
    }
  }
}

}  // namespace

// All rows of x meet some panels before the next, which do not stay in a cache that long; a single
// row goes through them all.
void product(PanelType type, float* y, std::int64_t stride, const void* panels, const Rows& x,
             cpu::Range rows, std::int64_t K, std::int64_t n) {
  constexpr std::int64_t kSome = 2 * kLanes > cpu::kPanelRows ? 2 * kLanes : cpu::kPanelRows;
  const std::int64_t lot = rows.end - rows.begin == 1 ? n : kSome;
  by_type(type, [&](auto of) {
    const auto size = static_cast<std::int64_t>(cpu::panel_size(of.kType, K));
    for (std::int64_t at = 0; at < n; at += lot)
      by_rows<most_rows(of.kType)>(rows, [&]<int R>(std::int64_t first) {
        product_side_by_side<of.kType, R, registers_at_once(of.kType, R)>(
            y + at, stride, static_cast<Bytes>(panels) + at / cpu::kPanelRows * size, x, first, K,
            n - at < lot ? n - at : lot);
      });
  });
}

void product_spread(PanelType type, float* y, std::int64_t stride, const void* panels,
                    const Rows& x, cpu::Range rows, std::int64_t K, std::int64_t n) {
  by_type(type, [&](auto of) {
    const std::int64_t size = cpu::spread_size(of.kType, K);
    for (std::int64_t at = 0; at < n; at += 2 * kLanes) {
      const Bytes w = static_cast<Bytes>(panels) + at / cpu::kPanelRows * size;
      // What has no other beside it is taken twice, and written once.
      const std::int64_t apart = n - at > kLanes ? size : 0;
      product_spread<of.kType>(y + at, stride, w, apart, x, rows, K, at % cpu::kPanelRows, n - at);
    }
  });
}

#if defined(__AVX512FP16__)
// What has no other panel beside it is taken twice, and written once.
void add_product_of_halves(float* y, std::int64_t stride, const cpu::HalfPanels& panels,
                           const Rows& x, cpu::Range rows, std::int64_t pairs, std::int64_t n) {
  constexpr std::int64_t kSize = sizeof(cpu::Pair);
  for (std::int64_t at = 0; at < n; at += 2 * kLanes)
    by_rows<most_rows(PanelType::f16)>(rows, [&]<int R>(std::int64_t first) {
      product_f16<R, 2, true>(
          y + first * stride + at, stride,
          reinterpret_cast<Bytes>(panels.at + at / cpu::kPanelRows * panels.apart),
          n - at > kLanes ? kSize * panels.apart : 0, from_row(x.f16, first, pairs), pairs, n - at,
          panels.first);
    });
}
#endif

}  // namespace r1::R1_ISA
