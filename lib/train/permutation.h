#pragma once

#include <cstdint>

namespace r1 {

// Which of `count` things stands at `place` (0 … count - 1) in an epoch: a bijection for each seed
// and epoch, without a stored shuffle. A Feistel network over the bits of the largest place, walked
// until it ends inside.
std::int64_t permuted(std::int64_t place, std::int64_t count, std::uint64_t seed,
                      std::uint64_t epoch);

}  // namespace r1
