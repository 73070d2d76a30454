#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace r1 {

constexpr std::size_t kLongestLine = 8000;  // bytes; longer ones are passed over

// A tokenizer.model of byte-pair pieces of these lines, which stand in a fixed order: the same
// lines give the same bytes. Laid out like r1's own: unk 0, BOS 1, EOS 2, markers of a gap to
// fill in, single digits, single bytes for what no piece has; no piece holds a line's end. Fails
// with `usage` where the lines do not give so many pieces.
std::string train_sentencepiece(std::vector<std::string> lines, std::int64_t vocab);

}  // namespace r1
