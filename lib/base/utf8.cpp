#include "lib/base/utf8.h"

#include <fmt/format.h>

namespace r1 {
namespace {

constexpr char32_t kReplacement = 0xFFFD;

unsigned char byte_at(std::string_view text, std::size_t i) {
  return static_cast<unsigned char>(text[i]);
}

// How many bytes a character that starts with `lead` has, and what its second byte may be.
// The Unicode Standard, table 3-7: no overlong forms, no surrogates, nothing above U+10FFFF.
struct Lead {
  std::size_t bytes;
  unsigned char second_least, second_most;
};
Lead lead_of(unsigned char lead) {
  if (lead < 0x80) return {1, 0, 0};
  if (lead >= 0xC2 && lead <= 0xDF) return {2, 0x80, 0xBF};
  if (lead == 0xE0) return {3, 0xA0, 0xBF};
  if (lead == 0xED) return {3, 0x80, 0x9F};
  if (lead >= 0xE1 && lead <= 0xEF) return {3, 0x80, 0xBF};
  if (lead == 0xF0) return {4, 0x90, 0xBF};
  if (lead >= 0xF1 && lead <= 0xF3) return {4, 0x80, 0xBF};
  if (lead == 0xF4) return {4, 0x80, 0x8F};
  return {0, 0, 0};
}

bool fits(std::string_view text, const Lead& lead, std::size_t i) {
  const unsigned char b = byte_at(text, i);
  if (i == 1) return b >= lead.second_least && b <= lead.second_most;
  return b >= 0x80 && b <= 0xBF;
}

// Could more bytes still make a character of this text, which is shorter than its lead says?
bool unfinished(std::string_view text) {
  const Lead lead = lead_of(byte_at(text, 0));
  if (text.size() >= lead.bytes) return false;
  for (std::size_t i = 1; i < text.size(); ++i)
    if (!fits(text, lead, i)) return false;
  return true;
}

}  // namespace

Utf8Step next_utf8(std::string_view text) {
  constexpr Utf8Step kBad{kReplacement, 1, false};
  const unsigned char first = byte_at(text, 0);
  const Lead lead = lead_of(first);
  if (lead.bytes == 1) return {first, 1, true};
  if (lead.bytes == 0 || text.size() < lead.bytes) return kBad;
  char32_t c = first & (0x7Fu >> lead.bytes);
  for (std::size_t i = 1; i < lead.bytes; ++i) {
    if (!fits(text, lead, i)) return kBad;
    c = (c << 6) | (byte_at(text, i) & 0x3Fu);
  }
  return {c, lead.bytes, true};
}

void append_utf8(std::string& out, char32_t c) {
  const auto put = [&out](char32_t byte) { out += static_cast<char>(byte); };
  if (c < 0x80) {
    put(c);
  } else if (c < 0x800) {
    put(0xC0 | (c >> 6));
    put(0x80 | (c & 0x3F));
  } else if (c < 0x10000) {
    put(0xE0 | (c >> 12));
    put(0x80 | ((c >> 6) & 0x3F));
    put(0x80 | (c & 0x3F));
  } else {
    put(0xF0 | (c >> 18));
    put(0x80 | ((c >> 12) & 0x3F));
    put(0x80 | ((c >> 6) & 0x3F));
    put(0x80 | (c & 0x3F));
  }
}

bool is_utf8(std::string_view text) {
  while (!text.empty()) {
    const Utf8Step step = next_utf8(text);
    if (!step.valid) return false;
    text.remove_prefix(step.bytes);
  }
  return true;
}

bool drives_terminal(char32_t c) {
  if (c < 0x20) return c != '\n' && c != '\t';
  return (c >= 0x7F && c <= 0x9F) || c == 0x061C || c == 0x200E || c == 0x200F ||
         (c >= 0x202A && c <= 0x202E) || (c >= 0x2066 && c <= 0x2069);
}

std::string harmless(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const Utf8Step step = next_utf8(text);
    const auto c = static_cast<std::uint32_t>(step.code_point);
    if (!drives_terminal(step.code_point))
      append_utf8(out, step.code_point);
    else
      out += c < 0x80 ? fmt::format("\\x{:02x}", c) : fmt::format("\\u{:04x}", c);
    text.remove_prefix(step.bytes);
  }
  return out;
}

std::string Utf8Stream::push(std::string_view bytes) {
  held_ += bytes;
  std::string out;
  std::string_view rest = held_;
  while (!rest.empty() && !unfinished(rest)) {
    const Utf8Step step = next_utf8(rest);
    append_utf8(out, step.code_point);
    rest.remove_prefix(step.bytes);
  }
  held_ = std::string(rest);
  return out;
}

std::string Utf8Stream::finish() {
  std::string out;
  for (std::size_t i = 0; i < held_.size(); ++i) append_utf8(out, kReplacement);
  held_.clear();
  return out;
}

}  // namespace r1
