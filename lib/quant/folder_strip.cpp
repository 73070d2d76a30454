#include "lib/quant/folder_strip.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <span>

#include "lib/quant/lanes.h"
#include "lib/tensor/float8.h"
#include "lib/tensor/quant_block.h"

namespace r1 {
namespace {

float largest_magnitude(std::span<const float> x) {
  float most = 0;
  for (const float v : x) most = std::max(most, std::abs(v));
  return most;
}

// rows [n, K]. Blocks of all n rows by `cols` columns, the last one narrower.
FolderStrip float8_strip(std::span<const float> rows, std::size_t K, std::size_t cols) {
  FolderStrip strip;
  strip.levels.resize(rows.size());
  const std::size_t blocks = (K + cols - 1) / cols;
  std::vector<float> scale(blocks, 0.0f);
  for (std::size_t at = 0; at < rows.size(); at += K)
    for (std::size_t k = 0; k < K; ++k)
      scale[k / cols] = std::max(scale[k / cols], std::abs(rows[at + k]));
  for (float& s : scale) s = float8_scale<E4M3>(s);
  for (std::size_t at = 0; at < rows.size(); at += K)
    for (std::size_t k = 0; k < K; ++k)
      strip.levels[at + k] = std::byte{f32_to_float8<E4M3>(rows[at + k] / scale[k / cols])};
  strip.scales.resize(blocks * sizeof(float));
  std::memcpy(strip.scales.data(), scale.data(), strip.scales.size());
  return strip;
}

// --- w4a16 ---------------------------------------------------------------------------------------

int level_of(float x, float inverse) {
  return std::clamp(static_cast<int>(std::lrint(x * inverse)), -8, 7);
}

// The sum of squares that is lost.
double error_of(std::span<const float> x, float scale) {
  const quant::Lanes inverse = quant::all(1.0f / scale);
  const quant::Lanes least = quant::all(-8.0f), most = quant::all(7.0f);
  quant::Lanes squares{};  // of steps
  for (std::size_t i = 0; i < x.size(); i += quant::kLanes) {
    quant::Lanes steps;
    std::memcpy(&steps, x.data() + i, sizeof steps);
    steps *= inverse;
    const quant::Lanes e = steps - quant::whole(quant::clamp(steps, least, most));
    squares += e * e;
  }
  return double{quant::sum(squares)} * scale * scale;
}

// As it is stored. One where that would be too small to divide by.
float stored_scale(float scale, DType dtype) {
  const float stored =
      dtype == DType::bf16 ? bf16_to_f32(f32_to_bf16(scale)) : f16_to_f32(f32_to_f16(scale));
  return stored >= 0x1p-120f ? stored : 1.0f;
}

// Levels -8 … 7 reach 7.5 steps to either side; finer steps cut off the few largest.
float scale_of(std::span<const float> x, DType dtype, bool search) {
  constexpr int kTries = 40;
  constexpr float kFinest = 0.5f;
  const float plain = largest_magnitude(x) / 7.5f;
  float best = stored_scale(plain, dtype);
  if (!search) return best;
  double least = error_of(x, best);
  for (int i = 1; i <= kTries; ++i) {
    const float share = 1.0f - (1.0f - kFinest) * static_cast<float>(i) / kTries;
    const float scale = stored_scale(plain * share, dtype);
    const double error = error_of(x, scale);
    if (error < least) {
      least = error;
      best = scale;
    }
  }
  return best;
}

FolderStrip packed_strip(std::span<const float> row, DType dtype, bool search) {
  constexpr auto kGroup = static_cast<std::size_t>(kFolderBlock);
  FolderStrip strip;
  strip.levels.resize(row.size() / 2);
  strip.scales.resize(row.size() / kGroup * 2);
  for (std::size_t g = 0; g < row.size() / kGroup; ++g) {
    const std::span<const float> x = row.subspan(g * kGroup, kGroup);
    const float scale = scale_of(x, dtype, search), inverse = 1.0f / scale;
    for (std::size_t i = 0; i < kGroup; i += 2) {
      const int low = level_of(x[i], inverse) + 8, high = level_of(x[i + 1], inverse) + 8;
      strip.levels[(g * kGroup + i) / 2] = static_cast<std::byte>(low | high << 4);
    }
    pack(strip.scales.data() + 2 * g, {&scale, 1}, dtype);
  }
  return strip;
}

}  // namespace

std::int64_t strip_rows(const FolderWeight& weight, FolderType type) {
  return weight.quantized && type == FolderType::fp8_block ? kFolderBlock : 1;
}

DType w4a16_scale_type(DType source) { return source == DType::bf16 ? source : DType::f16; }

FolderStrip make_strip(const FolderWeight& w, FolderType type, std::int64_t first, bool search) {
  const Tensor& from = w.source.tensor;
  const std::int64_t n = std::min(strip_rows(w, type), from.rows() - first);
  const auto K = static_cast<std::size_t>(from.cols());
  const std::size_t row_bytes = from.bytes() / static_cast<std::size_t>(from.rows());
  std::vector<float> rows(static_cast<std::size_t>(n) * K);
  unpack(rows, from.as<std::byte>() + static_cast<std::size_t>(first) * row_bytes, from.dtype);
  if (!std::all_of(rows.begin(), rows.end(), [](float v) { return std::isfinite(v); })) return {};
  if (w.quantized && type == FolderType::w4a16)
    return packed_strip(rows, w.stored[1].tensor.dtype, search);
  if (w.quantized)
    return float8_strip(rows, K, type == FolderType::fp8 ? K : std::size_t{kFolderBlock});
  FolderStrip strip;
  strip.levels.resize(rows.size() * block_bytes(w.stored[0].tensor.dtype));
  pack(strip.levels.data(), rows, w.stored[0].tensor.dtype);
  return strip;
}

}  // namespace r1
