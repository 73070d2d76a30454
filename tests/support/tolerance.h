#pragma once

#include "lib/models/decoder_config.h"
#include "tests/support/close.h"

namespace r1::test {

// How far the logits of two honest f32 implementations may be apart, as a share of the largest.
// A logit is the end of a chain of sums: in each layer two norms (width), the projections (width),
// q·k (head size), the weighted values (`rows`), the projection back (all heads), gate or up
// (width), down (inner); then the last norm and the head. Each sum of n terms is off by at most
// n roundings of its largest terms, which are of the size of the logits here (the checkpoints are
// drawn so: products of unit variance), and both sides are off.
inline double logit_tolerance(const DecoderConfig& c, std::size_t rows) {
  const std::int64_t heads = c.attention.heads * c.attention.head_dim;
  const std::int64_t layer =
      4 * c.width + c.attention.head_dim + static_cast<std::int64_t>(rows) + heads + c.inner;
  return 2 * roundings(c.layers * layer + 2 * c.width);
}

}  // namespace r1::test
