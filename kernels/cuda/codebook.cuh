#pragma once

#include <cuda_runtime.h>

#include "lib/tensor/codebook.h"

namespace r1::cuda {

// Four numbers of the codebook, from place 4 i on.
constexpr unsigned codebook_word(int i) {
  unsigned word = 0;
  for (int b = 3; b >= 0; --b) word = word << 8 | static_cast<std::uint8_t>(kCodebook[4 * i + b]);
  return word;
}

// The numbers of the codebook at four places, the nibbles in the lower half of `places`: each is
// looked up among the first eight and the last eight, and its highest bit says which counts.
__device__ inline unsigned four_of_codebook(unsigned places) {
  constexpr unsigned kWords[] = {codebook_word(0), codebook_word(1), codebook_word(2),
                                 codebook_word(3)};
  const unsigned eighth = places & 0x7777u;
  const unsigned first = __byte_perm(kWords[0], kWords[1], eighth);
  const unsigned last = __byte_perm(kWords[2], kWords[3], eighth);
  return __byte_perm(first, last, 0x3210u | (places & 0x8888u) >> 1);
}

}  // namespace r1::cuda
