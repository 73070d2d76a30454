#include "lib/quant/scale_group.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <cstring>
#include <vector>

#include "lib/quant/lanes.h"
#include "lib/quant/unit.h"
#include "lib/tensor/quant_block.h"

namespace r1::quant {
namespace {

constexpr auto kElements = static_cast<std::size_t>(kScaleGroup);
constexpr int kGroup = static_cast<int>(kScaleGroup);

// What is lost: sum of importance (x - decoded)^2.
double error_of(const float* x, const float* importance, float scale) {
  const Lanes inverse = all(1.0f / scale);
  const Lanes least = all(-8.0f), most = all(7.0f);
  Lanes squares{};  // of steps
  for (std::size_t i = 0; i < kElements; i += kLanes) {
    Lanes steps, weight;
    std::memcpy(&steps, x + i, sizeof steps);
    std::memcpy(&weight, importance + i, sizeof weight);
    steps *= inverse;
    const Lanes e = steps - whole(clamp(steps, least, most));
    squares += weight * e * e;
  }
  return double{sum(squares)} * scale * scale;
}

// As it is stored. One where that would be too small to divide by.
float stored_scale(float scale, DType dtype) {
  const float stored =
      dtype == DType::bf16 ? bf16_to_f32(f32_to_bf16(scale)) : f16_to_f32(f32_to_f16(scale));
  return stored >= 0x1p-120f ? stored : 1.0f;
}

// Levels -8 … 7 reach 7.5 steps to either side; finer steps cut off the few largest.
float widest_scale(const float* x) {
  float most = 0;
  for (std::size_t i = 0; i < kElements; ++i) most = std::max(most, std::abs(x[i]));
  return most / 7.5f;
}

// Where all count the same, half of the plain scale is fine enough. Columns of small inputs may be
// far larger than the others, more so when they make good what others lost: these want much finer
// steps then.
float best_scale(const float* x, const float* importance, DType dtype) {
  constexpr int kTries = 40, kFinerTries = 24;
  constexpr float kStep = 0.5f / kTries, kFactor = 0.9f;
  const float plain = widest_scale(x);
  float best = stored_scale(plain, dtype), share = 1.0f;
  double least = error_of(x, importance, best);
  for (int i = 0; i < kTries + kFinerTries; ++i) {
    share = i < kTries ? share - kStep : share * kFactor;
    const float scale = stored_scale(plain * share, dtype);
    const double error = error_of(x, importance, scale);
    if (error < least) {
      least = error;
      best = scale;
    }
  }
  return best;
}

}  // namespace

R1_VECTORIZED void search_groups(BlockGrid* grids, const BlockRun& run, DType scale) {
  for (int i = 0; i < run.count; ++i) {
    float importance[kGroup];
    relative(importance, run.importance + i * run.importance_stride, kGroup);
    grids[i] = {.d = best_scale(run.x + i * run.x_stride, importance, scale)};
  }
}

void write_group(std::byte* group, const BlockGrid& grid, const std::int8_t* levels, DType scale) {
  pack(group, {&grid.d, 1}, scale);
  for (std::size_t i = 0; i < kElements; i += 2)
    group[2 + i / 2] = static_cast<std::byte>((levels[i] + 8) | (levels[i + 1] + 8) << 4);
}

void pack_groups(std::byte* groups, std::span<const float> row, std::span<const float> importance,
                 DType scale, bool search) {
  assert(row.size() % kElements == 0 && (importance.empty() || importance.size() == row.size()));
  const std::vector<float> even(importance.empty() ? row.size() : 0, 1.0f);
  if (importance.empty()) importance = even;
  for (std::size_t at = 0; at < row.size(); at += kElements, groups += kScaleGroupBytes) {
    BlockGrid grid{.d = stored_scale(widest_scale(row.data() + at), scale)};
    if (search) search_groups(&grid, {row.data() + at, 0, importance.data() + at, 0, 1}, scale);
    std::int8_t levels[kElements];
    for (std::size_t i = 0; i < kElements; ++i)
      levels[i] =
          static_cast<std::int8_t>(nearest_level(row[at + i], grid.d, 0.0f, kScaleGroupLevels));
    write_group(groups, grid, levels, scale);
  }
}

}  // namespace r1::quant
