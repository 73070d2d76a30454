#include "lib/io/converted_type.h"

#include <cstring>

#include "lib/base/vectorized.h"
#include "lib/tensor/quant_block.h"

namespace r1 {
namespace {

struct BlockQ4_1 {  // 32 weights: d q + m; nibbles as in Q4_0
  std::uint16_t d, m;
  std::uint8_t q[16];
};
struct BlockQ5_0 {  // 32 weights: d (q - 16); bit j of h is the fifth of element j
  std::uint16_t d;
  std::uint8_t h[4];
  std::uint8_t q[16];
};
struct BlockQ5_1 {  // 32 weights: d q + m
  std::uint16_t d, m;
  std::uint8_t h[4];
  std::uint8_t q[16];
};
// 256 weights; element 128 a + 32 b + i has the bits 2 b of q[32 a + i].
struct BlockQ2_K {  // d s q - m n, sub-blocks of 16: s the low nibble of their byte, n the high one
  std::uint8_t s[16];
  std::uint8_t q[64];
  std::uint16_t d, m;
};
struct BlockQ3_K {  // d (s - 32) (q - 4), sub-blocks of 16; the third bit is bit 4 a + b of h[i]
  std::uint8_t h[32];
  std::uint8_t q[64];
  std::uint8_t s[12];  // low nibbles of scales 0 … 7 and, above them, 8 … 15; then the high bits
  std::uint16_t d;
};
static_assert(sizeof(BlockQ4_1) == 20 && sizeof(BlockQ5_0) == 22 && sizeof(BlockQ5_1) == 24);
static_assert(sizeof(BlockQ2_K) == 84 && sizeof(BlockQ3_K) == 110);

// The whole numbers of blocks, in loops that become vectors.

void nibbles(int to[32], const std::uint8_t q[16]) {
  for (int i = 0; i < 16; ++i) {
    to[i] = q[i] & 15;
    to[i + 16] = q[i] >> 4;
  }
}

void five_bits(int to[32], const std::uint8_t q[16], const std::uint8_t h[4]) {
  std::uint32_t fifth = 0;
  std::memcpy(&fifth, h, sizeof fifth);
  nibbles(to, q);
  for (int i = 0; i < 32; ++i) to[i] |= static_cast<int>(fifth >> i & 1) << 4;
}

void two_bits(int to[256], const std::uint8_t q[64]) {
  for (int a = 0; a < 2; ++a)
    for (int b = 0; b < 4; ++b)
      for (int i = 0; i < 32; ++i) to[128 * a + 32 * b + i] = q[32 * a + i] >> 2 * b & 3;
}

void scale(float to[32], const int q[32], std::uint16_t scale, std::uint16_t minimum) {
  const float d = f16_to_f32(scale), m = f16_to_f32(minimum);
  for (int i = 0; i < 32; ++i) to[i] = d * static_cast<float>(q[i]) + m;
}

R1_VECTORIZED void convert(float to[32], const BlockQ4_1& b) {
  int q[32];
  nibbles(q, b.q);
  scale(to, q, b.d, b.m);
}

R1_VECTORIZED void convert(float to[32], const BlockQ5_1& b) {
  int q[32];
  five_bits(q, b.q, b.h);
  scale(to, q, b.d, b.m);
}

R1_VECTORIZED void convert(float to[256], const BlockQ2_K& b) {
  int q[256];
  two_bits(q, b.q);
  const float d = f16_to_f32(b.d), m = f16_to_f32(b.m);
  for (int j = 0; j < 16; ++j) {
    const float scale = d * static_cast<float>(b.s[j] & 15),
                minimum = m * static_cast<float>(b.s[j] >> 4);
    for (int i = 16 * j; i < 16 * j + 16; ++i) to[i] = scale * static_cast<float>(q[i]) - minimum;
  }
}

R1_VECTORIZED void convert(BlockQ8_0* to, const BlockQ5_0& b) {
  int q[32];
  five_bits(q, b.q, b.h);
  to->d = b.d;
  for (int i = 0; i < 32; ++i) to->q[i] = static_cast<std::int8_t>(q[i] - 16);
}

R1_VECTORIZED void convert(BlockQ6_K* to, const BlockQ3_K& b) {
  to->d = b.d;
  for (int i = 0; i < 16; ++i) {
    const int low = i < 8 ? b.s[i] & 15 : b.s[i - 8] >> 4, high = b.s[8 + i % 4] >> (i / 4 * 2) & 3;
    to->s[i] = static_cast<std::int8_t>((low | high << 4) - 32);
  }
  int q[256];
  two_bits(q, b.q);
  std::int8_t levels[256];
  for (int j = 0; j < 8; ++j)
    for (int i = 0; i < 32; ++i)
      levels[32 * j + i] = static_cast<std::int8_t>((q[32 * j + i] | (b.h[i] >> j & 1) << 2) - 4);
  set_levels(*to, levels);
}

template <typename Block, typename Convert>
void for_each_block(ByteSpan blocks, const Convert& convert_next) {
  for (std::size_t at = 0; at < blocks.size(); at += sizeof(Block)) {
    Block block;  // copied, because a file's blocks need not lie on their own alignment
    std::memcpy(&block, blocks.data() + at, sizeof block);
    convert_next(block);
  }
}

template <typename Block, std::size_t elements>
constexpr ConvertedType to_f16(std::uint32_t number) {
  const auto convert_all = [](void* to, ByteSpan blocks) {
    auto* next = static_cast<std::uint16_t*>(to);
    for_each_block<Block>(blocks, [&](const Block& block) {
      float values[elements];
      convert(values, block);
      pack(next, values, DType::f16);
      next += elements;
    });
  };
  return {number, elements, sizeof(Block), DType::f16, convert_all};
}

template <typename Block, typename To>
constexpr ConvertedType to_blocks(std::uint32_t number, std::int64_t elements, DType dtype) {
  const auto convert_all = [](void* to, ByteSpan blocks) {
    auto* next = static_cast<To*>(to);
    for_each_block<Block>(blocks, [&](const Block& block) { convert(next++, block); });
  };
  return {number, elements, sizeof(Block), dtype, convert_all};
}

constexpr ConvertedType kTypes[] = {to_f16<BlockQ4_1, 32>(3),
                                    to_blocks<BlockQ5_0, BlockQ8_0>(6, 32, DType::q8_0),
                                    to_f16<BlockQ5_1, 32>(7), to_f16<BlockQ2_K, 256>(10),
                                    to_blocks<BlockQ3_K, BlockQ6_K>(11, 256, DType::q6_k)};

}  // namespace

const ConvertedType* converted_type(std::uint32_t number) {
  for (const ConvertedType& t : kTypes)
    if (t.number == number) return &t;
  return nullptr;
}

}  // namespace r1
