#pragma once

#include <cstdint>
#include <span>

#include "lib/tensor/codebook.h"
#include "lib/tensor/dtype.h"
#include "lib/tensor/tensor.h"

namespace r1 {

// The blocks of GGUF, one definition for CPU, CUDA, the quantizer and training.
// Layouts: the GGUF specification. f16 fields hold the 16 bits of a half.
struct BlockQ8_0 {  // 32 weights: d q
  std::uint16_t d;
  std::int8_t q[32];
};
struct BlockQ4_0 {  // 32 weights: d (q - 8); low nibble of byte j is element j, high j + 16
  std::uint16_t d;
  std::uint8_t q[16];
};
struct BlockQ4_K {  // 256 weights: d sc q - m mn, sub-blocks of 32
  std::uint16_t d, m;
  std::uint8_t s[12];
  std::uint8_t q[128];
};
struct BlockQ5_K {
  std::uint16_t d, m;
  std::uint8_t s[12];
  std::uint8_t h[32];
  std::uint8_t q[128];
};
struct BlockQ6_K {  // 256 weights: d s (q - 32), sub-blocks of 16
  std::uint8_t l[128];
  std::uint8_t h[64];
  std::int8_t s[16];
  std::uint16_t d;
};
struct BlockIQ4_NL {  // 32 weights: d v, where v is the number of the codebook; nibbles as in Q4_0
  std::uint16_t d;
  std::uint8_t q[16];
};
struct BlockIQ4_XS {  // 256 weights: d s v, sub-blocks of 32, each with nibbles as in Q4_0
  std::uint16_t d;
  std::uint8_t s[6];  // the high two bits of each scale, then the low four
  std::uint8_t q[128];
};
static_assert(sizeof(BlockQ8_0) == 34 && sizeof(BlockQ4_0) == 18);
static_assert(sizeof(BlockQ4_K) == 144 && sizeof(BlockQ5_K) == 176 && sizeof(BlockQ6_K) == 210);
static_assert(sizeof(BlockIQ4_NL) == 18 && sizeof(BlockIQ4_XS) == 136);

// The six-bit scale and minimum of sub-block j (0 … 7) of Q4_K and Q5_K.
struct ScaleMin {
  std::uint8_t scale, minimum;
};
constexpr ScaleMin scale_min(const std::uint8_t s[12], int j) {
  const auto byte = [s](int i) { return unsigned{s[i]}; };
  if (j < 4)
    return {static_cast<std::uint8_t>(byte(j) & 63), static_cast<std::uint8_t>(byte(j + 4) & 63)};
  return {static_cast<std::uint8_t>((byte(j + 4) & 15) | (byte(j - 4) >> 6) << 4),
          static_cast<std::uint8_t>((byte(j + 4) >> 4) | (byte(j) >> 6) << 4)};
}

// The other way; writing sub-block j leaves the others as they were.
void set_scale_min(std::uint8_t s[12], int j, ScaleMin value);

// The scale of sub-block j (0 … 7) of IQ4_XS, -32 … 31.
constexpr int scale_of_six_bits(const std::uint8_t s[6], int j) {
  const int high = (s[j / 4] >> (j % 4 * 2)) & 3, low = (s[2 + j / 2] >> (j % 2 * 4)) & 15;
  return (high << 4 | low) - 32;
}
// The other way, into bits that are zero.
void set_scale_of_six_bits(std::uint8_t s[6], int j, int scale);

// Writes the levels of a block, the whole numbers that its scales multiply: -127 … 127 of Q8_0,
// -8 … 7 of Q4_0, 0 … 15 of Q4_K, 0 … 31 of Q5_K, -32 … 31 of Q6_K, those of the codebook of IQ4.
void set_levels(BlockQ8_0& b, const std::int8_t levels[32]);
void set_levels(BlockQ4_0& b, const std::int8_t levels[32]);
void set_levels(BlockQ4_K& b, const std::int8_t levels[256]);
void set_levels(BlockQ5_K& b, const std::int8_t levels[256]);
void set_levels(BlockQ6_K& b, const std::int8_t levels[256]);
void set_levels(BlockIQ4_NL& b, const std::int8_t levels[32]);
void set_levels(BlockIQ4_XS& b, const std::int8_t levels[256]);

// values [n] <- blocks of `dtype`; n is a multiple of the block. Also widens f16, bf16 and the
// 8-bit floats, copies f32.
void unpack(std::span<float> values, const void* blocks, DType dtype);
void unpack_row(std::span<float> values, const Tensor& matrix, std::int64_t row);
// blocks <- values [n]: round to nearest on the plain grid of each type (no calibration).
void pack(void* blocks, std::span<const float> values, DType dtype);

}  // namespace r1
