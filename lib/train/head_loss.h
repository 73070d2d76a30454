#pragma once

#include <cstdint>
#include <span>

#include "lib/nn/graph.h"

namespace r1 {

// The sum of the cross-entropies of rows [R, D] behind a head [V, D], in nats; no target may be -1.
// When training, each row's gradient times `share` is added to those of hidden and head at once:
// rows go through some at a time, and their logits are forgotten then. The logits of all rows of a
// large vocabulary would not fit.
double head_loss(Graph& g, const Var& hidden, const Var& head,
                 std::span<const std::int32_t> targets, float share);

}  // namespace r1
