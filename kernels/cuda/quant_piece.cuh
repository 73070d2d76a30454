#pragma once

#include <cstdint>

#include <cuda_runtime.h>

#include "kernels/cuda/codebook.cuh"
#include "kernels/cuda/intrinsics.cuh"
#include "kernels/cuda/quant_layout.h"

namespace r1::cuda {

// What one lane takes of a quantized row at a time: 16 bytes of the field q. They hold kGroups
// groups of 16 elements, which lie together in the row and share a scale:
//   weight = scale (q - kOffset) - low.
// A row has kPieces pieces a block. `first_element(c, g)` says where group g of piece c lies.
template <typename Format>
struct Piece {
  int q[Format::kGroups][4];  // four bytes each, 0 … 63, or signed where kOffset is 0
  float scale[Format::kGroups];
  float low[Format::kGroups];  // where kMinimum

  // Piece c of the row that begins with block `first`.
  __device__ void load(const Blocks& w, std::int64_t first, int c) {
    const std::int64_t b = first + c / Format::kPieces;
    const int i = c % Format::kPieces;
    const int4 raw = *reinterpret_cast<const int4*>(w.q.at + b * w.q.stride + 16 * i);
    const unsigned words[4] = {static_cast<unsigned>(raw.x), static_cast<unsigned>(raw.y),
                               static_cast<unsigned>(raw.z), static_cast<unsigned>(raw.w)};
    Format::fill(*this, words, w, b, i);
  }
};

__device__ inline float scale_of(const Blocks& w, std::int64_t b, int i) {
  return half_to_float(reinterpret_cast<const std::uint16_t*>(w.d.at + b * w.d.stride)[i]);
}

struct PieceQ8_0 {
  static constexpr int kPieces = 2, kGroups = 1, kOffset = 0;
  static constexpr bool kMinimum = false;
  __device__ static int first_element(int c, int) { return 16 * c; }
  __device__ static void fill(Piece<PieceQ8_0>& p, const unsigned (&words)[4], const Blocks& w,
                              std::int64_t b, int) {
    for (int j = 0; j < 4; ++j) p.q[0][j] = static_cast<int>(words[j]);
    p.scale[0] = scale_of(w, b, 0);
  }
};

// Low nibbles are elements 0 … 15 of the block, high ones 16 … 31.
struct PieceQ4_0 {
  static constexpr int kPieces = 1, kGroups = 2, kOffset = 8;
  static constexpr bool kMinimum = false;
  __device__ static int first_element(int c, int g) { return 32 * c + 16 * g; }
  __device__ static void fill(Piece<PieceQ4_0>& p, const unsigned (&words)[4], const Blocks& w,
                              std::int64_t b, int) {
    for (int j = 0; j < 4; ++j) {
      p.q[0][j] = static_cast<int>(words[j] & 0x0f0f0f0fu);
      p.q[1][j] = static_cast<int>(words[j] >> 4 & 0x0f0f0f0fu);
    }
    p.scale[0] = p.scale[1] = scale_of(w, b, 0);
  }
};

// Q4_K, and Q5_K with a fifth bit in h. Piece i has half i % 2 of the sub-blocks i / 2 * 2 (low
// nibbles) and the one after (high nibbles).
template <bool kHigh>
struct PieceK {
  static constexpr int kPieces = 8, kGroups = 2, kOffset = 0;
  static constexpr bool kMinimum = true;
  __device__ static int first_element(int c, int g) {
    return c / 8 * 256 + c % 8 / 2 * 64 + 32 * g + c % 2 * 16;
  }
  __device__ static void fill(Piece<PieceK>& p, const unsigned (&words)[4], const Blocks& w,
                              std::int64_t b, int i) {
    unsigned high[4] = {};
    if constexpr (kHigh) {
      const uint4 raw = *reinterpret_cast<const uint4*>(w.h.at + b * w.h.stride + 16 * (i % 2));
      high[0] = raw.x, high[1] = raw.y, high[2] = raw.z, high[3] = raw.w;
    }
    const float d = scale_of(w, b, 0), m = scale_of(w, b, 1);
#pragma unroll
    for (int g = 0; g < 2; ++g) {
      const int sub_block = i / 2 * 2 + g;
      for (int j = 0; j < 4; ++j) {
        unsigned q = words[j] >> (4 * g) & 0x0f0f0f0fu;
        if constexpr (kHigh) q |= (high[j] >> sub_block & 0x01010101u) << 4;
        p.q[g][j] = static_cast<int>(q);
      }
      const ScaleMin s = scale_min(w.s.at + b * w.s.stride, sub_block);
      p.scale[g] = d * static_cast<float>(s.scale);
      p.low[g] = m * static_cast<float>(s.minimum);
    }
  }
};

// Piece i has the low bits of elements 16 (i % 2) … of quarter i / 2 % 2 (low nibbles) and of the
// quarter two further (high nibbles) of half i / 4.
struct PieceQ6_K {
  static constexpr int kPieces = 8, kGroups = 2, kOffset = 32;
  static constexpr bool kMinimum = false;
  __device__ static int first_element(int c, int g) {
    return c / 8 * 256 + c % 8 / 4 * 128 + (c / 2 % 2 + 2 * g) * 32 + c % 2 * 16;
  }
  __device__ static void fill(Piece<PieceQ6_K>& p, const unsigned (&words)[4], const Blocks& w,
                              std::int64_t b, int i) {
    const int half = i / 4, part = i % 2;
    const uint4 raw =
        *reinterpret_cast<const uint4*>(w.h.at + b * w.h.stride + 32 * half + 16 * part);
    const unsigned high[4] = {raw.x, raw.y, raw.z, raw.w};
    const float d = scale_of(w, b, 0);
#pragma unroll
    for (int g = 0; g < 2; ++g) {
      const int quarter = i / 2 % 2 + 2 * g;
      for (int j = 0; j < 4; ++j)
        p.q[g][j] = static_cast<int>((words[j] >> (4 * g) & 0x0f0f0f0fu) |
                                     (high[j] >> (2 * quarter) & 0x03030303u) << 4);
      const std::uint8_t scale = w.s.at[b * w.s.stride + 8 * half + 2 * quarter + part];
      p.scale[g] = d * static_cast<float>(static_cast<std::int8_t>(scale));
    }
  }
};

// IQ4_NL, and IQ4_XS with a scale for each piece. Nibbles as in Q4_0, but places in the codebook.
template <bool kScales>
struct PieceIQ4 {
  static constexpr int kPieces = kScales ? 8 : 1, kGroups = 2, kOffset = 0;
  static constexpr bool kMinimum = false;
  __device__ static int first_element(int c, int g) { return 32 * c + 16 * g; }
  __device__ static void fill(Piece<PieceIQ4>& p, const unsigned (&words)[4], const Blocks& w,
                              std::int64_t b, int i) {
    for (int j = 0; j < 4; ++j) {  // nibbles of a byte, low and high, come out side by side
      const unsigned first = four_of_codebook(words[j]), last = four_of_codebook(words[j] >> 16);
      p.q[0][j] = static_cast<int>(__byte_perm(first, last, 0x6420u));
      p.q[1][j] = static_cast<int>(__byte_perm(first, last, 0x7531u));
    }
    float scale = scale_of(w, b, 0);
    if constexpr (kScales)
      scale *= static_cast<float>(scale_of_six_bits(w.s.at + b * w.s.stride, i));
    p.scale[0] = p.scale[1] = scale;
  }
};

}  // namespace r1::cuda
