#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "lib/models/network.h"

namespace r1 {

// The bare network over a cache: steps of equal sequences, no sampling but the most likely token,
// ids that mean nothing. Sequence s has pages of its own, as many as its length wants.
class Stepper {
 public:
  // Cache for `sequences` of `tokens` positions each. Fails with too_long when the model takes
  // fewer, with oom_cpu when that does not fit. Backend and network outlive this.
  Stepper(Backend& backend, const Network& network, DType kv, std::int64_t sequences,
          std::int64_t tokens);

  // One pass over the next `rows` positions, from `position` on, of the first `sequences`
  // sequences; the logits of their last rows come to the host.
  void step(std::int64_t sequences, std::int64_t rows, std::int64_t position);
  // The same for any number of rows, in passes of at most kChunk rows as the scheduler makes them.
  void read(std::int64_t sequences, std::int64_t rows, std::int64_t position);

  std::span<const float> logits() const { return logits_; }  // [sequences, V] of the last step

  static constexpr std::int64_t kChunk = 512;

 private:
  Backend& backend_;
  const Network& network_;
  std::int64_t pages_;  // of a sequence
  KvCache cache_;
  Arena arena_;
  std::vector<float> logits_;
};

}  // namespace r1
