#include "lib/quant/folder_strip.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <span>

#include "lib/quant/scale_group.h"
#include "lib/tensor/float8.h"
#include "lib/tensor/quant_block.h"

namespace r1 {
namespace {

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

// Groups (scale_group.h), with levels and scales apart.
FolderStrip split_groups(std::span<const std::byte> groups) {
  FolderStrip strip;
  for (std::size_t g = 0; g < groups.size(); g += quant::kScaleGroupBytes) {
    const auto group = groups.subspan(g, quant::kScaleGroupBytes);
    strip.scales.insert(strip.scales.end(), group.begin(), group.begin() + 2);
    strip.levels.insert(strip.levels.end(), group.begin() + 2, group.end());
  }
  return strip;
}

// Scales of E4M3 are f32, and those of w4a16 stand for up to 7.5 steps.
float reach_of(const FolderWeight& w, FolderType type) {
  if (!w.quantized) return reach(w.stored[0].tensor.dtype);
  return type == FolderType::w4a16 && w.stored[1].tensor.dtype == DType::f16
             ? 7.5f * reach(DType::f16)
             : reach(DType::f32);
}

}  // namespace

std::int64_t strip_rows(const FolderWeight& weight, FolderType type) {
  return weight.quantized && type == FolderType::fp8_block ? kFolderBlock : 1;
}

DType w4a16_scale_type(DType source) { return source == DType::bf16 ? source : DType::f16; }

FolderStrip make_strip(const FolderWeight& w, FolderType type, std::int64_t first,
                       const FolderRounding& rounding) {
  const Tensor& from = w.source.tensor;
  const std::int64_t n = std::min(strip_rows(w, type), from.rows() - first);
  const auto K = static_cast<std::size_t>(from.cols());
  const std::size_t row_bytes = from.bytes() / static_cast<std::size_t>(from.rows());
  std::vector<float> rows(static_cast<std::size_t>(n) * K);
  unpack(rows, from.as<std::byte>() + static_cast<std::size_t>(first) * row_bytes, from.dtype);
  if (const Storable can = storable(rows, reach_of(w, type)); can != Storable::yes)
    return {.storable = can};
  if (w.quantized && type == FolderType::w4a16) {
    std::vector<std::byte> groups(K / std::size_t{kFolderBlock} * quant::kScaleGroupBytes);
    if (rounding.packed != nullptr)
      std::copy_n(rounding.packed + static_cast<std::size_t>(first) * groups.size(), groups.size(),
                  groups.begin());
    else
      quant::pack_groups(groups.data(), rows, rounding.importance, w.stored[1].tensor.dtype,
                         rounding.search);
    return split_groups(groups);
  }
  if (w.quantized)
    return float8_strip(rows, K, type == FolderType::fp8 ? K : std::size_t{kFolderBlock});
  FolderStrip strip;
  strip.levels.resize(rows.size() * block_bytes(w.stored[0].tensor.dtype));
  pack(strip.levels.data(), rows, w.stored[0].tensor.dtype);
  return strip;
}

}  // namespace r1
