#include "lib/base/utf8.h"
#include "lib/train/dataset.h"

namespace r1 {

std::string render_sample(const TrainingSample& sample, const Tokenizer& tokenizer) {
  std::string out;
  for (std::size_t at = 0; at < sample.ids.size();) {
    const bool trained = sample.trained[at] != 0;
    std::string stretch;  // whole, for a character may be of several tokens
    for (; at < sample.ids.size() && (sample.trained[at] != 0) == trained; ++at) {
      const TokenId id = sample.ids[at];
      stretch += tokenizer.is_marker(id) ? tokenizer.marker_text(id) : tokenizer.bytes(id);
    }
    out += trained ? harmless(stretch) : "⟦" + harmless(stretch) + "⟧";
  }
  return out;
}

}  // namespace r1
