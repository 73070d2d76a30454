#pragma once

#include <cstddef>
#include <cstdint>

namespace r1::cpu {

// Weights lie in panels of 16 rows, interleaved so that one 64-byte load holds all 16 rows at the
// same place of K. Rows that are not there are zero.
inline constexpr int kPanelRows = 16;
inline constexpr int kBlock = 32;  // elements of K that share a scale

enum class PanelType : std::uint8_t {
  f32,
  bf16,
  f16,
  q8_0,
  q4_0,
  q4_k,
  q5_k,
  q6_k,
  iq4_nl,
  iq4_xs
};

// Bytes of a panel, 16 rows of K elements. Letters: r row of the panel, k element of K.
//   f32     K x 16 f32
//   bf16    pairs of k: K/2 x 16 rows x 2
//   f16     16 f32 powers of two, by which rows are larger than their halves; then as bf16
//   q8_0    blocks of 32 k: values, 16 f16 scales                      8.5 bits a weight
//   q4_0    the same with nibbles                                      4.5
//   q4_k    per 256 k: 16 f16 d, 16 f16 m, then 8 blocks of values, 16 u8 scales, 16 u8 minima  4.6
//   q5_k    the same with values of 5 bits                             5.6
//   q6_k    per 256 k: 16 f16 d, then 8 blocks of values of 6 bits, 2 x 16 i8 scales            6.6
//   iq4_nl  as q4_0: nibbles are places in the codebook                4.5
//   iq4_xs  per 256 k: 16 f16 d, then 8 blocks of values, 16 i8 scales                          4.3
// Values of 32 k: 8 quads of k, which is k = 4j … 4j + 3 for quad j, x 16 rows x 4. Of 8 bits they
// are 8 lines of 64 bytes; of fewer, the last quads lie in what the first leave of their bytes, at
// the same places of their lines.
inline constexpr std::size_t kLine = 64;
inline constexpr std::size_t kHalves = 32;       // 16 f16
inline constexpr std::int64_t kSuperBlocks = 8;  // blocks of 32 in 256

constexpr bool has_codebook(PanelType type) {
  return type == PanelType::iq4_nl || type == PanelType::iq4_xs;
}
// Whether bytes that are multiplied may be below zero.
constexpr bool is_signed(PanelType type) { return type == PanelType::q8_0 || has_codebook(type); }

constexpr bool has_minima(PanelType type) {
  return type == PanelType::q4_k || type == PanelType::q5_k;
}
constexpr int scales_of_block(PanelType type) {
  return type == PanelType::q6_k ? 2 : 1;  // 2: one of each half
}

// Bits of a value: those of `mask` lie `shift` higher in a byte of the line; none, if 0.
struct Piece {
  std::size_t line;
  int shift, mask;
  constexpr std::uint32_t mask_of_four() const {  // values side by side
    return 0x01010101u * static_cast<std::uint32_t>(mask);
  }
};
struct Pieces {
  Piece of[3];
};
constexpr int value_bits(PanelType type) {
  if (type == PanelType::q8_0) return 8;
  return type == PanelType::q5_k ? 5 : type == PanelType::q6_k ? 6 : 4;
}
// Three quads in what five leave of their lines.
inline constexpr Pieces kLastOfFive[3] = {{{{0, 5, 0x07}, {3, 2, 0x18}}},
                                          {{{1, 5, 0x07}, {4, 2, 0x18}}},
                                          {{{2, 5, 0x07}, {3, 4, 0x08}, {4, 3, 0x10}}}};
constexpr Pieces pieces_of(PanelType type, std::size_t quad) {
  switch (value_bits(type)) {
    case 8:
      return {{{quad, 0, 0xff}}};
    case 6: {  // four quads in three lines
      const std::size_t first = quad / 4 * 3, at = quad % 4;
      if (at < 3) return {{{first + at, 0, 0x3f}}};
      return {{{first, 6, 0x03}, {first + 1, 4, 0x0c}, {first + 2, 2, 0x30}}};
    }
    case 5:
      return quad < 5 ? Pieces{{{quad, 0, 0x1f}}} : kLastOfFive[quad - 5];
    default:
      return {{{quad % 4, quad < 4 ? 0 : 4, 0x0f}}};
  }
}
constexpr std::size_t values_size(PanelType type) {
  return static_cast<std::size_t>(value_bits(type)) * kLine;
}
constexpr std::size_t block_size(PanelType type) {  // of 32 k, without what 256 k share
  switch (type) {
    case PanelType::f32:
      return std::size_t{32} * 16 * 4;
    case PanelType::bf16:
    case PanelType::f16:
      return std::size_t{32} * 16 * 2;
    case PanelType::q8_0:
    case PanelType::q4_0:
    case PanelType::iq4_nl:
      return values_size(type) + kHalves;
    case PanelType::iq4_xs:
      return values_size(type) + 16;
    case PanelType::q4_k:
    case PanelType::q5_k:
    case PanelType::q6_k:
      return values_size(type) + 32;
  }
  return 0;
}
constexpr std::size_t shared_size(PanelType type) {  // of 256 k
  if (has_minima(type)) return 2 * kHalves;
  return type == PanelType::q6_k || type == PanelType::iq4_xs ? kHalves : 0;
}
// Blocks of x whose steps of 8 bits are multiples of one. Where weights have 8 bits as well, each
// block has its own: its errors would count beside theirs.
constexpr std::int64_t blocks_of_step(PanelType type) {
  return type == PanelType::q8_0 ? 1 : kSuperBlocks;
}
// Where block b (of 32 k) begins, and what the 256 k around it share.
constexpr std::size_t block_offset(PanelType type, std::int64_t b) {
  const auto i = static_cast<std::size_t>(b);
  if (shared_size(type) == 0) return i * block_size(type);
  return i / kSuperBlocks * (shared_size(type) + kSuperBlocks * block_size(type)) +
         shared_size(type) + i % kSuperBlocks * block_size(type);
}
constexpr std::size_t shared_offset(PanelType type, std::int64_t b) {
  const auto i = static_cast<std::size_t>(b) / kSuperBlocks;
  return i * (shared_size(type) + kSuperBlocks * block_size(type));
}
constexpr std::size_t panel_size(PanelType type, std::int64_t K) {
  const auto k = static_cast<std::size_t>(K);
  if (type == PanelType::f32) return k * kLine;
  if (type == PanelType::bf16) return (k + 1) / 2 * kLine;
  if (type == PanelType::f16) return (1 + (k + 1) / 2) * kLine;
  return k / 32 * block_size(type) + k / 256 * shared_size(type);
}

// A panel may be spread out, for products with many rows of x: numbers as they are multiplied, in
// lines of 64 bytes. Bf16 become f32, two lines for a pair. Of a block 8 lines are its quads, and
// one or two its scales in f32; after 256 k with minima come those, in pairs, and what they are
// times.
inline constexpr std::int64_t kSpreadScales = 8;       // lines before them in a block
constexpr std::int64_t spread_block(PanelType type) {  // lines
  return kSpreadScales + scales_of_block(type);
}
// Of 256 k, the lines before the minima and before what these are times.
constexpr std::int64_t spread_minima(PanelType type) { return kSuperBlocks * spread_block(type); }
constexpr std::int64_t spread_minimum(PanelType type) {
  return spread_minima(type) + kSuperBlocks / 2;
}
constexpr std::int64_t spread_offset(PanelType type, std::int64_t b) {  // where block b begins
  const std::int64_t all = has_minima(type) ? spread_minimum(type) + 1 : spread_minima(type);
  const std::int64_t lines = b / kSuperBlocks * all + b % kSuperBlocks * spread_block(type);
  return lines * std::int64_t{kLine};
}
constexpr std::int64_t spread_size(PanelType type, std::int64_t K) {
  if (type == PanelType::f32) return K * std::int64_t{kLine};
  if (type == PanelType::bf16) return (K + 1) / 2 * 2 * std::int64_t{kLine};
  return spread_offset(type, K / kBlock);
}

}  // namespace r1::cpu
