#pragma once

#include <cstdint>
#include <vector>

#include "lib/decode/step_runner.h"

namespace r1 {

// The cache that `sequences` of `tokens` positions each want, in pages of type `kv`. Fails with
// too_long when the model takes fewer, with oom_cpu or oom_gpu when that does not fit.
KvShape cache_shape(const Backend& backend, const Network& network, DType kv,
                    std::int64_t sequences, std::int64_t tokens);

// The bare network over a cache: steps of equal sequences, no sampling but the most likely token,
// ids that mean nothing. Sequence s has pages of its own, as many as its length wants.
class Stepper {
 public:
  // Fails as `cache_shape` does. `adapters` may be null. What it is given outlives this.
  Stepper(Backend& backend, const Network& network, DType kv, std::int64_t sequences,
          std::int64_t tokens, const LowRanks* adapters = nullptr);

  // One pass over the next `rows` positions, from `position` on, of the first `sequences`
  // sequences; the most likely token of each comes to the host.
  void step(std::int64_t sequences, std::int64_t rows, std::int64_t position);
  // The same for any number of rows, in passes of at most as many rows as the scheduler makes.
  void read(std::int64_t sequences, std::int64_t rows, std::int64_t position);

  std::vector<float> logits() const;  // [sequences, V] of the last step

 private:
  const Network& network_;
  std::int64_t chunk_;
  std::int64_t pages_;  // of a sequence
  KvCache cache_;
  std::vector<std::int32_t> page_numbers_;
  StepRunner runner_;
  std::int64_t sequences_ = 0;  // of the last step
};

}  // namespace r1
