#include "lib/io/grouped_integers.h"

#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "lib/base/error.h"
#include "lib/tensor/quant_block.h"

namespace r1 {
namespace {

constexpr std::int64_t kBlock = 32;  // of q4_0 and q8_0

float largest(DType dtype) {
  return dtype == DType::f16 ? 65504.0f : std::numeric_limits<float>::max();
}

// `levels` [n] around 0.
template <typename Block>
void write_blocks(std::byte* out, const std::vector<std::int8_t>& levels,
                  const std::vector<float>& scales, std::int64_t group_size) {
  for (std::size_t k = 0; k < levels.size(); k += kBlock, out += sizeof(Block)) {
    Block block{};
    block.d = f32_to_f16(scales[k / static_cast<std::size_t>(group_size)]);
    set_levels(block, levels.data() + k);
    std::memcpy(out, &block, sizeof block);
  }
}

}  // namespace

float NumberGrid::at(std::int64_t i, std::int64_t j) const {
  const std::int64_t at = i * row_stride + j * col_stride;
  if (numbers.dtype == DType::f32) return numbers.as<float>()[at];
  const std::uint16_t bits = numbers.as<std::uint16_t>()[at];
  return numbers.dtype == DType::f16 ? f16_to_f32(bits) : bf16_to_f32(bits);
}

bool GroupedIntegers::in_order() const {
  for (std::int64_t k = 0; group_of != nullptr && k < cols; ++k)
    if (group_of[k] != k / group_size) return false;
  return true;
}

int GroupedIntegers::zero(std::int64_t n, std::int64_t g) const {
  return zeros ? zeros->at(n, g) + zero_offset : 1 << (levels.bits - 1);
}

DType GroupedIntegers::plain_type() const {
  const DType plain = scales.numbers.dtype;
  const bool whole_blocks =
      cols % kBlock == 0 && (group_size % kBlock == 0 || group_size == cols) && in_order();
  if (!whole_blocks) return plain;
  for (std::int64_t n = 0; n < rows; ++n)
    for (std::int64_t g = 0; g < groups(); ++g) {
      if (zeros && zero(n, g) != 1 << (levels.bits - 1)) return plain;
      if (plain == DType::f16) continue;
      const float scale = scales.at(n, g);
      if (f16_to_f32(f32_to_f16(scale)) != scale) return plain;
    }
  return levels.bits == 4 ? DType::q4_0 : DType::q8_0;
}

void GroupedIntegers::unpack(void* plain, DType dtype) const {
  const auto K = static_cast<std::size_t>(cols), G = static_cast<std::size_t>(groups());
  const float limit = largest(dtype) / static_cast<float>(1 << levels.bits);
  auto* out = static_cast<std::byte*>(plain);
  const std::size_t row_bytes = Tensor{nullptr, {cols}, dtype}.bytes();
  std::vector<float> scale(G), values(K);
  std::vector<int> middle(G);
  std::vector<std::int8_t> signed_levels(K);
  std::vector<std::size_t> group(K);
  for (std::size_t k = 0; k < K; ++k)
    group[k] = group_of == nullptr ? k / static_cast<std::size_t>(group_size)
                                   : static_cast<std::size_t>(group_of[k]);
  for (std::int64_t n = 0; n < rows; ++n, out += row_bytes) {
    for (std::size_t g = 0; g < G; ++g) {
      scale[g] = scales.at(n, static_cast<std::int64_t>(g));
      middle[g] = zero(n, static_cast<std::int64_t>(g));
      if (!(std::abs(scale[g]) <= limit))
        fail(ErrorKind::model, "{} holds {} in row {}, which is no scale", name, scale[g], n);
    }
    for (std::size_t k = 0; k < K; ++k) {
      const int level = levels.at(n, static_cast<std::int64_t>(k)) - middle[group[k]];
      signed_levels[k] = static_cast<std::int8_t>(level);
      values[k] = scale[group[k]] * static_cast<float>(level);  // exact but for scales of f32
    }
    if (dtype == DType::q4_0)
      write_blocks<BlockQ4_0>(out, signed_levels, scale, group_size);
    else if (dtype == DType::q8_0)
      write_blocks<BlockQ8_0>(out, signed_levels, scale, group_size);
    else
      pack(out, values, dtype);
  }
}

}  // namespace r1
