#pragma once

#include <cstddef>
#include <cstdint>

#include "lib/tensor/quant_block.h"
#include "lib/tensor/tensor.h"

namespace r1::cuda {

// How the blocks of a quantized weight lie in the device's memory. Q4_K and Q5_K stay as they are
// in the file: their fields begin at multiples of 16. Those of the other types do not, and 16-byte
// loads want that: `load_weight` splits them into planes, one for each field, of as many bytes.

struct Field {  // of a block in a file
  std::size_t offset = 0, bytes = 0;
};
struct BlockFields {
  Field q, h, s, d;  // quants, their high bits, packed scales, f16 scale (and minimum)
};

constexpr BlockFields block_fields(DType dtype) {
  switch (dtype) {
    case DType::q8_0:
      return {.q = {offsetof(BlockQ8_0, q), 32}, .d = {offsetof(BlockQ8_0, d), 2}};
    case DType::q4_0:
      return {.q = {offsetof(BlockQ4_0, q), 16}, .d = {offsetof(BlockQ4_0, d), 2}};
    case DType::q4_k:
      return {.q = {offsetof(BlockQ4_K, q), 128},
              .s = {offsetof(BlockQ4_K, s), 12},
              .d = {offsetof(BlockQ4_K, d), 4}};
    case DType::q5_k:
      return {.q = {offsetof(BlockQ5_K, q), 128},
              .h = {offsetof(BlockQ5_K, h), 32},
              .s = {offsetof(BlockQ5_K, s), 12},
              .d = {offsetof(BlockQ5_K, d), 4}};
    case DType::q6_k:
      return {.q = {offsetof(BlockQ6_K, l), 128},
              .h = {offsetof(BlockQ6_K, h), 64},
              .s = {offsetof(BlockQ6_K, s), 16},
              .d = {offsetof(BlockQ6_K, d), 2}};
    case DType::iq4_nl:
      return {.q = {offsetof(BlockIQ4_NL, q), 16}, .d = {offsetof(BlockIQ4_NL, d), 2}};
    case DType::iq4_xs:
      return {.q = {offsetof(BlockIQ4_XS, q), 128},
              .s = {offsetof(BlockIQ4_XS, s), 6},
              .d = {offsetof(BlockIQ4_XS, d), 2}};
    default:
      return {};
  }
}

constexpr bool is_split(DType dtype) {
  return dtype == DType::q8_0 || dtype == DType::q4_0 || dtype == DType::q6_k ||
         dtype == DType::iq4_nl || dtype == DType::iq4_xs;
}

// Bytes from a field of a block to that of the next, where it lies as `load_weight` lays it.
constexpr int stride_of(DType dtype, const Field& field) {
  if (is_split(dtype)) return static_cast<int>(field.bytes);
  return static_cast<int>(dtype == DType::q4_k ? sizeof(BlockQ4_K) : sizeof(BlockQ5_K));
}

// A field of all blocks: that of block b is at `at + b * stride`.
struct Plane {
  const std::uint8_t* at;
  std::int64_t stride;
};
struct Blocks {
  Plane q, h, s, d;
  std::int64_t per_row;
};

inline Blocks blocks_of(const Tensor& w) {
  const BlockFields fields = block_fields(w.dtype);
  const std::int64_t per_row = w.cols() / block_elements(w.dtype);
  const auto blocks = static_cast<std::size_t>(w.rows() * per_row);
  const std::uint8_t* next = w.as<std::uint8_t>();
  const auto plane = [&](const Field& field) -> Plane {
    if (!w.packed)
      return {w.as<std::uint8_t>() + field.offset, static_cast<std::int64_t>(block_bytes(w.dtype))};
    const std::uint8_t* at = next;
    next += blocks * field.bytes;
    return {at, static_cast<std::int64_t>(field.bytes)};
  };
  const Plane q = plane(fields.q), h = plane(fields.h), s = plane(fields.s), d = plane(fields.d);
  return {q, h, s, d, per_row};
}

}  // namespace r1::cuda
