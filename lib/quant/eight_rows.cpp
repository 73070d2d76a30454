#include "lib/quant/eight_rows.h"

#include <algorithm>
#include <cstring>

namespace r1::quant {
namespace {

using Group = std::array<Lanes, std::size_t{kGroup}>;  // columns: a row in each lane
using EightLevels [[gnu::vector_size(kLanes)]] = std::int8_t;

std::size_t size(std::int64_t n) { return static_cast<std::size_t>(n); }

Group load_levels(const EightRows& rows) {
  Group q;
  for (std::size_t c = 0; c < q.size(); c += kLanes) {
    for (std::size_t row = 0; row < kLanes; ++row) {
      EightLevels eight;
      std::memcpy(&eight, rows.levels + row * size(rows.stride) + c, sizeof eight);
      q[c + row] = __builtin_convertvector(eight, Lanes);
    }
    transpose(&q[c]);
  }
  return q;
}

void store_levels(const EightRows& rows, Group q) {
  for (std::size_t c = 0; c < q.size(); c += kLanes) {
    transpose(&q[c]);
    for (std::size_t row = 0; row < kLanes; ++row) {
      const auto eight = __builtin_convertvector(q[c + row], EightLevels);
      std::memcpy(rows.levels + row * size(rows.stride) + c, &eight, sizeof eight);
    }
  }
}

// The step of a block of one scale, best for its levels q as they are: e + s q costs least at
// s = -(q g) / (q H q), with g = e H, which is kept so. Returns s.
Lanes revise_step(Lanes& step, Group& g, const Group& q, MatrixView<const float> h) {
  Group qh{};
  Lanes qg{}, qhq{};
  for (int i = 0; i < kGroup; ++i)
    for (int k = 0; k < kGroup; ++k) qh[size(k)] += q[size(i)] * h.row(i)[k];
  for (std::size_t i = 0; i < q.size(); ++i) {
    qg += q[i] * g[i];
    qhq += q[i] * qh[i];
  }
  const Lanes best = step + qg / qhq;
  const LaneMask good = (qhq > 0.0f) & (magnitude(best) <= 65504.0f);
  const Lanes change = select(good, step - half_near(best, 0), Lanes{});
  step -= change;
  for (std::size_t k = 0; k < q.size(); ++k) g[k] += change * qh[k];
  return change;
}

}  // namespace

R1_VECTORIZED void round_group(const EightRows& rows, const Steps& steps, MatrixView<const float> m,
                               const Levels& shape) {
  Group x = to_lanes<kGroup>(rows.x, size(rows.x_stride));
  Group lost = to_lanes<kGroup>(rows.lost, size(rows.stride)), q;
  for (int c = 0, part = 0; c < kGroup; ++part) {
    const Lanes step = steps.step[part], low = steps.low[part], inverse = inverse_or_zero(step);
    for (const int end = std::min(c + steps.columns, int{kGroup}); c < end; ++c) {
      q[size(c)] = nearest_levels((x[size(c)] + low) * inverse, shape);
      lost[size(c)] -= step * q[size(c)] - low;
      for (int i = c + 1; i < kGroup; ++i) x[size(i)] += lost[size(c)] * m.row(c)[i];
    }
  }
  from_lanes(rows.lost, size(rows.stride), lost);
  store_levels(rows, q);
}

R1_VECTORIZED void revise_group(const EightRows& rows, Steps& steps, bool one_scale,
                                MatrixView<const float> h, const Levels& shape) {
  Group g = to_lanes<kGroup>(rows.x, size(rows.x_stride)), q = load_levels(rows);
  const Lanes s = one_scale ? revise_step(steps.step[0], g, q, h) : Lanes{};
  for (int c = 0, part = 0; c < kGroup; ++part) {
    const Lanes step = steps.step[part], low = steps.low[part], inverse = inverse_or_zero(step);
    for (const int end = std::min(c + steps.columns, int{kGroup}); c < end; ++c) {
      const Lanes old = q[size(c)], x = step * old - low + g[size(c)] / h.row(c)[c];
      q[size(c)] = nearest_levels((x + low) * inverse, shape);
      const Lanes change = step * (old - q[size(c)]);
      for (int i = c + 1; i < kGroup; ++i) g[size(i)] += change * h.row(c)[i];
      g[size(c)] = change + s * old;
    }
  }
  Group lost = to_lanes<kGroup>(rows.lost, size(rows.stride));
  for (std::size_t c = 0; c < g.size(); ++c) lost[c] += g[c];
  from_lanes(rows.lost, size(rows.stride), lost);
  from_lanes(rows.x, size(rows.x_stride), g);
  store_levels(rows, q);
}

}  // namespace r1::quant
