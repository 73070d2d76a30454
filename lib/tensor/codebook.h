#pragma once

#include <cstdint>

namespace r1 {

// What the nibbles of IQ4_NL and IQ4_XS stand for: close together where weights are many.
inline constexpr std::int8_t kCodebook[16] = {-127, -104, -83, -65, -49, -35, -22, -10,
                                              1,    13,   25,  38,  53,  69,  89,  113};
inline constexpr int kCodebookLeast = int{kCodebook[0]}, kCodebookMost = int{kCodebook[15]};

}  // namespace r1
