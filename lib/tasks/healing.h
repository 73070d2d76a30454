#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "lib/text/tokenizer.h"

namespace r1 {

// Token healing. A text that is cut inside a word ends in tokens that no training
// text had there: "import nu" is ` nu`, and what follows `numpy` never was. So the prompt ends
// earlier, at the last boundary that the tokenizer makes whatever follows, and the answer has to
// begin with the bytes that were taken back.
struct Healed {
  std::size_t kept = 0;  // bytes of the text that stay in the prompt
  std::string owed;      // what the answer has to begin with; empty: the text is well as it is
};
// At most 16 bytes are taken back, and none where nothing in the vocabulary could go on otherwise:
// behind a newline, or behind indentation that is a token of its own.
Healed heal(const Tokenizer& tokenizer, std::string_view text);

// The ids that may come next while `owed` (not empty) is still to be written: those that go beyond
// it, and the one that the tokenizer itself would write first. A token that only begins with the
// same letters is left out: most of its likelihood belongs to other words.
std::vector<TokenId> ids_that_agree(const Tokenizer& tokenizer, std::string_view owed);

}  // namespace r1
