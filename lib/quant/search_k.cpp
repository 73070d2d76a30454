// Q4_K and Q5_K: 256 weights, d sc q - m mn with six-bit sc and mn for each 32, side by side.
#include "lib/quant/affine_search.h"
#include "lib/quant/block_search.h"
#include "lib/quant/unit.h"

namespace r1::quant {
namespace {

constexpr float kMost = 63.0f;  // of six bits

struct SuperBlock {
  Affine of;  // its eight sub-blocks
  Unit unit;
};

SuperBlock load(const float* x, const float* importance, int most) {
  SuperBlock block;
  float scaled_x[256], w[256];
  block.unit = scaled(scaled_x, x, 256);
  relative(w, importance, 256);
  block.of.x = to_lanes<32>(scaled_x, 32);
  block.of.importance = to_lanes<32>(w, 32);
  block.of.most = static_cast<float>(most);
  measure(block.of);
  return block;
}

// What is stored of a super-block beside its levels, and the error with exactly that.
struct Stored {
  std::uint16_t d = 0, m = 0;
  Lanes scale{}, minimum{};
  float error = kUntried;
};

struct Pair {  // for scales and for minima
  float d, m;
};
Lanes nearest(Lanes v, float unit, int away) {
  const Lanes at = unit > 0 ? whole(clamp(v / unit, Lanes{}, all(kMost))) : Lanes{};
  return clamp(at + static_cast<float>(away), Lanes{}, all(kMost));
}

// For given d and m, the six-bit numbers with the least error, `reach` around those that are
// nearest to the grids wanted when counted in `units`.
Stored choose(const SuperBlock& block, const AffineFit& wanted, std::uint16_t d, std::uint16_t m,
              Pair units, int reach) {
  Stored stored{.d = d, .m = m};
  const float unit_d = block.unit.of_half(d), unit_m = block.unit.of_half(m);
  Lanes least = all(kUntried);
  for (int i = -reach; i <= reach; ++i)
    for (int j = -reach; j <= reach; ++j) {
      const Lanes scale = nearest(wanted.step, units.d, i);
      const Lanes minimum = nearest(wanted.low, units.m, j);
      const Lanes error = with_grid(block.of, unit_d * scale, unit_m * minimum).error;
      const LaneMask first = error < least;
      least = select(first, error, least);
      stored.scale = select(first, scale, stored.scale);
      stored.minimum = select(first, minimum, stored.minimum);
    }
  stored.error = sum(least);
  return stored;
}

// The d and m of least squares for the levels and six-bit numbers of `s`: x ~ d a - m b with
// a = sc q, b = mn.
void refit(std::uint16_t& d, std::uint16_t& m, const SuperBlock& block, const Stored& s) {
  const Affine& of = block.of;
  const float unit_d = block.unit.of_half(s.d), unit_m = block.unit.of_half(s.m);
  const Lanes inverse = inverse_or_zero(unit_d * s.scale), low = unit_m * s.minimum;
  Lanes wq{}, wqq{}, wxq{};
  for (std::size_t i = 0; i < 32; ++i) {
    const Lanes q = whole(clamp((of.x[i] + low) * inverse, Lanes{}, all(of.most)));
    const Lanes one = of.importance[i] * q;
    wq += one;
    wqq += one * q;
    wxq += one * of.x[i];
  }
  const double aa = sum(s.scale * s.scale * wqq), ab = sum(s.scale * s.minimum * wq),
               bb = sum(s.minimum * s.minimum * of.w), ax = sum(s.scale * wxq),
               bx = sum(s.minimum * of.mean * of.w);
  const double det = aa * bb - ab * ab;
  if (det > 1e-6 * aa * bb) {
    d = block.unit.half(static_cast<float>(std::max(0.0, (ax * bb - bx * ab) / det)));
    m = block.unit.half(static_cast<float>(std::max(0.0, (ax * ab - bx * aa) / det)));
  } else if (aa > 0) {
    d = block.unit.half(static_cast<float>(std::max(0.0, ax / aa)));
  }
}

// What the largest step and minimum come to when they get 63.
Pair units_of(const AffineFit& grids) {
  return {largest(grids.step) / kMost, largest(grids.low) / kMost};
}

// From grids wanted to grids stored: six-bit numbers and (d, m) in turn, each the best for the
// other, which changes little after two rounds.
Stored settle(const SuperBlock& block, const AffineFit& wanted) {
  constexpr int kRounds = 2;
  const Unit& unit = block.unit;
  const Pair units = units_of(wanted);
  std::uint16_t d = unit.half_above(units.d), m = unit.half_above(units.m);
  Stored best = choose(block, wanted, d, m, {unit.of_half(d), unit.of_half(m)}, 2);
  for (int round = 0; round < kRounds; ++round) {
    refit(d, m, block, best);
    const Stored next = choose(block, wanted, d, m, {unit.of_half(d), unit.of_half(m)}, 1);
    if (!(next.error < best.error)) break;
    best = next;
  }
  return best;
}

// What rounding to nearest takes.
Stored plain(const SuperBlock& block) {
  const AffineFit grids = plain_grid(block.of);
  const Pair units = units_of(grids);
  return choose(block, grids, block.unit.half(units.d), block.unit.half(units.m), units, 0);
}

Stored search(const SuperBlock& block) {
  const Stored first = plain(block);
  const Stored second = settle(block, search_grid(block.of));
  return second.error <= first.error ? second : first;
}

BlockGrid search(const float* x, const float* importance, int most) {
  const Stored best = search(load(x, importance, most));
  BlockGrid grid{.d = f16_to_f32(best.d), .m = f16_to_f32(best.m)};
  for (std::size_t j = 0; j < 8; ++j) {
    grid.scale[j] = static_cast<std::int8_t>(best.scale[j]);
    grid.minimum[j] = static_cast<std::int8_t>(best.minimum[j]);
  }
  return grid;
}

}  // namespace

R1_VECTORIZED BlockGrid search_q4_k(const float* x, const float* importance) {
  return search(x, importance, levels_of(DType::q4_k).most);
}
R1_VECTORIZED BlockGrid search_q5_k(const float* x, const float* importance) {
  return search(x, importance, levels_of(DType::q5_k).most);
}

}  // namespace r1::quant
