#pragma once

#include <cuda_runtime.h>

namespace r1::cuda {

// Puts parts of a row's past together, one after another: the same bits wherever it is done.
// Scores are times log2 e. fmaf by name, so that no compiler chooses what to round.

inline constexpr float kLog2E = 1.44269504f;

// What the parts before have come to.
struct Joined {
  float largest = -INFINITY, total = 0.0f;

  // Adds a part's largest score and total. Returns what to multiply the sums before (x) and the
  // part's (y) by. A part without weights changes nothing.
  __device__ float2 add(float part_largest, float part_total) {
    if (part_total == 0.0f) return {1.0f, 0.0f};
    const float most = fmaxf(largest, part_largest);
    const float before = total == 0.0f ? 0.0f : exp2f(largest - most);
    const float part = exp2f(part_largest - most);
    total = fmaf(before, total, part * part_total);
    largest = most;
    return {before, part};
  }
};

// What has no weight is not read: it may never have been written.
__device__ inline float join_sums(float2 weight, const float& before, const float& part) {
  if (weight.x == 0.0f) return weight.y * part;
  if (weight.y == 0.0f) return weight.x * before;
  return fmaf(weight.x, before, weight.y * part);
}

}  // namespace r1::cuda
