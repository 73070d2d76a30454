// Rows of x as products take them: in 8 bits by blocks of 32, or in bf16.
#include "kernels/cpu/isa/products.h"
#include "kernels/cpu/isa/quads.h"

namespace r1::R1_ISA {
namespace {

using cpu::PanelType;
using cpu::XBlock;

// What is added to each value before it is multiplied by the scale, so that the sum of the products
// can begin with that times the sum of x.
constexpr std::int32_t start_of_sum(PanelType type) {
  if (cpu::is_signed(type)) return kSignedStart;
  if (type == PanelType::q4_0) return -8;
  return type == PanelType::q6_k ? -32 : 0;
}

// How often x may be doubled and not exceed `most`, both given as bits: 20 times at most, where x
// is next to nothing, so that the inverse of no step is infinite (has_step).
R1_INLINE std::int32_t doublings(std::int32_t x, std::int32_t most) {
  const std::int32_t apart = (most - x) >> 23;
  return apart < 20 ? apart : 20;
}

constexpr int kLot = static_cast<int>(cpu::kSuperBlocks);

// q = round(x inverse) in a lot of blocks, and the sums of each of their `parts`.
template <int parts>
R1_INLINE void round_lot(XBlock* to, std::int32_t* sums, const float* x, const float* inverse) {
  Ints total[std::size_t{kLot * parts}];
  for (int b = 0; b < kLot; ++b)
    for (std::int64_t part = 0; part < parts; ++part) {
      Ints& sum = total[b * parts + part];
      sum = Ints{};
      for (std::int64_t i = part * cpu::kBlock / parts; i < (part + 1) * cpu::kBlock / parts;
           i += kLanes) {
        const Ints v = nearest_whole(load<Floats>(x + b * cpu::kBlock + i) * inverse[b]);
        store_bytes(to[b].q + i, v);
        sum += v;
      }
    }
  fold_each<kLot * parts>(sums, total, Sum{});
}

// A lot of blocks that share a step or, with own_steps, have one each. Sums are those of a block's
// `parts`: of all, or of each half.
template <int parts, bool own_steps>
R1_INLINE void quantize_lot(XBlock* to, const float* x, std::int32_t start) {
  // Magnitudes are bits. What is folded comes in whole registers.
  std::int32_t own[16], sums[16], bound[std::size_t{kLot}], most = 0;
  float inverse[std::size_t{kLot}];
  Ints by_lane[std::size_t{kLot}];
  for (int b = 0; b < kLot; ++b) by_lane[b] = largest_magnitudes(x + b * cpu::kBlock, cpu::kBlock);
  fold_each<kLot>(own, by_lane, Larger{});
  for (int b = 0; b < kLot; ++b) most = own[b] > most ? own[b] : most;
  for (int b = 0; b < kLot; ++b) {
    bound[b] = own_steps ? own[b] : most;
    inverse[b] =
        127.0f / bits<float>(bound[b]) * bits<float>((127 + doublings(own[b], bound[b])) << 23);
  }
  round_lot<parts>(to, sums, x, inverse);
  for (int b = 0; b < kLot; ++b) {
    const float largest = bits<float>(bound[b]);
    if (!has_step(largest)) to[b] = {};
    to[b].scale = largest / 127.0f;
    if (!has_step(largest)) continue;
    const std::int32_t e = doublings(own[b], bound[b]);
    const std::int32_t first = sums[parts * b], last = sums[parts * b + parts - 1];
    const std::int32_t both = parts == 1 ? first : first + last;
    const std::int32_t away = kWholeBits - (e << 23);  // in steps of 2^-e
    to[b].start[0] = away + start * first;
    to[b].start[1] = away + start * last;
    to[b].away = bits<float>(away);
    to[b].sums[0] = static_cast<std::int16_t>((both * cpu::kSumSteps + (1 << e >> 1)) >> e);
  }
  for (int b = 0; b < kLot; ++b) to[b].sums[1] = b + 1 < kLot ? to[b + 1].sums[0] : std::int16_t{0};
}

template <int parts, bool own_steps>
R1_INLINE void quantize_row(XBlock* to, const float* x, std::int64_t blocks, std::int32_t start) {
  for (; blocks >= kLot; blocks -= kLot, to += kLot, x += kLot * cpu::kBlock)
    quantize_lot<parts, own_steps>(to, x, start);
  if (blocks == 0) return;
  float rest[std::size_t{kLot * cpu::kBlock}] = {};  // zeros change nothing for the others
  XBlock all[std::size_t{kLot}];
  __builtin_memcpy(rest, x, sizeof(float) * static_cast<std::size_t>(blocks * cpu::kBlock));
  quantize_lot<parts, own_steps>(all, rest, start);
  __builtin_memcpy(to, all, sizeof(XBlock) * static_cast<std::size_t>(blocks));
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

R1_INLINE void store_halves(std::uint16_t* y, HalfRegister v, std::int64_t n) {
  if (n == kLanes)
    __builtin_memcpy(y, &v, sizeof v);
  else
    for (std::int64_t i = 0; i < n; ++i) y[i] = v[i];
}

#if defined(__AVX512FP16__)

// Powers of two for rows whose largest |x| have these bits, so that they are just below 2^below:
// what comes within 2^-14 of 1 keeps all bits of a half, and the rest is off by 2^-25 at most.
// Where a number is not finite, no sum of the row is.
struct PowerOfTwo {
  Floats scale, inverse;
};
R1_INLINE PowerOfTwo power_below(Ints largest, int below) {
  constexpr std::int32_t kLeast = -100, kMost = 120;  // rows of next to nothing, and of too much
  const Ints own = (largest >> 23) - 126, some = larger(own, all(kLeast)),
             e = (some < kMost ? some : all(kMost)) - below;
  return {bits<Floats>((127 + e) << 23), bits<Floats>((127 - e) << 23)};
}

template <typename T>
void scale_row(cpu::Pair* to, const T* x, std::int64_t K, int below) {
  const PowerOfTwo power = power_below(all(bits<std::int32_t>(largest_magnitude(x, K))), below);
  __builtin_memcpy(to, &power.scale, sizeof *to);
  auto* halves = reinterpret_cast<std::uint16_t*>(to + 1);
  if (K % 2 != 0) halves[K] = 0;
  by_register(K, [&](std::int64_t i, std::int64_t n) {
    store_halves(halves + i, to_halves(widen_n(x + i, n) * power.inverse), n);
  });
}

// P panels of 16 columns each, or one of n.
template <int P, typename T>
void scale_panels(cpu::Pair* to, const T* x, std::int64_t stride, std::int64_t K, std::int64_t n) {
  static_assert(kLanes == cpu::kPanelRows);
  const std::int64_t apart = cpu::pairs_in_f16(K) * kLanes;
  const auto row = [&](std::int64_t k, int p) {
    return P > 1 ? widen(x + k * stride + p * kLanes) : widen_n(x + k * stride, n);
  };
  Each<Ints, P> most;
  for (std::int64_t k = 0; k < K; ++k)
    for (int p = 0; p < P; ++p) most[p] = larger(most[p], magnitude(row(k, p)));
  Each<Floats, P> inverse;
  for (int p = 0; p < P; ++p) {
    const PowerOfTwo power = power_below(most[p], cpu::kFactorsBelow);
    inverse[p] = power.inverse;
    store(to + p * apart, power.scale);
  }
  for (std::int64_t k = 0; k < K; k += 2)
    for (int p = 0; p < P; ++p) {
      const HalfRegister first = to_halves(row(k, p) * inverse[p]);
      const HalfRegister second =
          k + 1 < K ? to_halves(row(k + 1, p) * inverse[p]) : HalfRegister{};
      const Words pairs =
          __builtin_convertvector(first, Words) | __builtin_convertvector(second, Words) << 16;
      store(to + p * apart + (1 + k / 2) * kLanes, bits<Floats>(pairs));
    }
}

template <typename T>
void scale_columns(cpu::Pair* panels, const T* x, std::int64_t stride, std::int64_t K,
                   std::int64_t n) {
  constexpr int kTogether = 4;                     // whole lines of bf16, two of them
  const std::int64_t size = cpu::pairs_in_f16(K);  // of a row
  std::int64_t c = 0;
  for (; n - c >= kTogether * kLanes; c += kTogether * kLanes)
    scale_panels<kTogether>(panels + c * size, x + c, stride, K, 0);
  for (; c < n; c += kLanes)
    scale_panels<1>(panels + c * size, x + c, stride, K, n - c < kLanes ? n - c : kLanes);
}

#endif

}  // namespace

// q = round(x / step), with a step of the largest |x| over 127 of the blocks that share one, halved
// where a block has room. 0 where there is no such step. Beside a number that is not finite the
// step is none either, and so no sum of the row.
void quantize(PanelType type, XBlock* to, const float* x, std::int64_t K) {
  const std::int64_t blocks = K / cpu::kBlock;
  const std::int32_t start = start_of_sum(type);
  if (cpu::blocks_of_step(type) == 1)
    quantize_row<1, true>(to, x, blocks, start);
  else if (cpu::scales_of_block(type) == 1)
    quantize_row<1, false>(to, x, blocks, start);
  else
    quantize_row<2, false>(to, x, blocks, start);
}

#if defined(__AVX512FP16__)
void scale_to_f16(cpu::Pair* to, const float* x, std::int64_t K, int below) {
  scale_row(to, x, K, below);
}
void scale_bf16_to_f16(cpu::Pair* to, const std::uint16_t* x, std::int64_t K, int below) {
  scale_row(to, reinterpret_cast<const Bf16*>(x), K, below);
}
void columns_to_f16(cpu::Pair* panels, const float* x, std::int64_t stride, std::int64_t K,
                    std::int64_t n) {
  scale_columns(panels, x, stride, K, n);
}
void columns_of_bf16_to_f16(cpu::Pair* panels, const std::uint16_t* x, std::int64_t stride,
                            std::int64_t K, std::int64_t n) {
  scale_columns(panels, reinterpret_cast<const Bf16*>(x), stride, K, n);
}
void to_f16(std::uint16_t* y, const float* x, std::int64_t n) {
  by_register(n, [&](std::int64_t i, std::int64_t m) {
    store_halves(y + i, to_halves(load_n(x + i, m)), m);
  });
}
#endif

void to_bf16(std::uint16_t* y, const float* x, std::int64_t n) {
  by_register(n, [&](std::int64_t i, std::int64_t m) {
    store_halves(y + i, rounded_to_bf16(load_n(x + i, m)), m);
  });
}
void round_to_bf16(float* y, const float* x, std::int64_t n) {
  by_register(n, [&](std::int64_t i, std::int64_t m) {
    store_n(y + i, bits<Floats>(nearest_bf16(bits<Words>(load_n(x + i, m))) & 0xffff0000u), m);
  });
}

}  // namespace r1::R1_ISA
