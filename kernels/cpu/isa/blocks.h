#pragma once

#include "kernels/cpu/isa/quads.h"

// Weights in blocks as products read them: quads of 32 k, which are bytes ready to be multiplied,
// scales and minima, of P registers' worth of rows side by side. `enter` takes the blocks that
// share a step of x, from `first` on; b is counted from there, h is a half of a block.
namespace r1::R1_ISA {

using Bytes = const unsigned char*;

constexpr bool has_signed_scales(cpu::PanelType type) {
  return type == cpu::PanelType::q6_k || type == cpu::PanelType::iq4_xs;
}

// Registers that hold a panel's rows, and where number p of neighbouring panels finds its bytes.
inline constexpr int kParts = static_cast<int>(cpu::kPanelRows / kLanes);
R1_INLINE std::int64_t panel_at(int p, std::int64_t apart) { return p / kParts * apart; }
R1_INLINE std::int64_t register_at(int p, std::int64_t apart) {
  return panel_at(p, apart) + std::int64_t{kRegister} * (p % kParts);
}

// Asks for weights that R rows will want later, as far as the second cache, where P registers are
// at `at` in their panels. One row streams by itself; several keep the machine at work so long
// between two loads that it fetches too late: from memory, 8 rows then take 3 times as long in bf16
// and q8_0.
constexpr std::int64_t kAhead = 16384;  // bytes: half a microsecond
template <int R, int P>
R1_INLINE void fetch(Bytes panels, std::int64_t at, std::size_t bytes, std::int64_t apart) {
  constexpr int kSecondCache = 2, kPanels = (P + kParts - 1) / kParts;
  if (R == 1) return;
  std::int64_t later = at + kAhead / kPanels;
  if (kPanels > 1 && later >= apart) later += (kPanels - 1) * apart;
  for (int p = 0; p < kPanels; ++p)
    for (std::size_t i = 0; i < bytes; i += 64)
      __builtin_prefetch(panels + p * apart + later + i, 0, kSecondCache);
}

// As panels have them that are `apart`, from row `part` of the first on.
template <cpu::PanelType type, int P>
class Packed {
 public:
  static constexpr cpu::PanelType kType = type;
  R1_INLINE Packed(Bytes panels, std::int64_t part, std::int64_t apart)
      : panels_(panels), part_(part), apart_(apart) {}

  template <int R>
  R1_INLINE void enter(std::int64_t first) {
    first_ = first;
    if constexpr (kShares) {
      fetch<R, P>(panels_, shared(0) - panels_, cpu::shared_size(type), apart_);
      for (int p = 0; p < P; ++p) d_[p] = from_f16(shared(p) + 2 * row(p));
    }
  }
  template <int R>
  R1_INLINE void enter_block(std::int64_t b) const {
    fetch<R, P>(panels_, block(b, 0) - panels_, cpu::block_size(type), apart_);
  }
  R1_INLINE Ints quad(std::int64_t b, std::int64_t j, int p) const {
    const Bytes values = block(b, p) + 4 * row(p);
    const cpu::Pieces pieces = cpu::pieces_of(type, static_cast<std::size_t>(j));
    Ints value{};
#pragma GCC unroll 3
    for (const cpu::Piece& piece : pieces.of)
      value |= load<Ints>(values + cpu::kLine * piece.line) >> piece.shift &
               static_cast<std::int32_t>(piece.mask_of_four());
    if constexpr (cpu::has_codebook(type)) value = in_codebook(value);
    return cpu::is_signed(type) ? signed_bytes(value) : value;
  }
  R1_INLINE Floats scale(std::int64_t b, int h, int p) const {
    if constexpr (!kShares) return from_f16(scales(b, p) + 2 * row(p));
    const Bytes byte = scales(b, p) + std::int64_t{16} * h + row(p);
    return d_[p] *
           to_floats(has_signed_scales(type) ? widen_signed_bytes(byte) : widen_bytes(byte));
  }
  // Of this block and the next, in pairs.
  R1_INLINE Ints minima(std::int64_t b, int p) const {
    return widen_bytes(scales(b, p) + 16 + row(p)) |
           (widen_bytes(scales(b + 1, p) + 16 + row(p)) << 16);
  }
  // What they are times, and times sums of x in steps.
  R1_INLINE Floats minus_minimum(int p) const {
    return from_f16(shared(p) + cpu::kHalves + 2 * row(p)) * (-1.0f / cpu::kSumSteps);
  }

 private:
  static constexpr bool kShares = cpu::shared_size(type) > 0;
  R1_INLINE std::int64_t row(int p) const {
    return (P < kParts ? part_ : 0) + kLanes * (p % kParts);  // 0: a constant, where it can be
  }
  R1_INLINE Bytes panel(int p) const { return panels_ + panel_at(p, apart_); }
  R1_INLINE Bytes block(std::int64_t b, int p) const {
    return panel(p) + cpu::block_offset(type, first_ + b);
  }
  R1_INLINE Bytes scales(std::int64_t b, int p) const {
    return block(b, p) + cpu::values_size(type);
  }
  R1_INLINE Bytes shared(int p) const { return panel(p) + cpu::shared_offset(type, first_); }

  Bytes panels_;
  std::int64_t part_, apart_, first_ = 0;
  Each<Floats, P> d_;
};

// As `spread` leaves them, from row `part` of the first of some panels on.
template <cpu::PanelType type, int P>
class Spread {
 public:
  static constexpr cpu::PanelType kType = type;
  R1_INLINE Spread(Bytes panels, std::int64_t part, std::int64_t apart)
      : panels_(panels + 4 * part), apart_(apart) {}

  template <int R>
  R1_INLINE void enter(std::int64_t first) {
    lines_ = panels_ + cpu::spread_offset(type, first);
  }
  template <int R>
  R1_INLINE void enter_block(std::int64_t) const {}
  R1_INLINE Ints quad(std::int64_t b, std::int64_t j, int p) const {
    return load<Ints>(line(kLines * b + j, p));
  }
  R1_INLINE Floats scale(std::int64_t b, int h, int p) const {
    return load<Floats>(line(kLines * b + cpu::kSpreadScales + h, p));
  }
  R1_INLINE Ints minima(std::int64_t b, int p) const {
    return load<Ints>(line(cpu::spread_minima(type) + b / 2, p));
  }
  R1_INLINE Floats minus_minimum(int p) const {
    return load<Floats>(line(cpu::spread_minimum(type), p));
  }

 private:
  static constexpr std::int64_t kLines = cpu::spread_block(type);
  R1_INLINE Bytes line(std::int64_t i, int p) const {
    return lines_ + std::int64_t{cpu::kLine} * i + register_at(p, apart_);
  }
  Bytes panels_, lines_ = nullptr;
  std::int64_t apart_;
};

// Calls act with the type as a constant, `kType`.
template <cpu::PanelType type>
struct Of {
  static constexpr cpu::PanelType kType = type;
};
template <typename Act>
void by_type(cpu::PanelType type, const Act& act) {
  switch (type) {
    case cpu::PanelType::f32:
      return act(Of<cpu::PanelType::f32>());
    case cpu::PanelType::bf16:
      return act(Of<cpu::PanelType::bf16>());
    case cpu::PanelType::f16:
      if constexpr (kHasF16) act(Of<cpu::PanelType::f16>());
      return;
    case cpu::PanelType::q8_0:
      return act(Of<cpu::PanelType::q8_0>());
    case cpu::PanelType::q4_0:
      return act(Of<cpu::PanelType::q4_0>());
    case cpu::PanelType::q4_k:
      return act(Of<cpu::PanelType::q4_k>());
    case cpu::PanelType::q5_k:
      return act(Of<cpu::PanelType::q5_k>());
    case cpu::PanelType::q6_k:
      return act(Of<cpu::PanelType::q6_k>());
    case cpu::PanelType::iq4_nl:
      return act(Of<cpu::PanelType::iq4_nl>());
    case cpu::PanelType::iq4_xs:
      return act(Of<cpu::PanelType::iq4_xs>());
  }
}

}  // namespace r1::R1_ISA
