#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "lib/base/distribution.h"
#include "tools/bench/record.h"

namespace r1 {

// What one window counts, summed over its tokens.
struct QualityBlock {
  double tokens = 0, bytes = 0;
  double nll = 0;            // -log p of the token that follows
  double correct = 0;        // how often it was the most likely one
  double nll_over_base = 0;  // nll - that of the base
  double divergence = 0;     // from the base
  double agreed = 0;         // how often the base finds the same token most likely
};
// Their means, with errors told by the blocks, which are not empty; `base`, or nothing, is what
// they were held against.
QualityInfo quality_of(std::span<const QualityBlock> blocks, const std::string* base);

// Which tokens of a text one pass reads, [begin, end), and which of them it counts, [from, end).
struct TextWindow {
  std::int64_t begin = 0, from = 0, end = 0;
};
// Every token counts once, but a first one without BOS: nothing stands before it. The first window
// counts all it has; the next ones, each half a window on, what they have new. `window` is in
// positions, BOS included, and at least 2.
std::vector<TextWindow> text_windows(std::int64_t tokens, std::int64_t window, bool bos);

}  // namespace r1
