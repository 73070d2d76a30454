#include "tools/bench/quality.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace r1 {
namespace {

Estimate mean_of(std::span<const QualityBlock> blocks, double QualityBlock::*sum,
                 double QualityBlock::*size = &QualityBlock::tokens) {
  std::vector<double> sums, sizes;
  for (const QualityBlock& b : blocks) {
    sums.push_back(b.*sum);
    sizes.push_back(b.*size);
  }
  return mean_of_blocks(sums, sizes);
}

Estimate scaled(Estimate e, double factor) {
  e.value *= factor;
  if (e.error) *e.error *= factor;
  return e;
}

// The error by the delta method: exp has the slope exp.
Estimate exp_of(Estimate e) {
  e.value = std::exp(e.value);
  if (e.error) *e.error *= e.value;
  return e;
}

}  // namespace

QualityInfo quality_of(std::span<const QualityBlock> blocks, const std::string* base) {
  using B = QualityBlock;
  QualityInfo q;
  for (const B& b : blocks) {
    q.tokens += static_cast<std::int64_t>(b.tokens);
    q.bytes += static_cast<std::int64_t>(b.bytes);
  }
  q.perplexity = exp_of(mean_of(blocks, &B::nll));
  q.bits_per_byte = scaled(mean_of(blocks, &B::nll, &B::bytes), std::numbers::log2e);
  q.accuracy = mean_of(blocks, &B::correct);
  if (base != nullptr)
    q.base = {*base, exp_of(mean_of(blocks, &B::nll_over_base)), mean_of(blocks, &B::divergence),
              mean_of(blocks, &B::agreed)};
  return q;
}

std::vector<TextWindow> text_windows(std::int64_t tokens, std::int64_t window, bool bos) {
  const std::int64_t room = window - (bos ? 1 : 0), half = window / 2;
  std::vector<TextWindow> windows;
  for (TextWindow w{0, bos ? 0 : 1, std::min(room, tokens)}; w.from < tokens;
       w = {w.end - (room - half), w.end, std::min(w.end + half, tokens)})
    windows.push_back(w);
  return windows;
}

}  // namespace r1
