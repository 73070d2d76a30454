#include "lib/train/permutation.h"

#include <bit>

#include "lib/base/random.h"

namespace r1 {
namespace {

constexpr int kRounds = 4;

}  // namespace

std::int64_t permuted(std::int64_t place, std::int64_t count, std::uint64_t seed,
                      std::uint64_t epoch) {
  const auto bits = static_cast<int>(std::bit_width(static_cast<std::uint64_t>(count - 1)));
  const int half = (bits + 1) / 2;
  const std::uint64_t mask = (std::uint64_t{1} << half) - 1;
  auto at = static_cast<std::uint64_t>(place);
  do {
    std::uint64_t left = at >> half, right = at & mask;
    for (std::uint64_t round = 0; round < kRounds; ++round) {
      const std::uint64_t mixed = random_bits(seed, epoch, round << 32 | right) & mask;
      const std::uint64_t next = left ^ mixed;
      left = right;
      right = next;
    }
    at = left << half | right;
  } while (at >= static_cast<std::uint64_t>(count));
  return static_cast<std::int64_t>(at);
}

}  // namespace r1
