#pragma once

#include <cstdint>

#include <cuda_runtime.h>

#include "kernels/cuda/check.h"
#include "kernels/cuda/codebook.cuh"
#include "kernels/cuda/intrinsics.cuh"
#include "kernels/cuda/quant_layout.h"

namespace r1::cuda {

// Matrices [rows, cols] of any weight type, read four elements of a row at a time: `four` gives
// elements c … c + 3 of row r, c being a multiple of 4, and zeros from `cols` on. For products that
// use each value many times; a product of few rows reads 16 bytes at a time (linear_quant.cu).

template <typename Type>
struct PlainSource {
  const typename Type::Bits* w;
  std::int64_t rows, cols;

  __device__ void four(float (&values)[4], std::int64_t r, std::int64_t c) const {
    for (int i = 0; i < 4; ++i) values[i] = c + i < cols ? Type::widen(w[r * cols + c + i]) : 0.0f;
  }
};

// A quantized matrix; Format::four reads from one block, `e` counting from the block's first.
template <typename Format>
struct BlockSource {
  Blocks blocks;
  std::int64_t rows, cols;

  __device__ void four(float (&values)[4], std::int64_t r, std::int64_t c) const {
    const std::int64_t b = r * blocks.per_row + c / Format::kElements;
    const auto of = [b](const Plane& plane) { return plane.at + b * plane.stride; };
    Format::four(values, {of(blocks.q), of(blocks.h), of(blocks.s), of(blocks.d)},
                 static_cast<int>(c % Format::kElements));
  }
};

struct OneBlock {
  const std::uint8_t *q, *h, *s, *d;

  // The i-th f16 of d.
  __device__ float half(int i) const {
    return half_to_float(reinterpret_cast<const std::uint16_t*>(d)[i]);
  }
};

struct FormatQ8_0 {
  static constexpr int kElements = 32;
  __device__ static void four(float (&values)[4], const OneBlock& b, int e) {
    const float d = b.half(0);
    for (int i = 0; i < 4; ++i)
      values[i] = d * static_cast<float>(static_cast<std::int8_t>(b.q[e + i]));
  }
};

struct FormatQ4_0 {
  static constexpr int kElements = 32;
  __device__ static void four(float (&values)[4], const OneBlock& b, int e) {
    const float d = b.half(0);
    for (int i = 0; i < 4; ++i)
      values[i] = d * static_cast<float>(((b.q[e % 16 + i] >> (e < 16 ? 0 : 4)) & 15) - 8);
  }
};

// kHigh: a fifth bit of each quant lies in h.
template <bool kHigh>
struct FormatK {
  static constexpr int kElements = 256;
  __device__ static void four(float (&values)[4], const OneBlock& b, int e) {
    const int j = e / 32, l = e % 32;
    const ScaleMin s = scale_min(b.s, j);
    const float scale = b.half(0) * static_cast<float>(s.scale);
    const float low = b.half(1) * static_cast<float>(s.minimum);
    for (int i = 0; i < 4; ++i) {
      int q = (b.q[32 * (j / 2) + l + i] >> (j % 2 * 4)) & 15;
      if constexpr (kHigh) q += ((b.h[l + i] >> j) & 1) * 16;
      values[i] = scale * static_cast<float>(q) - low;
    }
  }
};

struct FormatQ6_K {
  static constexpr int kElements = 256;
  __device__ static void four(float (&values)[4], const OneBlock& b, int e) {
    const int a = e / 128, k = e % 128 / 32, l = e % 32;
    const auto scale = static_cast<std::int8_t>(b.s[8 * a + 2 * k + l / 16]);
    const float d = b.half(0) * static_cast<float>(scale);
    for (int i = 0; i < 4; ++i) {
      const int low = (b.q[64 * a + 32 * (k % 2) + l + i] >> (k < 2 ? 0 : 4)) & 15;
      const int high = (b.h[32 * a + l + i] >> (2 * k)) & 3;
      values[i] = d * static_cast<float>((low | high << 4) - 32);
    }
  }
};

// kScales: one for each 32.
template <bool kScales>
struct FormatIQ4 {
  static constexpr int kElements = kScales ? 256 : 32;
  __device__ static void four(float (&values)[4], const OneBlock& b, int e) {
    const int j = e / 32, shift = e % 32 < 16 ? 0 : 4;
    unsigned places = 0;
    for (int i = 0; i < 4; ++i) places |= (b.q[16 * j + e % 16 + i] >> shift & 15u) << (4 * i);
    const unsigned numbers = four_of_codebook(places);
    float scale = b.half(0);
    if constexpr (kScales) scale *= static_cast<float>(scale_of_six_bits(b.s, j));
    for (int i = 0; i < 4; ++i)
      values[i] = scale * static_cast<float>(static_cast<std::int8_t>(numbers >> (8 * i)));
  }
};

inline PlainSource<F32> source_f32(const Tensor& t) { return {t.as<float>(), t.rows(), t.cols()}; }

// body(source) with the source that reads w.
template <typename Body>
void with_source(const Tensor& w, const Body& body) {
  const std::int64_t rows = w.rows(), cols = w.cols();
  const auto* bits = w.as<std::uint16_t>();
  switch (w.dtype) {
    case DType::f32:
      return body(source_f32(w));
    case DType::f16:
      return body(PlainSource<F16>{bits, rows, cols});
    case DType::bf16:
      return body(PlainSource<Bf16>{bits, rows, cols});
    case DType::q8_0:
      return body(BlockSource<FormatQ8_0>{blocks_of(w), rows, cols});
    case DType::q4_0:
      return body(BlockSource<FormatQ4_0>{blocks_of(w), rows, cols});
    case DType::q4_k:
      return body(BlockSource<FormatK<false>>{blocks_of(w), rows, cols});
    case DType::q5_k:
      return body(BlockSource<FormatK<true>>{blocks_of(w), rows, cols});
    case DType::q6_k:
      return body(BlockSource<FormatQ6_K>{blocks_of(w), rows, cols});
    case DType::iq4_nl:
      return body(BlockSource<FormatIQ4<false>>{blocks_of(w), rows, cols});
    case DType::iq4_xs:
      return body(BlockSource<FormatIQ4<true>>{blocks_of(w), rows, cols});
    case DType::i32:
    case DType::i64:
    case DType::f8_e4m3:
    case DType::f8_e5m2:
      break;
  }
  fail_unsupported("a weight", "whole numbers and 8-bit floats are none");
}

}  // namespace r1::cuda
