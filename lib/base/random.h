#pragma once

#include <cstdint>

namespace r1 {

// Counter-based random bits: (seed, stream, index) -> 128 bits, the same on every device and for
// any order of asking. Philox-4x32-10, Salmon et al. 2011: ten rounds of two 32-bit products over a
// 128-bit counter (stream, index) with a 64-bit key (seed). Constants from the paper. Here, so that
// kernels of cards have it too.
struct RandomBlock {
  std::uint32_t words[4];
};
constexpr RandomBlock random_block(std::uint64_t seed, std::uint64_t stream, std::uint64_t index) {
  constexpr std::uint64_t kMul0 = 0xD2511F53, kMul1 = 0xCD9E8D57;
  constexpr std::uint32_t kWeyl0 = 0x9E3779B9, kWeyl1 = 0xBB67AE85;
  const auto low = [](std::uint64_t v) { return static_cast<std::uint32_t>(v); };
  const auto high = [](std::uint64_t v) { return static_cast<std::uint32_t>(v >> 32); };
  std::uint32_t c0 = low(index), c1 = high(index), c2 = low(stream), c3 = high(stream);
  std::uint32_t k0 = low(seed), k1 = high(seed);
  for (int round = 0; round < 10; ++round, k0 += kWeyl0, k1 += kWeyl1) {
    const std::uint64_t p0 = kMul0 * c0, p1 = kMul1 * c2;
    c0 = high(p1) ^ c1 ^ k0;
    c1 = low(p1);
    c2 = high(p0) ^ c3 ^ k1;
    c3 = low(p0);
  }
  return {{c0, c1, c2, c3}};
}

// The first 64 of them.
constexpr std::uint64_t random_bits(std::uint64_t seed, std::uint64_t stream, std::uint64_t index) {
  const RandomBlock block = random_block(seed, stream, index);
  return (std::uint64_t{block.words[1]} << 32) | block.words[0];
}

// Uniform in [0, 1), 53 bits.
double random_uniform(std::uint64_t seed, std::uint64_t stream, std::uint64_t index);

}  // namespace r1
