#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "lib/nn/graph.h"

namespace r1 {

// The cross-entropies [R] of rows [R, D] behind a head [V, D], in nats; no target may be -1. Where
// there are `shares` [R], each row's gradient times its share is added to those of hidden and head
// at once: rows go through some at a time, and their logits are forgotten then. The logits of all
// rows of a large vocabulary would not fit.
std::vector<float> head_losses(Graph& g, const Var& hidden, const Var& head,
                               std::span<const std::int32_t> targets,
                               std::span<const float> shares);
// Their sum; when training all shares are `share`.
double head_loss(Graph& g, const Var& hidden, const Var& head,
                 std::span<const std::int32_t> targets, float share);

}  // namespace r1
