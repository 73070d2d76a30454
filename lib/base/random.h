#pragma once

#include <cstdint>

namespace r1 {

// Counter-based random bits: (seed, stream, index) -> 64 bits, the same on every device and for
// any order of asking. Philox-4x32-10, Salmon et al. 2011.
std::uint64_t random_bits(std::uint64_t seed, std::uint64_t stream, std::uint64_t index);

// Uniform in [0, 1), 53 bits.
double random_uniform(std::uint64_t seed, std::uint64_t stream, std::uint64_t index);

}  // namespace r1
