#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "lib/tensor/tensor.h"

namespace r1 {

// A matrix of whole numbers 0 … 2^bits - 1, several of them to a word of 32 bits along one of its
// dimensions. Word of (i, j): i * row_stride + j * col_stride, after the one along which they are
// packed was divided by how many a word holds.
struct PackedIntegers {
  const std::int32_t* words = nullptr;
  int bits = 4;  // 4 or 8
  bool along_rows = false;
  std::int64_t row_stride = 0, col_stride = 1;
  const std::uint8_t* order = nullptr;  // where in the word each of them stands; null: in order

  int at(std::int64_t i, std::int64_t j) const {
    const int shift = bits == 4 ? 3 : 2;  // 8 or 4 to a word
    std::int64_t& packed = along_rows ? i : j;
    auto place = static_cast<int>(packed & ((1 << shift) - 1));
    packed >>= shift;
    if (order != nullptr) place = order[place];
    const auto word = static_cast<std::uint32_t>(words[i * row_stride + j * col_stride]);
    return static_cast<int>((word >> (bits * place)) & ((1u << bits) - 1));
  }
};

// f32, f16 or bf16 at i * row_stride + j * col_stride.
struct NumberGrid {
  Tensor numbers;
  std::int64_t row_stride = 0, col_stride = 1;

  float at(std::int64_t i, std::int64_t j) const;
};

// W[n, k] = scale[n, g] (level[n, k] - zero[n, g]), g the group of column k.
struct GroupedIntegers {
  std::int64_t rows = 0, cols = 0;
  std::int64_t group_size = 0;             // columns
  const std::int32_t* group_of = nullptr;  // [cols], in order 0 … groups() - 1 or not; null: it is
  PackedIntegers levels;                   // [rows, cols]
  NumberGrid scales;                       // [rows, groups()]
  std::optional<PackedIntegers> zeros;     // likewise; nothing: half of the range
  int zero_offset = 0;                     // what is added to them
  std::string name;                        // of the scales, in messages

  std::int64_t groups() const { return cols / group_size; }
  // q4_0 or q8_0 where that holds the same numbers, else the type of the scales.
  DType plain_type() const;
  // Fails with `model` for a scale that is no number, or too large for what it makes.
  void unpack(void* plain, DType dtype) const;

 private:
  bool in_order() const;
  int zero(std::int64_t n, std::int64_t g) const;
};

}  // namespace r1
