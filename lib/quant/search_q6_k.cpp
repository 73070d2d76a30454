// Q6_K: 256 weights, d s q with a signed 8-bit s for each 16, in four fours of sub-blocks.
#include "lib/quant/block_search.h"
#include "lib/quant/scale_search.h"
#include "lib/quant/unit.h"

namespace r1::quant {
namespace {

constexpr std::size_t kFours = 4;
using Steps = std::array<Lanes, kFours>;

struct SuperBlock {
  std::array<Symmetric<16>, kFours> of;
  Unit unit;
};

SuperBlock load(const float* x, const float* importance) {
  SuperBlock block;
  float scaled_x[256], w[256];
  block.unit = scaled(scaled_x, x, 256);
  relative(w, importance, 256);
  for (std::size_t f = 0; f < kFours; ++f)
    block.of[f] = {to_lanes<16>(scaled_x + 64 * f, 16), to_lanes<16>(w + 64 * f, 16), -32, 31};
  return block;
}

struct Stored {
  std::uint16_t d = 0;
  Steps scale{};  // whole numbers
  float error = kUntried;
};

// For a given d, the 8-bit scales with the least error, `reach` around those that are nearest to
// the steps when counted in `unit`.
Stored choose(const SuperBlock& block, const Steps& wanted, std::uint16_t d, float unit,
              int reach) {
  Stored stored{.d = d, .error = 0};
  const float stored_d = block.unit.of_half(d);
  for (std::size_t f = 0; f < kFours; ++f) {
    const Lanes nearest = unit > 0 ? whole(clamp(wanted[f] / unit, all(-128), all(127))) : Lanes{};
    Fit best{Lanes{}, all(kUntried)};
    for (int i = -reach; i <= reach; ++i) {
      const Lanes scale = clamp(nearest + static_cast<float>(i), all(-128), all(127));
      best = better(best, {scale, with_step(block.of[f], stored_d * scale).error});
    }
    stored.scale[f] = best.step;
    stored.error += sum(best.error);
  }
  return stored;
}

// The d of least squares for the levels and scales of `s`.
std::uint16_t refit(const SuperBlock& block, const Stored& s) {
  const float unit = block.unit.of_half(s.d);
  double aa = 0, ax = 0;
  for (std::size_t f = 0; f < kFours; ++f) {
    const Symmetric<16>& four = block.of[f];
    const Lanes inverse = inverse_or_zero(unit * s.scale[f]);
    Lanes wqq{}, wxq{};
    for (std::size_t i = 0; i < 16; ++i) {
      const Lanes q = whole(clamp(four.x[i] * inverse, all(four.least), all(four.most)));
      const Lanes one = four.importance[i] * q;
      wqq += one * q;
      wxq += one * four.x[i];
    }
    aa += sum(s.scale[f] * s.scale[f] * wqq);
    ax += sum(s.scale[f] * wxq);
  }
  return block.unit.half(aa > 0 ? static_cast<float>(ax / aa) : 0.0f);
}

// What the largest step comes to when it gets 127.
float unit_of(const Steps& steps) {
  float most = 0;
  for (const Lanes& s : steps) most = std::max(most, largest(magnitude(s)));
  return most / 127.0f;
}

// From steps wanted to scales stored: scales and d in turn, each the best for the other.
Stored settle(const SuperBlock& block, const Steps& wanted) {
  constexpr int kRounds = 2;
  std::uint16_t d = block.unit.half_above(unit_of(wanted));
  Stored best = choose(block, wanted, d, block.unit.of_half(d), 3);
  for (int round = 0; round < kRounds; ++round) {
    d = refit(block, best);
    const Stored next = choose(block, wanted, d, block.unit.of_half(d), 1);
    if (!(next.error < best.error)) break;
    best = next;
  }
  return best;
}

Stored search(const SuperBlock& block) {
  Steps plain, wanted;
  for (std::size_t f = 0; f < kFours; ++f) {
    plain[f] = reach(block.of[f]) / 31.0f;
    wanted[f] = search_step(block.of[f]).step;
  }
  const float unit = unit_of(plain);  // what rounding to nearest takes
  const Stored first = choose(block, plain, block.unit.half(unit), unit, 0);
  const Stored second = settle(block, wanted);
  return second.error <= first.error ? second : first;
}

}  // namespace

BlockGrid search_q6_k(const float* x, const float* importance) {
  const Stored best = search(load(x, importance));
  BlockGrid grid{.d = f16_to_f32(best.d)};
  for (std::size_t j = 0; j < 16; ++j)
    grid.scale[j] = static_cast<std::int8_t>(best.scale[j / kLanes][j % kLanes]);
  return grid;
}

}  // namespace r1::quant
