#include "lib/tasks/excerpt.h"

#include <algorithm>

namespace r1 {
namespace {

// Bytes that tokens first … last - 1 stand for.
std::size_t bytes_of(const Tokenizer& tokenizer, const std::vector<TokenId>& ids,
                     std::int64_t first, std::int64_t last) {
  std::size_t bytes = 0;
  for (std::int64_t i = first; i < last; ++i)
    bytes += tokenizer.bytes(ids[static_cast<std::size_t>(i)]).size();
  return bytes;
}

bool inside_character(std::string_view text, std::size_t at) {
  return at < text.size() && (static_cast<unsigned char>(text[at]) & 0xC0) == 0x80;
}

std::string_view without_beginning(std::string_view text, std::size_t bytes) {
  if (bytes == 0) return text;
  std::size_t at = std::min(bytes, text.size());
  while (inside_character(text, at)) ++at;
  const std::size_t newline = text.find('\n', at - 1);
  if (newline != std::string_view::npos && newline + 1 < text.size()) at = newline + 1;
  return text.substr(at);
}

std::string_view without_end(std::string_view text, std::size_t kept) {
  if (kept >= text.size()) return text;
  while (kept > 0 && inside_character(text, kept)) --kept;
  const std::size_t newline = text.rfind('\n', kept);
  return text.substr(0, newline == std::string_view::npos || newline == 0 ? kept : newline);
}

}  // namespace

Excerpt around_caret(const Tokenizer& tokenizer, std::string_view before, std::string_view behind,
                     std::int64_t room) {
  const std::vector<TokenId> first = tokenizer.encode(before);
  const std::vector<TokenId> last = tokenizer.encode_continued(behind);
  const auto firsts = static_cast<std::int64_t>(first.size());
  const auto lasts = static_cast<std::int64_t>(last.size());
  const std::int64_t for_last = std::min(lasts, std::max(room / 4, room - firsts));
  const std::int64_t dropped = std::max<std::int64_t>(0, firsts - (room - for_last));
  return {without_beginning(before, bytes_of(tokenizer, first, 0, dropped)),
          without_end(behind, bytes_of(tokenizer, last, 0, for_last))};
}

}  // namespace r1
