// Q6_K and IQ4_XS: 256 weights, d s q with a signed s of 8 bits for each 16, or of 6 for each 32:
// eights of sub-blocks side by side.
#include "lib/quant/block_search.h"
#include "lib/quant/scale_search.h"
#include "lib/quant/unit.h"

namespace r1::quant {
namespace {

template <DType dtype>
struct SuperBlock {
  static constexpr Levels kLevels = levels_of(dtype);
  static constexpr std::size_t kElements{kLevels.sub_block}, kEights = 256 / kElements / kLanes;
  using Steps = std::array<Lanes, kEights>;
  struct Stored {
    std::uint16_t d = 0;
    Steps scale{};  // whole numbers
    float error = kUntried;
  };

  std::array<Symmetric<kElements>, kEights> of;
  Unit unit;
};

template <DType dtype>
SuperBlock<dtype> load(const float* x, const float* importance) {
  using Block = SuperBlock<dtype>;
  constexpr std::size_t n = Block::kElements;
  Block block;
  float scaled_x[256], w[256];
  block.unit = scaled(scaled_x, x, 256);
  relative(w, importance, 256);
  for (std::size_t f = 0; f < Block::kEights; ++f)
    block.of[f] = {to_lanes<n>(scaled_x + kLanes * n * f, n), to_lanes<n>(w + kLanes * n * f, n),
                   Block::kLevels, importance == nullptr};
  return block;
}

// Scales as they can be stored.
template <typename Block>
Lanes bounded(Lanes scale) {
  return clamp(scale, all(Block::kLevels.scale_least), all(Block::kLevels.scale_most));
}

// For a given d, the scales with the least error, `reach` around those that are nearest to the
// steps when counted in `unit`.
template <typename Block>
typename Block::Stored choose(const Block& block, const typename Block::Steps& wanted,
                              std::uint16_t d, float unit, int reach) {
  typename Block::Stored stored{.d = d, .error = 0};
  const float stored_d = block.unit.of_half(d);
  for (std::size_t f = 0; f < Block::kEights; ++f) {
    const Lanes nearest = unit > 0 ? whole(bounded<Block>(wanted[f] / unit)) : Lanes{};
    Fit best{Lanes{}, all(kUntried)};
    for (int i = -reach; i <= reach; ++i) {
      const Lanes scale = bounded<Block>(nearest + static_cast<float>(i));
      best = better(best, {scale, with_step(block.of[f], stored_d * scale).error});
    }
    stored.scale[f] = best.step;
    stored.error += sum(best.error);
  }
  return stored;
}

// The d of least squares for the levels and scales of `s`.
template <typename Block>
std::uint16_t refit(const Block& block, const typename Block::Stored& s) {
  const float unit = block.unit.of_half(s.d);
  double aa = 0, ax = 0;
  for (std::size_t f = 0; f < Block::kEights; ++f) {
    const Lanes inverse = inverse_or_zero(unit * s.scale[f]);
    Lanes wqq{}, wxq{};
    for (std::size_t i = 0; i < Block::kElements; ++i) {
      const Lanes x = block.of[f].x[i], q = nearest_levels(x * inverse, Block::kLevels);
      const Lanes one = block.of[f].importance[i] * q;
      wqq += one * q;
      wxq += one * x;
    }
    aa += sum(s.scale[f] * s.scale[f] * wqq);
    ax += sum(s.scale[f] * wxq);
  }
  return block.unit.half(aa > 0 ? static_cast<float>(ax / aa) : 0.0f);
}

// What the largest step comes to when it gets this scale.
template <typename Block>
float unit_of(const typename Block::Steps& steps, int scale) {
  float most = 0;
  for (const Lanes& s : steps) most = std::max(most, largest(magnitude(s)));
  return most / static_cast<float>(scale);
}

// From steps wanted to scales stored: scales and d in turn, each the best for the other. Six bits
// are few enough for the others to gain where the largest step gets another scale than the largest.
template <typename Block>
typename Block::Stored settle(const Block& block, const typename Block::Steps& wanted) {
  constexpr int kRounds = 2;
  constexpr int kMost = Block::kLevels.scale_most, kTops = kMost < 64 ? 8 : 1;
  typename Block::Stored best;
  std::uint16_t d = 0;
  for (int top = kMost; top > kMost - kTops; --top) {
    d = block.unit.half_above(unit_of<Block>(wanted, top));
    const typename Block::Stored next =
        choose(block, wanted, d, block.unit.of_half(d), top == kMost ? 3 : 1);
    if (next.error < best.error) best = next;
  }
  for (int round = 0; round < kRounds; ++round) {
    d = refit(block, best);
    const typename Block::Stored next = choose(block, wanted, d, block.unit.of_half(d), 1);
    if (!(next.error < best.error)) break;
    best = next;
  }
  return best;
}

template <DType dtype>
BlockGrid search(const float* x, const float* importance) {
  using Block = SuperBlock<dtype>;
  const Block block = load<dtype>(x, importance);
  typename Block::Steps plain, wanted;
  for (std::size_t f = 0; f < Block::kEights; ++f) {
    plain[f] = plain_step(block.of[f]);
    wanted[f] = search_step(block.of[f]).step;
  }
  const float unit =
      unit_of<Block>(plain, Block::kLevels.scale_most);  // what rounding to nearest takes
  const typename Block::Stored first = choose(block, plain, block.unit.half(unit), unit, 0);
  const typename Block::Stored second = settle(block, wanted);
  const typename Block::Stored& best = second.error <= first.error ? second : first;
  BlockGrid grid{.d = f16_to_f32(best.d)};
  for (std::size_t j = 0; j < 256 / Block::kElements; ++j)
    grid.scale[j] = static_cast<std::int8_t>(best.scale[j / kLanes][j % kLanes]);
  return grid;
}

}  // namespace

R1_VECTORIZED BlockGrid search_q6_k(const float* x, const float* importance) {
  return search<DType::q6_k>(x, importance);
}
R1_VECTORIZED BlockGrid search_iq4_xs(const float* x, const float* importance) {
  return search<DType::iq4_xs>(x, importance);
}

}  // namespace r1::quant
