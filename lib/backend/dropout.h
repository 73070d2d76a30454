#pragma once

#include <cstdint>

#include "lib/base/random.h"

namespace r1 {

// A share of elements, in steps of 2^-16, becomes zero; the others are divided by what is left.
// Which ones depends on seed, stream and index alone.
struct Dropout {
  float share = 0;
  std::uint64_t seed = 0, stream = 0;
};

inline constexpr std::int64_t kDropoutDraw = 8;  // elements one behind the other share a draw

// What the elements from kDropoutDraw * draw on are multiplied by, each by 16 bits of its own.
struct DropoutFactors {
  float of[kDropoutDraw];
};
constexpr DropoutFactors dropout_factors(const Dropout& d, std::int64_t draw) {
  const auto dropped = static_cast<std::uint32_t>(d.share * 65536);
  const float kept = 65536.0f / static_cast<float>(65536 - dropped);
  const RandomBlock block = random_block(d.seed, d.stream, static_cast<std::uint64_t>(draw));
  DropoutFactors f{};
  for (int i = 0; i < kDropoutDraw; ++i)
    f.of[i] = (block.words[i / 2] >> (16 * (i % 2)) & 0xffff) < dropped ? 0 : kept;
  return f;
}

}  // namespace r1
