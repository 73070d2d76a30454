#include "lib/tensor/quant_block.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <cstring>

#include "lib/base/vectorized.h"
#include "lib/tensor/float16.h"
#include "lib/tensor/float8.h"
#include "lib/tensor/largest_magnitude.h"
#include "lib/tensor/nearest_in_codebook.h"

namespace r1 {
namespace {

using Out = float*;

void unpack_block(Out y, const BlockQ8_0& b) {
  const float d = f16_to_f32(b.d);
  for (int i = 0; i < 32; ++i) y[i] = d * static_cast<float>(b.q[i]);
}

void unpack_block(Out y, const BlockQ4_0& b) {
  const float d = f16_to_f32(b.d);
  for (int i = 0; i < 16; ++i) y[i] = d * static_cast<float>((b.q[i] & 15) - 8);
  for (int i = 0; i < 16; ++i) y[16 + i] = d * static_cast<float>((b.q[i] >> 4) - 8);
}

// 32 numbers of the codebook.
void unpack_codebook(Out y, float scale, const std::uint8_t q[16]) {
  for (int j = 0; j < 16; ++j) {
    y[j] = scale * static_cast<float>(kCodebook[q[j] & 15]);
    y[j + 16] = scale * static_cast<float>(kCodebook[q[j] >> 4]);
  }
}

void unpack_block(Out y, const BlockIQ4_NL& b) { unpack_codebook(y, f16_to_f32(b.d), b.q); }

void unpack_block(Out y, const BlockIQ4_XS& b) {
  const float d = f16_to_f32(b.d);
  for (int j = 0; j < 8; ++j)
    unpack_codebook(y + std::ptrdiff_t{32} * j, d * static_cast<float>(scale_of_six_bits(b.s, j)),
                    b.q + std::ptrdiff_t{16} * j);
}

// Sub-block 2p has the low nibbles of q[32p …], 2p + 1 the high ones.
int nibble(const std::uint8_t* q, int j, int l) {
  const int byte = q[32 * (j / 2) + l];
  return j % 2 == 0 ? byte & 15 : byte >> 4;
}

void unpack_block(Out y, const BlockQ4_K& b) {
  const float d = f16_to_f32(b.d), m = f16_to_f32(b.m);
  for (int j = 0; j < 8; ++j) {
    const ScaleMin s = scale_min(b.s, j);
    const float scale = d * static_cast<float>(s.scale), low = m * static_cast<float>(s.minimum);
    for (int l = 0; l < 32; ++l)
      y[32 * j + l] = scale * static_cast<float>(nibble(b.q, j, l)) - low;
  }
}

void unpack_block(Out y, const BlockQ5_K& b) {
  const float d = f16_to_f32(b.d), m = f16_to_f32(b.m);
  for (int j = 0; j < 8; ++j) {
    const ScaleMin s = scale_min(b.s, j);
    const float scale = d * static_cast<float>(s.scale), low = m * static_cast<float>(s.minimum);
    for (int l = 0; l < 32; ++l) {
      const int q = nibble(b.q, j, l) + ((b.h[l] >> j) & 1) * 16;
      y[32 * j + l] = scale * static_cast<float>(q) - low;
    }
  }
}

void unpack_block(Out y, const BlockQ6_K& b) {
  const float d = f16_to_f32(b.d);
  // Sub-blocks: eight of each half, two of each quarter of that.
  for (std::ptrdiff_t j = 0; j < 16; ++j) {
    const std::ptrdiff_t half = j / 8, quarter = j % 8 / 2, begin = 16 * (j % 2);
    const int low_shift = quarter < 2 ? 0 : 4;
    const std::uint8_t* low = b.l + 64 * half + 32 * (quarter % 2) + begin;
    const std::uint8_t* high = b.h + 32 * half + begin;
    const float scale = d * static_cast<float>(b.s[j]);
    for (int i = 0; i < 16; ++i) {
      const int q = ((low[i] >> low_shift) & 15) | ((high[i] >> (2 * quarter)) & 3) << 4;
      y[16 * j + i] = scale * static_cast<float>(q - 32);
    }
  }
}

std::int8_t nearest(float value, int least, int most) {
  constexpr float kWhole = 0x1.8p23f;  // a sum with it is a whole number
  const float above = value > static_cast<float>(least) ? value : static_cast<float>(least);
  const float bounded = above < static_cast<float>(most) ? above : static_cast<float>(most);
  return static_cast<std::int8_t>((bounded + kWhole) - kWhole);
}

void pack_block(BlockQ8_0& b, const float* x) {
  b.d = f32_to_f16(largest_magnitude(x, 32) / 127.0f);
  const float d = f16_to_f32(b.d), inverse = d > 0 ? 1.0f / d : 0.0f;  // the step as it is stored
  std::int8_t q[32];
  for (int i = 0; i < 32; ++i) q[i] = nearest(x[i] * inverse, -127, 127);
  set_levels(b, q);
}

// Of 32 numbers, the first of largest magnitude.
float extreme(const float* x) {
  const float most = largest_magnitude(x, 32);
  return *std::find_if(x, x + 31, [=](float v) { return std::abs(v) == most; });
}

// The extreme lands on -8, the end of the grid that reaches farther.
void pack_block(BlockQ4_0& b, const float* x) {
  b.d = f32_to_f16(extreme(x) / -8.0f);
  const float d = f16_to_f32(b.d), inverse = d != 0 ? 1.0f / d : 0.0f;
  std::int8_t q[32];
  for (int i = 0; i < 32; ++i) q[i] = nearest(x[i] * inverse, -8, 7);
  set_levels(b, q);
}

// Scales and minima of eight sub-blocks, so that q = round((x + minimum) / scale) is 0 … most.
struct SubBlocks {
  float scale[8], minimum[8];
};
SubBlocks measure(const float* x, float most) {
  SubBlocks s{};
  for (std::ptrdiff_t j = 0; j < 8; ++j) {
    const auto [low, high] = std::minmax_element(x + 32 * j, x + 32 * j + 32);
    const float least = std::min(*low, 0.0f);  // the format's minimum cannot be above zero
    s.minimum[j] = -least;
    s.scale[j] = (std::max(*high, 0.0f) - least) / most;
  }
  return s;
}

// Of Q4_K and Q5_K, whose levels end at `most`.
template <typename Block>
void pack_sub_blocks(Block& b, const float* x, int most) {
  const SubBlocks sub = measure(x, static_cast<float>(most));
  const float d = *std::max_element(sub.scale, sub.scale + 8) / 63.0f;
  const float m = *std::max_element(sub.minimum, sub.minimum + 8) / 63.0f;
  b.d = f32_to_f16(d);
  b.m = f32_to_f16(m);
  const float stored_d = f16_to_f32(b.d), stored_m = f16_to_f32(b.m);
  std::int8_t q[256];
  for (int j = 0; j < 8; ++j) {
    const int scale = d > 0 ? nearest(sub.scale[j] / d, 0, 63) : 0;
    const int minimum = m > 0 ? nearest(sub.minimum[j] / m, 0, 63) : 0;
    set_scale_min(b.s, j, {static_cast<std::uint8_t>(scale), static_cast<std::uint8_t>(minimum)});
    const float step = stored_d * static_cast<float>(scale);
    const float low = stored_m * static_cast<float>(minimum);
    for (int e = 32 * j; e < 32 * j + 32; ++e)
      q[e] = step > 0 ? nearest((x[e] + low) / step, 0, most) : std::int8_t{0};
  }
  set_levels(b, q);
}

void pack_block(BlockQ4_K& b, const float* x) { pack_sub_blocks(b, x, 15); }
void pack_block(BlockQ5_K& b, const float* x) { pack_sub_blocks(b, x, 31); }

void pack_block(BlockQ6_K& b, const float* x) {
  float scale[16];
  for (std::ptrdiff_t j = 0; j < 16; ++j) scale[j] = largest_magnitude(x + 16 * j, 16) / 31.0f;
  const float d = *std::max_element(scale, scale + 16) / 127.0f;
  b.d = f32_to_f16(d);
  const float stored = f16_to_f32(b.d);
  std::int8_t q[256];
  for (int j = 0; j < 16; ++j) {
    b.s[j] = d > 0 ? nearest(scale[j] / d, 0, 127) : std::int8_t{0};
    const float step = stored * static_cast<float>(b.s[j]);
    for (int e = 16 * j; e < 16 * j + 16; ++e)
      q[e] = step > 0 ? nearest(x[e] / step, -32, 31) : std::int8_t{0};
  }
  set_levels(b, q);
}

void round_to_codebook(std::int8_t q[32], const float* x, float step) {
  const float inverse = step != 0 ? 1.0f / step : 0.0f;
  for (int i = 0; i < 32; ++i) q[i] = static_cast<std::int8_t>(nearest_in_codebook(x[i] * inverse));
}

void pack_block(BlockIQ4_NL& b, const float* x) {
  b.d = f32_to_f16(extreme(x) / static_cast<float>(kCodebookLeast));
  std::int8_t q[32];
  round_to_codebook(q, x, f16_to_f32(b.d));
  set_levels(b, q);
}

void pack_block(BlockIQ4_XS& b, const float* x) {
  float step[8];
  for (std::ptrdiff_t j = 0; j < 8; ++j)
    step[j] = extreme(x + 32 * j) / static_cast<float>(kCodebookLeast);
  const float d = largest_magnitude(step, 8) / 31.0f;
  b.d = f32_to_f16(d);
  const float stored = f16_to_f32(b.d);
  std::int8_t q[256];
  for (int j = 0; j < 8; ++j) {
    const int scale = d > 0 ? nearest(step[j] / d, -32, 31) : 0;
    set_scale_of_six_bits(b.s, j, scale);
    const std::ptrdiff_t at = std::ptrdiff_t{32} * j;
    round_to_codebook(q + at, x + at, stored * static_cast<float>(scale));
  }
  set_levels(b, q);
}

void set_nibbles(std::uint8_t* out, const std::int8_t q[256]) {
  for (int p = 0; p < 4; ++p)
    for (int l = 0; l < 32; ++l)
      out[32 * p + l] =
          static_cast<std::uint8_t>((q[64 * p + l] & 15) | (q[64 * p + 32 + l] & 15) << 4);
}

// memcpy, because a block in a file need not lie on its own alignment.
template <typename Block>
void unpack_all(std::span<float> values, const void* blocks, std::size_t elements) {
  assert(values.size() % elements == 0);
  const auto* in = static_cast<const unsigned char*>(blocks);
  for (std::size_t i = 0; i < values.size(); i += elements, in += sizeof(Block)) {
    Block b;
    std::memcpy(&b, in, sizeof b);
    unpack_block(values.data() + i, b);
  }
}

template <typename Block>
void pack_all(void* blocks, std::span<const float> values, std::size_t elements) {
  assert(values.size() % elements == 0);
  auto* out = static_cast<unsigned char*>(blocks);
  for (std::size_t i = 0; i < values.size(); i += elements, out += sizeof(Block)) {
    Block b{};
    pack_block(b, values.data() + i);
    std::memcpy(out, &b, sizeof b);
  }
}

template <typename Bits, float (*widen)(Bits)>
void widen_all(std::span<float> values, const void* in) {
  for (std::size_t i = 0; i < values.size(); ++i) {
    Bits bits = 0;
    std::memcpy(&bits, static_cast<const unsigned char*>(in) + sizeof bits * i, sizeof bits);
    values[i] = widen(bits);
  }
}

template <typename Bits, Bits (*narrow)(float)>
void narrow_all(void* out, std::span<const float> values) {
  for (std::size_t i = 0; i < values.size(); ++i) {
    const Bits bits = narrow(values[i]);
    std::memcpy(static_cast<unsigned char*>(out) + sizeof bits * i, &bits, sizeof bits);
  }
}

}  // namespace

void set_scale_min(std::uint8_t s[12], int j, ScaleMin value) {
  const int scale = value.scale, minimum = value.minimum;
  if (j < 4) {
    s[j] = static_cast<std::uint8_t>((s[j] & 0xC0) | scale);
    s[j + 4] = static_cast<std::uint8_t>((s[j + 4] & 0xC0) | minimum);
  } else {
    s[j + 4] = static_cast<std::uint8_t>((scale & 15) | (minimum & 15) << 4);
    s[j - 4] = static_cast<std::uint8_t>((s[j - 4] & 0x3F) | (scale >> 4) << 6);
    s[j] = static_cast<std::uint8_t>((s[j] & 0x3F) | (minimum >> 4) << 6);
  }
}

void set_levels(BlockQ8_0& b, const std::int8_t levels[32]) { std::memcpy(b.q, levels, 32); }

R1_VECTORIZED void set_levels(BlockQ4_0& b, const std::int8_t levels[32]) {
  for (int j = 0; j < 16; ++j)
    b.q[j] = static_cast<std::uint8_t>((levels[j] + 8) | (levels[j + 16] + 8) << 4);
}

R1_VECTORIZED void set_levels(BlockQ4_K& b, const std::int8_t levels[256]) {
  set_nibbles(b.q, levels);
}

R1_VECTORIZED void set_levels(BlockQ5_K& b, const std::int8_t levels[256]) {
  set_nibbles(b.q, levels);
  for (int l = 0; l < 32; ++l) {
    int bits = 0;
    for (int j = 0; j < 8; ++j) bits |= (levels[32 * j + l] >> 4) << j;
    b.h[l] = static_cast<std::uint8_t>(bits);
  }
}

// The four elements of place i in a half share a byte of high bits, and two of low ones.
R1_VECTORIZED void set_levels(BlockQ6_K& b, const std::int8_t levels[256]) {
  for (int a = 0; a < 2; ++a)
    for (int i = 0; i < 32; ++i) {
      const auto six_bits_of = [&](int k) {
        return static_cast<std::uint8_t>(levels[128 * a + 32 * k + i] + 32);
      };
      const std::uint8_t q0 = six_bits_of(0), q1 = six_bits_of(1), q2 = six_bits_of(2),
                         q3 = six_bits_of(3);
      b.l[64 * a + i] = static_cast<std::uint8_t>((q0 & 15) | q2 << 4);
      b.l[64 * a + 32 + i] = static_cast<std::uint8_t>((q1 & 15) | q3 << 4);
      b.h[32 * a + i] =
          static_cast<std::uint8_t>(q0 >> 4 | q1 >> 4 << 2 | q2 >> 4 << 4 | q3 >> 4 << 6);
    }
}

R1_VECTORIZED void unpack(std::span<float> values, const void* blocks, DType dtype) {
  switch (dtype) {
    case DType::f32:
      std::memcpy(values.data(), blocks, values.size_bytes());
      return;
    case DType::f16:
      return widen_all<std::uint16_t, half_to_float>(values, blocks);
    case DType::bf16:
      return widen_all<std::uint16_t, bfloat_to_float>(values, blocks);
    case DType::q8_0:
      return unpack_all<BlockQ8_0>(values, blocks, 32);
    case DType::q4_0:
      return unpack_all<BlockQ4_0>(values, blocks, 32);
    case DType::q4_k:
      return unpack_all<BlockQ4_K>(values, blocks, 256);
    case DType::q5_k:
      return unpack_all<BlockQ5_K>(values, blocks, 256);
    case DType::q6_k:
      return unpack_all<BlockQ6_K>(values, blocks, 256);
    case DType::iq4_nl:
      return unpack_all<BlockIQ4_NL>(values, blocks, 32);
    case DType::iq4_xs:
      return unpack_all<BlockIQ4_XS>(values, blocks, 256);
    case DType::f8_e4m3:
      return widen_all<std::uint8_t, float8_to_f32<E4M3>>(values, blocks);
    case DType::f8_e5m2:
      return widen_all<std::uint8_t, float8_to_f32<E5M2>>(values, blocks);
    case DType::i32:
    case DType::i64:
      break;
  }
  assert(false && "no weight type");
}

R1_VECTORIZED void unpack_row(std::span<float> values, const Tensor& matrix, std::int64_t row) {
  const std::size_t bytes = matrix.bytes() / static_cast<std::size_t>(matrix.rows());
  unpack(values, matrix.as<std::byte>() + static_cast<std::size_t>(row) * bytes, matrix.dtype);
}

void pack(void* blocks, std::span<const float> values, DType dtype) {
  switch (dtype) {
    case DType::f32:
      std::memcpy(blocks, values.data(), values.size_bytes());
      return;
    case DType::f16:
      return narrow_all<std::uint16_t, float_to_half>(blocks, values);
    case DType::bf16:
      return narrow_all<std::uint16_t, float_to_bfloat>(blocks, values);
    case DType::q8_0:
      return pack_all<BlockQ8_0>(blocks, values, 32);
    case DType::q4_0:
      return pack_all<BlockQ4_0>(blocks, values, 32);
    case DType::q4_k:
      return pack_all<BlockQ4_K>(blocks, values, 256);
    case DType::q5_k:
      return pack_all<BlockQ5_K>(blocks, values, 256);
    case DType::q6_k:
      return pack_all<BlockQ6_K>(blocks, values, 256);
    case DType::iq4_nl:
      return pack_all<BlockIQ4_NL>(blocks, values, 32);
    case DType::iq4_xs:
      return pack_all<BlockIQ4_XS>(blocks, values, 256);
    case DType::f8_e4m3:
      return narrow_all<std::uint8_t, f32_to_float8<E4M3>>(blocks, values);
    case DType::f8_e5m2:
      return narrow_all<std::uint8_t, f32_to_float8<E5M2>>(blocks, values);
    case DType::i32:
    case DType::i64:
      break;
  }
  assert(false && "no weight type");
}

}  // namespace r1
