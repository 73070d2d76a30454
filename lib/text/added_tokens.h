#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "lib/text/tokenizer.h"

namespace r1 {

// Tokens that are found in a text before anything else is done to it: a trie, so that the longest
// one at a place is found in one walk.
class AddedTokens {
 public:
  struct Rules {
    bool lstrip = false, rstrip = false;  // takes the white space before or after it along
    bool single_word = false;             // not inside a word
  };
  void add(std::string_view text, TokenId id, Rules rules);

  struct Match {
    TokenId id = -1;
    std::size_t begin = 0, end = 0;  // with the white space that it takes along
  };
  // The first one in text[from …], and the longest there; nothing when there is none.
  std::optional<Match> next(std::string_view text, std::size_t from) const;

 private:
  struct Node {
    unsigned char byte = 0;
    std::int32_t child = -1, sibling = -1;
    TokenId id = -1;
    Rules rules;
  };
  std::int32_t child_of(std::int32_t node, char c) const;

  std::vector<Node> nodes_ = {{}};
  bool begins_[256] = {};
};

}  // namespace r1
