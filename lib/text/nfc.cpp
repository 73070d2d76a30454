#include "lib/text/nfc.h"

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <vector>

#include "lib/base/utf8.h"

namespace r1 {
namespace {

struct Decomposition {
  char32_t composed, first, second;  // second 0: a single one
};
struct CombiningClass {
  char32_t c;
  std::uint8_t value;
};
#include "lib/text/nfc_data.inc"

// Hangul syllables are computed, not tabled (The Unicode Standard, 3.12).
constexpr char32_t kS = 0xAC00, kL = 0x1100, kV = 0x1161, kT = 0x11A7;
constexpr char32_t kVs = 21, kTs = 28, kSs = 19 * kVs * kTs;

std::uint8_t combining_class(char32_t c) {
  const auto at = std::lower_bound(std::begin(kCombiningClasses), std::end(kCombiningClasses), c,
                                   [](const CombiningClass& k, char32_t x) { return k.c < x; });
  return at != std::end(kCombiningClasses) && at->c == c ? at->value : 0;
}

void decompose(std::u32string& out, char32_t c) {
  if (c >= kS && c < kS + kSs) {
    const char32_t s = c - kS;
    out.push_back(kL + s / (kVs * kTs));
    out.push_back(kV + s % (kVs * kTs) / kTs);
    if (s % kTs != 0) out.push_back(kT + s % kTs);
    return;
  }
  const auto at =
      std::lower_bound(std::begin(kDecompositions), std::end(kDecompositions), c,
                       [](const Decomposition& d, char32_t x) { return d.composed < x; });
  if (at == std::end(kDecompositions) || at->composed != c) {
    out += c;
    return;
  }
  decompose(out, at->first);  // at most four deep: the tables are fixed
  if (at->second != 0) decompose(out, at->second);
}

// Runs of combining marks stand in the order of their classes.
void reorder(std::u32string& text) {
  for (std::size_t i = 0; i < text.size();) {
    std::size_t end = i;
    while (end < text.size() && combining_class(text[end]) != 0) ++end;
    std::stable_sort(text.begin() + static_cast<std::ptrdiff_t>(i),
                     text.begin() + static_cast<std::ptrdiff_t>(end), [](char32_t a, char32_t b) {
                       return combining_class(a) < combining_class(b);
                     });
    i = std::max(end, i + 1);
  }
}

// The character a pair composes to, or 0.
char32_t composed(char32_t a, char32_t b) {
  if (a >= kL && a < kL + 19 && b >= kV && b < kV + kVs)
    return kS + ((a - kL) * kVs + (b - kV)) * kTs;
  if (a >= kS && a < kS + kSs && (a - kS) % kTs == 0 && b > kT && b < kT + kTs) return a + (b - kT);
  const auto at =
      std::lower_bound(std::begin(kCompositions), std::end(kCompositions), std::pair(a, b),
                       [](const Decomposition& d, const std::pair<char32_t, char32_t>& x) {
                         return std::pair(d.first, d.second) < x;
                       });
  const bool found = at != std::end(kCompositions) && at->first == a && at->second == b;
  return found ? at->composed : 0;
}

std::u32string compose(const std::u32string& text) {
  std::u32string out;
  std::size_t starter = std::u32string::npos;  // in `out`
  int last_class = 0;                          // of the character before, 256 after a starter's gap
  for (const char32_t c : text) {
    const int k = combining_class(c);
    const bool blocked =
        starter == std::u32string::npos || (out.size() - starter > 1 && last_class >= k);
    if (!blocked)
      if (const char32_t whole = composed(out[starter], c)) {
        out[starter] = whole;
        continue;
      }
    out += c;
    last_class = k;
    if (k == 0) starter = out.size() - 1;
  }
  return out;
}

}  // namespace

std::string nfc(std::string_view text) {
  // U+0300 is the first character that another one may be composed with: bytes CC 80.
  const auto high = [](char c) { return static_cast<unsigned char>(c) >= 0xCC; };
  if (std::none_of(text.begin(), text.end(), high)) return std::string(text);
  std::u32string points;
  while (!text.empty()) {
    const Utf8Step step = next_utf8(text);
    decompose(points, step.code_point);
    text.remove_prefix(step.bytes);
  }
  reorder(points);
  std::string out;
  for (const char32_t c : compose(points)) append_utf8(out, c);
  return out;
}

}  // namespace r1
