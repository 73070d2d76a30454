#include "lib/tensor/dtype.h"

#include <bit>
#include <cassert>

namespace r1 {
namespace {

struct Facts {
  std::string_view name;
  std::int64_t elements;
  std::size_t bytes;
};

constexpr Facts facts(DType dtype) {
  switch (dtype) {
    case DType::f32:
      return {"f32", 1, 4};
    case DType::f16:
      return {"f16", 1, 2};
    case DType::bf16:
      return {"bf16", 1, 2};
    case DType::i32:
      return {"i32", 1, 4};
    case DType::i64:
      return {"i64", 1, 8};
    case DType::q8_0:
      return {"q8_0", 32, 34};
    case DType::q4_0:
      return {"q4_0", 32, 18};
    case DType::q4_k:
      return {"q4_k", 256, 144};
    case DType::q5_k:
      return {"q5_k", 256, 176};
    case DType::q6_k:
      return {"q6_k", 256, 210};
    case DType::iq4_nl:
      return {"iq4_nl", 32, 18};
    case DType::iq4_xs:
      return {"iq4_xs", 256, 136};
    case DType::f8_e4m3:
      return {"f8_e4m3", 1, 1};
    case DType::f8_e5m2:
      return {"f8_e5m2", 1, 1};
  }
  return {"?", 1, 0};
}

}  // namespace

std::string_view to_string(DType dtype) { return facts(dtype).name; }
std::int64_t block_elements(DType dtype) { return facts(dtype).elements; }
std::size_t block_bytes(DType dtype) { return facts(dtype).bytes; }

float bf16_to_f32(std::uint16_t bits) { return std::bit_cast<float>(std::uint32_t{bits} << 16); }

std::uint16_t f32_to_bf16(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  if ((bits & 0x7FFFFFFFu) > 0x7F800000u) return static_cast<std::uint16_t>((bits >> 16) | 0x40u);
  return static_cast<std::uint16_t>((bits + 0x7FFFu + ((bits >> 16) & 1u)) >> 16);
}

float f16_to_f32(std::uint16_t half) {
  const std::uint32_t sign = std::uint32_t{half & 0x8000u} << 16;
  const std::uint32_t exponent = (half >> 10) & 0x1Fu, fraction = half & 0x3FFu;
  if (exponent == 0x1F) return std::bit_cast<float>(sign | 0x7F800000u | (fraction << 13));
  if (exponent == 0) {  // zero or subnormal: fraction 2^-24, exact in f32
    const float magnitude = static_cast<float>(fraction) * 0x1p-24f;
    return std::bit_cast<float>(sign | std::bit_cast<std::uint32_t>(magnitude));
  }
  return std::bit_cast<float>(sign | ((exponent + 112) << 23) | (fraction << 13));
}

std::uint16_t f32_to_f16(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  const std::uint32_t sign = (bits >> 16) & 0x8000u, magnitude = bits & 0x7FFFFFFFu;
  if (magnitude > 0x7F800000u) return static_cast<std::uint16_t>(sign | 0x7E00u);
  if (magnitude >= 0x477FF000u) return static_cast<std::uint16_t>(sign | 0x7C00u);  // rounds to inf
  if (magnitude < 0x38800000u) {  // below 2^-14: let an f32 addition do the rounding
    const float shifted = std::bit_cast<float>(magnitude) + 0.5f;
    return static_cast<std::uint16_t>(sign | (std::bit_cast<std::uint32_t>(shifted) - 0x3F000000u));
  }
  const std::uint32_t rounded = magnitude + 0xFFFu + ((magnitude >> 13) & 1u);
  return static_cast<std::uint16_t>(sign | ((rounded - 0x38000000u) >> 13));
}

}  // namespace r1
