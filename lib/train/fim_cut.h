#pragma once

#include <cstdint>
#include <string_view>

#include "lib/text/fim.h"

namespace r1 {

// A text around a gap.
struct GappedText {
  std::string_view prefix, middle, suffix;
};

// What chance says of plain text that would be sample number `sample`: the same for the same seed,
// whatever is asked before. Does it get a gap, where, and in which order do its parts stand?
bool is_fill_in(double rate, std::uint64_t seed, std::uint64_t sample);
// Between characters: anywhere, or (two times in five) from inside a line to the end of that line.
GappedText cut_gap(std::string_view text, std::uint64_t seed, std::uint64_t sample);
// One or the other where the family has learnt both, else the one of its prompts.
FimForm::Order fill_in_order(const FimForm& form, std::uint64_t seed, std::uint64_t sample);

}  // namespace r1
