#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace r1 {

// What the numbers of a tensor are. The quantized types are blocks along the last dimension, laid
// out as in GGUF (lib/tensor/quant_block.h); only `linear`, `embedding` and attention over pages of
// q8_0 read them. The 8-bit floats (float8.h) are for `multiply`.
enum class DType : std::uint8_t {
  f32,
  f16,
  bf16,
  i32,
  i64,
  q8_0,
  q4_0,
  q4_k,
  q5_k,
  q6_k,
  iq4_nl,
  iq4_xs,
  f8_e4m3,
  f8_e5m2
};

constexpr bool is_integer(DType dtype) { return dtype == DType::i32 || dtype == DType::i64; }
constexpr bool is_float8(DType dtype) { return dtype == DType::f8_e4m3 || dtype == DType::f8_e5m2; }
std::string_view to_string(DType dtype);   // "q4_k"
std::int64_t block_elements(DType dtype);  // 1, 32 or 256
std::size_t block_bytes(DType dtype);      // 4, 2, 34, 18, 144 …
inline bool is_quantized(DType dtype) { return block_elements(dtype) > 1; }

// Conversions, round to nearest even. bf16 and f16 are stored as their 16 bits.
float f16_to_f32(std::uint16_t half);
std::uint16_t f32_to_f16(float value);
float bf16_to_f32(std::uint16_t bits);
std::uint16_t f32_to_bf16(float value);

}  // namespace r1
