#include "lib/text/added_tokens.h"

namespace r1 {
namespace {

bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

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
    while (rules.lstrip && begin > from && is_space(text[begin - 1])) --begin;
    while (rules.rstrip && end < text.size() && is_space(text[end])) ++end;
    return Match{longest->id, begin, end};
  }
  return std::nullopt;
}

}  // namespace r1
