#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "lib/base/error.h"
#include "tools/bench/model_tests.h"

namespace r1 {

// A text, and how it is read.
struct QualityText {
  std::string id, name, bytes;
  std::int64_t window = 512;  // positions; when it is not `exact`, as many as every model takes
  bool exact = false;
  std::int64_t limit = 0;  // tokens that count, as the first model reads the text; 0: all
};

// What a model's record is, and why there is no more in it.
struct QualityOutcome {
  BenchRecord record;
  std::optional<Error> error;
};

// How well models predict a text, one outcome each. With `against_first` the others are held
// against the first: all that read the text as it does go through it together, window by window, so
// that no logits are kept; those with another vocabulary are alone, and say so. `progress` hears of
// each window that is done. Fails with `usage` where the first model has no token to predict;
// everything else is in the outcomes.
std::vector<QualityOutcome> measure_quality(
    Backend& backend, std::span<const std::unique_ptr<MeasuredNetwork>> models, bool against_first,
    const QualityText& text, int threads,
    const std::function<void(std::int64_t done, std::int64_t expected)>& progress);

}  // namespace r1
