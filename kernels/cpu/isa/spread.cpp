// Panels as products with many rows want them: what several rows would each unpack, unpacked once.
#include "kernels/cpu/isa/blocks.h"
#include "kernels/cpu/isa/products.h"

namespace r1::R1_ISA {
namespace {

using cpu::PanelType;

template <PanelType type>
void spread_blocks(unsigned char* to, Bytes panel, std::int64_t K) {
  constexpr std::int64_t kLines = cpu::spread_block(type);
  const std::int64_t blocks = K / cpu::kBlock;
  for (std::int64_t part = 0; part < cpu::kPanelRows; part += kLanes) {
    Packed<type, 1> from(panel, part, 0);
    for (std::int64_t first = 0; first < blocks; first += cpu::kSuperBlocks) {
      from.template enter<2>(first);
      unsigned char* lines = to + cpu::spread_offset(type, first) + 4 * part;
      const auto put = [&](std::int64_t line, auto v) {
        store(lines + std::int64_t{cpu::kLine} * line, bits<Floats>(v));
      };
      for (std::int64_t b = 0; b < cpu::kSuperBlocks && first + b < blocks; ++b) {
        from.template enter_block<2>(b);
#pragma GCC unroll 8
        for (int j = 0; j < 8; ++j) put(kLines * b + j, from.quad(b, j, 0));
        for (int h = 0; h < cpu::scales_of_block(type); ++h)
          put(kLines * b + cpu::kSpreadScales + h, from.scale(b, h, 0));
      }
      if constexpr (cpu::has_minima(type)) {
        for (std::int64_t b = 0; b < cpu::kSuperBlocks; b += 2)
          put(cpu::spread_minima(type) + b / 2, from.minima(b, 0));
        put(cpu::spread_minimum(type), from.minus_minimum(0));
      }
    }
  }
}

void spread_bf16(unsigned char* to, Bytes panel, std::int64_t K) {
  for (std::int64_t k = 0; k < (K + 1) / 2; ++k)
    for (std::int64_t at = 0; at < std::int64_t{cpu::kLine}; at += kRegister) {
      const Ints pairs = load<Ints>(panel + 64 * k + at);
      for (int i = 0; i < 2; ++i)
        store(to + 64 * (2 * k + i) + at, bits<Floats>(i == 0 ? pairs << 16 : pairs >> 16 << 16));
    }
}

}  // namespace

void spread(PanelType type, void* to, const void* panel, std::int64_t K) {
  const auto bytes = static_cast<unsigned char*>(to);
  by_type(type, [&](auto of) {
    if constexpr (of.kType == PanelType::bf16)
      spread_bf16(bytes, static_cast<Bytes>(panel), K);
    else if constexpr (of.kType != PanelType::f32 && of.kType != PanelType::f16)
      spread_blocks<of.kType>(bytes, static_cast<Bytes>(panel), K);
  });
}

}  // namespace r1::R1_ISA
