#include "kernels/cpu/panels.h"

#include <cassert>
#include <cstring>
#include <vector>

#include "lib/tensor/float16.h"
#include "lib/tensor/quant_block.h"

namespace r1::cpu {
namespace {

// The values of a block in row r, of which nothing is put yet.
template <PanelType type>
void put_values(std::byte* values, std::size_t r, const std::uint8_t q[kBlock]) {
#pragma GCC unroll 8
  for (std::size_t quad = 0; quad < 8; ++quad) {
    std::uint32_t four = 0, line = 0;
    std::memcpy(&four, q + 4 * quad, sizeof four);
    const Pieces pieces = pieces_of(type, quad);
#pragma GCC unroll 3
    for (const Piece& p : pieces.of) {
      if (p.mask == 0) continue;
      std::byte* at = values + kLine * p.line + 4 * r;
      std::memcpy(&line, at, sizeof line);
      line |= (four & p.mask_of_four()) << p.shift;
      std::memcpy(at, &line, sizeof line);
    }
  }
}
// Element k of them.
template <PanelType type>
int value_at(const std::byte* values, std::size_t r, std::size_t k) {
  int q = 0;
  for (const Piece& p : pieces_of(type, k / 4).of)
    q |= std::to_integer<int>(values[kLine * p.line + 4 * r + k % 4]) >> p.shift & p.mask;
  return q;
}

void put_half(std::byte* halves, std::size_t r, std::uint16_t h) {
  std::memcpy(halves + 2 * r, &h, 2);
}
float half_at(const std::byte* halves, std::size_t r) {
  std::uint16_t h = 0;
  std::memcpy(&h, halves + 2 * r, 2);
  return f16_to_f32(h);
}

// The blocks of one row of a file go to their places in a panel: b counts 32 k, or 256.
struct Target {
  std::byte* panel;
  PanelType type;
  std::size_t r;
  std::byte* block(std::int64_t b) const { return panel + block_offset(type, b); }
  std::byte* after(std::int64_t b) const { return block(b) + values_size(type); }
  std::byte* shared(std::int64_t super) const {
    return panel + shared_offset(type, super * kSuperBlocks);
  }
};

void place(const Target& to, const BlockQ8_0& in, std::int64_t b) {
  put_values<PanelType::q8_0>(to.block(b), to.r, reinterpret_cast<const std::uint8_t*>(in.q));
  put_half(to.after(b), to.r, in.d);
}

// Byte k has element k and, above it, element k + 16: as the panel has them.
void put_nibbles(std::byte* values, std::size_t r, const std::uint8_t q[16]) {
  for (std::size_t quad = 0; quad < 4; ++quad)
    std::memcpy(values + kLine * quad + 4 * r, q + 4 * quad, 4);
}

template <typename Block>
void place_nibbles(const Target& to, const Block& in, std::int64_t b) {
  put_nibbles(to.block(b), to.r, in.q);
  put_half(to.after(b), to.r, in.d);
}
void place(const Target& to, const BlockQ4_0& in, std::int64_t b) { place_nibbles(to, in, b); }
void place(const Target& to, const BlockIQ4_NL& in, std::int64_t b) { place_nibbles(to, in, b); }

void place(const Target& to, const BlockIQ4_XS& in, std::int64_t super) {
  put_half(to.shared(super), to.r, in.d);
  for (std::size_t j = 0; j < 8; ++j) {
    const std::int64_t b = super * kSuperBlocks + static_cast<std::int64_t>(j);
    put_nibbles(to.block(b), to.r, in.q + 16 * j);
    to.after(b)[to.r] = static_cast<std::byte>(scale_of_six_bits(in.s, static_cast<int>(j)));
  }
}

void put_scale_min(std::byte* scales, std::size_t r, ScaleMin s) {
  scales[r] = static_cast<std::byte>(s.scale);
  scales[16 + r] = static_cast<std::byte>(s.minimum);
}

// Sub-block 2p has the low nibbles of q[32p …], 2p + 1 the high ones.
std::uint8_t low_bits(const std::uint8_t* q, std::size_t j, std::size_t k) {
  const int b = q[j / 2 * 32 + k];
  return static_cast<std::uint8_t>(j % 2 == 0 ? b & 15 : b >> 4);
}

void place(const Target& to, const BlockQ4_K& in, std::int64_t super) {
  put_half(to.shared(super), to.r, in.d);
  put_half(to.shared(super) + kHalves, to.r, in.m);
  for (std::size_t j = 0; j < 8; ++j) {
    const std::int64_t b = super * kSuperBlocks + static_cast<std::int64_t>(j);
    std::uint8_t q[kBlock];
    for (std::size_t k = 0; k < kBlock; ++k) q[k] = low_bits(in.q, j, k);
    put_values<PanelType::q4_k>(to.block(b), to.r, q);
    put_scale_min(to.after(b), to.r, scale_min(in.s, static_cast<int>(j)));
  }
}

void place(const Target& to, const BlockQ5_K& in, std::int64_t super) {
  put_half(to.shared(super), to.r, in.d);
  put_half(to.shared(super) + kHalves, to.r, in.m);
  for (std::size_t j = 0; j < 8; ++j) {
    const std::int64_t b = super * kSuperBlocks + static_cast<std::int64_t>(j);
    std::uint8_t q[kBlock];
    for (std::size_t k = 0; k < kBlock; ++k)
      q[k] = static_cast<std::uint8_t>(low_bits(in.q, j, k) + (in.h[k] >> j & 1) * 16);
    put_values<PanelType::q5_k>(to.block(b), to.r, q);
    put_scale_min(to.after(b), to.r, scale_min(in.s, static_cast<int>(j)));
  }
}

// Stored as 0 … 63, as in the file. Element 32 j + i is in half a = j / 4, third k = j % 4.
void place(const Target& to, const BlockQ6_K& in, std::int64_t super) {
  put_half(to.shared(super), to.r, in.d);
  for (std::size_t j = 0; j < 8; ++j) {
    const std::int64_t b = super * kSuperBlocks + static_cast<std::int64_t>(j);
    const std::size_t a = j / 4, k = j % 4;
    std::uint8_t q[kBlock];
    for (std::size_t i = 0; i < kBlock; ++i) {
      const int low = in.l[64 * a + 32 * (k % 2) + i], high = in.h[32 * a + i] >> (2 * k) & 3;
      q[i] = static_cast<std::uint8_t>((k < 2 ? low & 15 : low >> 4) | high << 4);
    }
    put_values<PanelType::q6_k>(to.block(b), to.r, q);
    for (std::size_t half = 0; half < 2; ++half)
      to.after(b)[16 * half + to.r] = static_cast<std::byte>(in.s[2 * j + half]);
  }
}

template <typename Block>
void place_row(const Target& to, const std::byte* row, std::int64_t blocks) {
  for (std::int64_t b = 0; b < blocks; ++b) {
    Block in;  // copied, because a file's blocks need not lie on their own alignment
    std::memcpy(&in, row + static_cast<std::size_t>(b) * sizeof in, sizeof in);
    place(to, in, b);
  }
}

void place_floats(std::byte* panel, std::size_t r, const std::vector<float>& values) {
  std::byte* to = panel + 4 * r;
  for (std::size_t k = 0; k < values.size(); ++k) std::memcpy(to + 64 * k, &values[k], 4);
}

void place_bf16(std::byte* panel, std::size_t r, const std::uint16_t* values, std::int64_t K) {
  std::byte* to = panel + 4 * r;
  for (std::int64_t k = 0; k < K; k += 2)
    std::memcpy(to + 32 * k, values + k, k + 1 < K ? std::size_t{4} : std::size_t{2});
}

// A row of numbers that are no blocks. `floats` and `halves` are room for it.
void place_numbers(const Target& to, const std::byte* row, const Tensor& w,
                   std::vector<float>& floats, std::vector<std::uint16_t>& halves) {
  const auto K = static_cast<std::size_t>(w.cols());
  halves.resize(K);
  if (to.type == PanelType::bf16 && w.dtype == DType::bf16) {
    std::memcpy(halves.data(), row, 2 * K);
    return place_bf16(to.panel, to.r, halves.data(), w.cols());
  }
  floats.resize(K);
  unpack(floats, row, w.dtype);
  if (to.type == PanelType::f32) return place_floats(to.panel, to.r, floats);
  for (std::size_t k = 0; k < K; ++k) halves[k] = float_to_bfloat(floats[k]);
  place_bf16(to.panel, to.r, halves.data(), w.cols());
}

// What a block's values are multiplied by in row r, and what is taken away after.
struct Scale {
  float scale, minimum = 0.0f;
};
// Of elements 16 half … of block b (of 32).
template <PanelType type>
Scale scale_of(const std::byte* panel, std::int64_t b, std::size_t r, std::size_t half) {
  const std::byte* after = panel + block_offset(type, b) + values_size(type);
  const std::byte* shared = panel + shared_offset(type, b);
  const auto byte = [&](std::size_t at) {
    return static_cast<float>(std::to_integer<std::uint8_t>(after[at]));
  };
  const auto signed_byte = [&](std::size_t at) {
    return static_cast<float>(std::to_integer<std::int8_t>(after[at]));
  };
  switch (type) {
    case PanelType::q8_0:
    case PanelType::q4_0:
    case PanelType::iq4_nl:
      return {half_at(after, r)};
    case PanelType::q4_k:
    case PanelType::q5_k:
      return {half_at(shared, r) * byte(r), half_at(shared + kHalves, r) * byte(16 + r)};
    case PanelType::q6_k:
      return {half_at(shared, r) * signed_byte(16 * half + r)};
    case PanelType::iq4_xs:
      return {half_at(shared, r) * signed_byte(r)};
    case PanelType::f32:
    case PanelType::bf16:
    case PanelType::f16:
      break;
  }
  assert(false && "no blocks");
  return {};
}

// What the bits q of a value say.
template <PanelType type>
float number(int q) {
  if constexpr (type == PanelType::q8_0) return static_cast<float>(static_cast<std::int8_t>(q));
  if constexpr (has_codebook(type)) return static_cast<float>(kCodebook[q]);
  constexpr int kZero = type == PanelType::q4_0 ? 8 : type == PanelType::q6_k ? 32 : 0;
  return static_cast<float>(q - kZero);
}

template <PanelType type>
void unpack_blocks(float* values, const std::byte* panel, std::size_t r, std::size_t K) {
  for (std::size_t at = 0; at < K; at += kBlock)
    for (std::size_t half = 0; half < 2; ++half) {
      const auto b = static_cast<std::int64_t>(at / kBlock);
      const std::byte* block = panel + block_offset(type, b);
      const auto [scale, minimum] = scale_of<type>(panel, b, r, half);
#pragma GCC unroll 16
      for (std::size_t k = 16 * half; k < 16 * half + 16; ++k)
        values[at + k] = scale * number<type>(value_at<type>(block, r, k)) - minimum;
    }
}

template <PanelType type, typename InFile>
struct Format {
  static constexpr PanelType kType = type;
  using Block = InFile;
};
// Calls act(Format) for a type of blocks; false where it is none.
template <typename Act>
bool with_format(PanelType type, const Act& act) {
  switch (type) {
    case PanelType::q8_0:
      return act(Format<PanelType::q8_0, BlockQ8_0>()), true;
    case PanelType::q4_0:
      return act(Format<PanelType::q4_0, BlockQ4_0>()), true;
    case PanelType::q4_k:
      return act(Format<PanelType::q4_k, BlockQ4_K>()), true;
    case PanelType::q5_k:
      return act(Format<PanelType::q5_k, BlockQ5_K>()), true;
    case PanelType::q6_k:
      return act(Format<PanelType::q6_k, BlockQ6_K>()), true;
    case PanelType::iq4_nl:
      return act(Format<PanelType::iq4_nl, BlockIQ4_NL>()), true;
    case PanelType::iq4_xs:
      return act(Format<PanelType::iq4_xs, BlockIQ4_XS>()), true;
    case PanelType::f32:
    case PanelType::bf16:
    case PanelType::f16:
      break;
  }
  return false;
}

}  // namespace

PanelType panel_type(DType dtype) {
  switch (dtype) {
    case DType::q8_0:
      return PanelType::q8_0;
    case DType::q4_0:
      return PanelType::q4_0;
    case DType::q4_k:
      return PanelType::q4_k;
    case DType::q5_k:
      return PanelType::q5_k;
    case DType::q6_k:
      return PanelType::q6_k;
    case DType::iq4_nl:
      return PanelType::iq4_nl;
    case DType::iq4_xs:
      return PanelType::iq4_xs;
    case DType::bf16:
      return PanelType::bf16;
    case DType::f16:
      return PanelType::f16;
    case DType::f32:
    case DType::i32:
    case DType::i64:
    case DType::f8_e4m3:
    case DType::f8_e5m2:
      break;
  }
  return PanelType::f32;
}

void pack_panel(std::byte* panel, PanelType type, const Tensor& w, std::int64_t p) {
  const std::int64_t K = w.cols(), blocks = K / block_elements(w.dtype);
  const std::size_t row_bytes = static_cast<std::size_t>(blocks) * block_bytes(w.dtype);
  std::memset(panel, 0, panel_size(type, K));
  std::vector<float> floats;
  std::vector<std::uint16_t> halves;
  for (int r = 0; r < kPanelRows && p * kPanelRows + r < w.rows(); ++r) {
    const auto* row = w.as<std::byte>() + static_cast<std::size_t>(p * kPanelRows + r) * row_bytes;
    const Target to{panel, type, static_cast<std::size_t>(r)};
    if (!with_format(type, [&](auto format) {
          place_row<typename decltype(format)::Block>(to, row, blocks);
        }))
      place_numbers(to, row, w, floats, halves);
  }
}

void unpack_row(float* values, const Tensor& w, std::int64_t n) {
  const PanelType type = panel_type(w.dtype);
  const auto r = static_cast<std::size_t>(n % kPanelRows);
  const auto K = static_cast<std::size_t>(w.cols());
  const auto* panel =
      w.as<std::byte>() + static_cast<std::size_t>(n / kPanelRows) * panel_size(type, w.cols());
  if (with_format(type, [&](auto format) { unpack_blocks<format.kType>(values, panel, r, K); }))
    return;
  float scale = 1.0f;
  const bool is_f16 = type == PanelType::f16;
  if (is_f16) {
    std::memcpy(&scale, panel + 4 * r, 4);
    panel += kLine;
  }
  for (std::size_t k = 0; k < K; ++k) {
    if (type == PanelType::f32) {
      std::memcpy(&values[k], panel + (k * 16 + r) * 4, 4);
    } else {
      std::uint16_t b = 0;
      std::memcpy(&b, panel + (k / 2 * 32 + r * 2 + k % 2) * 2, 2);
      values[k] = is_f16 ? half_to_float(b) * scale : bfloat_to_float(b);
    }
  }
}

}  // namespace r1::cpu
