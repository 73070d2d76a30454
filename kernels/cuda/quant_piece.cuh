#pragma once

#include <cstddef>
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
// Format::Raw is a piece as it lies in memory, of 16-byte fields and small ones beside them, so
// that pieces on their way take few registers; `fill` unpacks it.
template <typename Format>
struct Piece {
  int q[Format::kGroups][4];  // four bytes each, 0 … 63, or signed where kOffset is 0
  float scale[Format::kGroups];
  float low[Format::kGroups];  // where kMinimum
};

// Piece i of a block.
template <typename Format>
__device__ inline Piece<Format> unpacked(const typename Format::Raw& raw, int i) {
  Piece<Format> piece;
  const unsigned words[4] = {raw.q.x, raw.q.y, raw.q.z, raw.q.w};
  Format::fill(piece, words, raw, i);
  return piece;
}

// The fields of block b of a type, whose strides the compiler knows.
template <DType kType>
struct Fields {
  static constexpr int kQ = stride_of(kType, block_fields(kType).q);
  static constexpr int kH = stride_of(kType, block_fields(kType).h);
  static constexpr int kS = stride_of(kType, block_fields(kType).s);
  static constexpr int kD = stride_of(kType, block_fields(kType).d);

  __device__ static uint4 q(const Blocks& w, int b, int i) {
    return load_once(w.q.at + std::int64_t{b} * kQ + 16 * i);
  }
  __device__ static uint4 h(const Blocks& w, int b, int i) {
    return *reinterpret_cast<const uint4*>(w.h.at + std::int64_t{b} * kH + 16 * i);
  }
  __device__ static const std::uint8_t* s(const Blocks& w, int b) {
    return w.s.at + std::int64_t{b} * kS;
  }
  template <typename Type = std::uint16_t>
  __device__ static Type d(const Blocks& w, int b) {
    return *reinterpret_cast<const Type*>(w.d.at + std::int64_t{b} * kD);
  }
};

struct PieceQ8_0 : Fields<DType::q8_0> {
  static constexpr int kPieces = 2, kGroups = 1, kOffset = 0;
  static constexpr bool kMinimum = false;
  struct Raw {
    uint4 q;
    std::uint16_t d;
  };
  __device__ static int first_element(int c, int) { return 16 * c; }
  __device__ static Raw load(const Blocks& w, int b, int i) { return {q(w, b, i), d(w, b)}; }
  __device__ static void fill(Piece<PieceQ8_0>& p, const unsigned (&words)[4], const Raw& raw,
                              int) {
    for (int j = 0; j < 4; ++j) p.q[0][j] = static_cast<int>(words[j]);
    p.scale[0] = half_to_float(raw.d);
  }
};

// Low nibbles are elements 0 … 15 of the block, high ones 16 … 31.
struct PieceQ4_0 : Fields<DType::q4_0> {
  static constexpr int kPieces = 1, kGroups = 2, kOffset = 8;
  static constexpr bool kMinimum = false;
  using Raw = PieceQ8_0::Raw;
  __device__ static int first_element(int c, int g) { return 32 * c + 16 * g; }
  __device__ static Raw load(const Blocks& w, int b, int i) { return {q(w, b, i), d(w, b)}; }
  __device__ static void fill(Piece<PieceQ4_0>& p, const unsigned (&words)[4], const Raw& raw,
                              int) {
    for (int j = 0; j < 4; ++j) {
      p.q[0][j] = static_cast<int>(words[j] & 0x0f0f0f0fu);
      p.q[1][j] = static_cast<int>(words[j] >> 4 & 0x0f0f0f0fu);
    }
    p.scale[0] = p.scale[1] = half_to_float(raw.d);
  }
};

// Q4_K, and Q5_K with a fifth bit in h. Piece i has half i % 2 of the sub-blocks i / 2 * 2 (low
// nibbles) and the one after (high nibbles).
template <bool kHigh>
struct PieceK : Fields<kHigh ? DType::q5_k : DType::q4_k> {
  using Base = Fields<kHigh ? DType::q5_k : DType::q4_k>;
  static constexpr int kPieces = 8, kGroups = 2, kOffset = 0;
  static constexpr bool kMinimum = true;
  struct Raw {
    uint4 q, head;  // head: d, m and the packed scales, which lie together in a block
    uint4 h;        // where kHigh
  };
  static_assert(offsetof(BlockQ4_K, s) == 4 && offsetof(BlockQ5_K, s) == 4);
  __device__ static int first_element(int c, int g) {
    return c / 8 * 256 + c % 8 / 2 * 64 + 32 * g + c % 2 * 16;
  }
  __device__ static Raw load(const Blocks& w, int b, int i) {
    Raw raw{Base::q(w, b, i), Base::template d<uint4>(w, b), {}};
    if constexpr (kHigh) raw.h = Base::h(w, b, i % 2);
    return raw;
  }
  __device__ static void fill(Piece<PieceK>& p, const unsigned (&words)[4], const Raw& raw, int i) {
    const float d = half_to_float(static_cast<std::uint16_t>(raw.head.x));
    const float m = half_to_float(static_cast<std::uint16_t>(raw.head.x >> 16));
    // As scale_min has them, of both sub-blocks: a byte each.
    const int shift = i / 2 % 2 * 16;
    const unsigned first = raw.head.y >> shift, second = raw.head.z >> shift;
    const unsigned third = raw.head.w >> shift;
    const bool low = i < 4;
    const unsigned scales = low ? first & 0x3f3fu : (third & 0x0f0fu) | (first >> 2 & 0x3030u);
    const unsigned minima =
        low ? second & 0x3f3fu : (third >> 4 & 0x0f0fu) | (second >> 2 & 0x3030u);
    unsigned high[4] = {};
    if constexpr (kHigh) high[0] = raw.h.x, high[1] = raw.h.y, high[2] = raw.h.z, high[3] = raw.h.w;
#pragma unroll
    for (int g = 0; g < 2; ++g) {
      const int sub_block = i / 2 * 2 + g;
      for (int j = 0; j < 4; ++j) {
        unsigned q = words[j] >> (4 * g) & 0x0f0f0f0fu;
        if constexpr (kHigh) q |= (high[j] >> sub_block & 0x01010101u) << 4;
        p.q[g][j] = static_cast<int>(q);
      }
      p.scale[g] = d * static_cast<float>(scales >> (8 * g) & 255u);
      p.low[g] = m * static_cast<float>(minima >> (8 * g) & 255u);
    }
  }
};

// Piece i has the low bits of elements 16 (i % 2) … of quarter i / 2 % 2 (low nibbles) and of the
// quarter two further (high nibbles) of half i / 4.
struct PieceQ6_K : Fields<DType::q6_k> {
  static constexpr int kPieces = 8, kGroups = 2, kOffset = 32;
  static constexpr bool kMinimum = false;
  struct Raw {
    uint4 q, h;
    uint2 s;  // of the half: the four of its first 64 elements, and of its last
    std::uint16_t d;
  };
  __device__ static int first_element(int c, int g) {
    return c / 8 * 256 + c % 8 / 4 * 128 + (c / 2 % 2 + 2 * g) * 32 + c % 2 * 16;
  }
  __device__ static Raw load(const Blocks& w, int b, int i) {
    const int half = i / 4;
    const auto* scales = reinterpret_cast<const uint2*>(s(w, b) + 8 * half);
    return {q(w, b, i), h(w, b, 2 * half + i % 2), *scales, d(w, b)};
  }
  __device__ static void fill(Piece<PieceQ6_K>& p, const unsigned (&words)[4], const Raw& raw,
                              int i) {
    const unsigned high[4] = {raw.h.x, raw.h.y, raw.h.z, raw.h.w};
    const float d = half_to_float(raw.d);
#pragma unroll
    for (int g = 0; g < 2; ++g) {
      const int quarter = i / 2 % 2 + 2 * g;
      for (int j = 0; j < 4; ++j)
        p.q[g][j] = static_cast<int>((words[j] >> (4 * g) & 0x0f0f0f0fu) |
                                     (high[j] >> (2 * quarter) & 0x03030303u) << 4);
      const auto scale = static_cast<std::int8_t>((g == 0 ? raw.s.x : raw.s.y) >> (i % 4 * 8));
      p.scale[g] = d * static_cast<float>(scale);
    }
  }
};

// IQ4_NL, and IQ4_XS with a scale for each piece. Nibbles as in Q4_0, but places in the codebook.
template <bool kScales>
struct PieceIQ4 : Fields<kScales ? DType::iq4_xs : DType::iq4_nl> {
  using Base = Fields<kScales ? DType::iq4_xs : DType::iq4_nl>;
  static constexpr int kPieces = kScales ? 8 : 1, kGroups = 2, kOffset = 0;
  static constexpr bool kMinimum = false;
  struct Raw {
    uint4 q;
    std::uint16_t d;
    std::uint8_t high, low;  // the bytes with bits of the scale
  };
  __device__ static int first_element(int c, int g) { return 32 * c + 16 * g; }
  __device__ static Raw load(const Blocks& w, int b, int i) {
    Raw raw{Base::q(w, b, i), Base::d(w, b), 0, 0};
    if constexpr (kScales) {
      const std::uint8_t* s = Base::s(w, b);
      raw.high = s[i / 4];
      raw.low = s[2 + i / 2];
    }
    return raw;
  }
  __device__ static void fill(Piece<PieceIQ4>& p, const unsigned (&words)[4], const Raw& raw,
                              int i) {
    for (int j = 0; j < 4; ++j) {  // nibbles of a byte, low and high, come out side by side
      const unsigned first = four_of_codebook(words[j]), last = four_of_codebook(words[j] >> 16);
      p.q[0][j] = static_cast<int>(__byte_perm(first, last, 0x6420u));
      p.q[1][j] = static_cast<int>(__byte_perm(first, last, 0x7531u));
    }
    float scale = half_to_float(raw.d);
    if constexpr (kScales) {  // scale_of_six_bits
      const int bits = (raw.high >> (i % 4 * 2) & 3) << 4 | (raw.low >> (i % 2 * 4) & 15);
      scale *= static_cast<float>(bits - 32);
    }
    p.scale[0] = p.scale[1] = scale;
  }
};

}  // namespace r1::cuda
