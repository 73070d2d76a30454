#pragma once

#include <cstdint>
#include <string_view>

#include "lib/text/tokenizer.h"

namespace r1 {

// The part of a text around a caret.
struct Excerpt {
  std::string_view before, behind;
};

// As much as about `room` tokens hold: three quarters of them before the caret where both sides
// have more. Cut at a line's end where there is one, never inside a character.
Excerpt around_caret(const Tokenizer& tokenizer, std::string_view before, std::string_view behind,
                     std::int64_t room);

}  // namespace r1
