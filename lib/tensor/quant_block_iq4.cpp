// What IQ4_NL and IQ4_XS store: places in the codebook, and scales of six bits.
#include "lib/tensor/quant_block.h"

namespace r1 {
namespace {

int place_in_codebook(int number) {  // which is in it
  int place = 0;
  while (kCodebook[place] < number) ++place;
  return place;
}

void set_places(std::uint8_t q[16], const std::int8_t levels[32]) {
  for (int j = 0; j < 16; ++j)
    q[j] = static_cast<std::uint8_t>(place_in_codebook(levels[j]) |
                                     place_in_codebook(levels[j + 16]) << 4);
}

}  // namespace

void set_scale_of_six_bits(std::uint8_t s[6], int j, int scale) {
  const int six = scale + 32;
  s[j / 4] |= static_cast<std::uint8_t>((six >> 4) << (j % 4 * 2));
  s[2 + j / 2] |= static_cast<std::uint8_t>((six & 15) << (j % 2 * 4));
}

void set_levels(BlockIQ4_NL& b, const std::int8_t levels[32]) { set_places(b.q, levels); }

void set_levels(BlockIQ4_XS& b, const std::int8_t levels[256]) {
  for (int j = 0; j < 8; ++j) set_places(b.q + 16 * j, levels + 32 * j);
}

}  // namespace r1
