#include "lib/text/added_tokens.h"

#include <algorithm>

#include "lib/base/utf8.h"

namespace r1 {
namespace {

// White_Space of the Unicode Character Database.
bool is_space(char32_t c) {
  return c == ' ' || (c >= '\t' && c <= '\r') || c == 0x85 || c == 0xA0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F ||
         c == 0x3000;
}

// Bytes of white space at the beginning of a text, and at its end.
std::size_t leading_space(std::string_view text) {
  std::size_t end = 0;
  for (Utf8Step step; end < text.size(); end += step.bytes) {
    step = next_utf8(text.substr(end));
    if (!step.valid || !is_space(step.code_point)) break;
  }
  return end;
}
std::size_t trailing_space(std::string_view text) {
  const std::string_view all = text;
  for (std::size_t last = 1; last <= std::min<std::size_t>(3, text.size());) {
    const Utf8Step step = next_utf8(text.substr(text.size() - last));
    if (!step.valid || step.bytes != last) {
      ++last;
      continue;
    }
    if (!is_space(step.code_point)) break;
    text.remove_suffix(last);
    last = 1;
  }
  return all.size() - text.size();
}

bool is_word(std::string_view text, std::size_t at) {
  if (at >= text.size()) return false;
  const char c = text[at];
  return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_' ||
         static_cast<unsigned char>(c) >= 0x80;
}

}  // namespace

std::int32_t AddedTokens::child_of(std::int32_t node, char c) const {
  std::int32_t child = nodes_[static_cast<std::size_t>(node)].child;
  while (child >= 0 &&
         nodes_[static_cast<std::size_t>(child)].byte != static_cast<unsigned char>(c))
    child = nodes_[static_cast<std::size_t>(child)].sibling;
  return child;
}

void AddedTokens::add(std::string_view text, TokenId id, Rules rules) {
  begins_[static_cast<unsigned char>(text[0])] = true;
  std::int32_t node = 0;
  for (const char c : text) {
    std::int32_t child = child_of(node, c);
    if (child < 0) {
      child = static_cast<std::int32_t>(nodes_.size());
      Node& parent = nodes_[static_cast<std::size_t>(node)];
      const std::int32_t sibling = parent.child;
      parent.child = child;
      nodes_.push_back({static_cast<unsigned char>(c), -1, sibling});
    }
    node = child;
  }
  nodes_[static_cast<std::size_t>(node)].id = id;
  nodes_[static_cast<std::size_t>(node)].rules = rules;
}

std::optional<AddedTokens::Match> AddedTokens::next(std::string_view text, std::size_t from) const {
  for (std::size_t begin = from; begin < text.size(); ++begin) {
    if (!begins_[static_cast<unsigned char>(text[begin])]) continue;
    const Node* longest = nullptr;
    std::size_t end = begin;
    std::int32_t node = 0;
    for (std::size_t at = begin; at < text.size(); ++at) {
      node = child_of(node, text[at]);
      if (node < 0) break;
      const Node& here = nodes_[static_cast<std::size_t>(node)];
      if (here.id >= 0) longest = &here, end = at + 1;
    }
    if (longest == nullptr) continue;
    const Rules rules = longest->rules;
    if (rules.single_word && ((begin > 0 && is_word(text, begin - 1)) || is_word(text, end)))
      continue;
    if (rules.lstrip) begin -= trailing_space(text.substr(from, begin - from));
    if (rules.rstrip) end += leading_space(text.substr(end));
    return Match{longest->id, begin, end};
  }
  return std::nullopt;
}

}  // namespace r1
