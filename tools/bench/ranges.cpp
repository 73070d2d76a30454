#include "tools/bench/ranges.h"

#include <algorithm>

#include "lib/base/error.h"
#include "tools/common/options.h"

namespace r1 {
namespace {

constexpr std::size_t kMostNumbers = 1000;

// One element between commas.
class Range {
 public:
  Range(std::string_view text, std::string_view shown) : text_(text), shown_(shown) {
    const std::size_t dash = text.find('-');
    first_ = last_ = number(text.substr(0, dash));
    if (dash == std::string_view::npos) return;
    const std::string_view rest = text.substr(dash + 1);
    const std::size_t sign = rest.find_first_of("+*");
    last_ = number(rest.substr(0, sign));
    if (sign != std::string_view::npos) {
      multiplies_ = rest[sign] == '*';
      step_ = number(rest.substr(sign + 1));
    }
    const bool stands = multiplies_ ? step_ < 2 || first_ < 1 : step_ < 1;
    if (stands || last_ < first_) refuse();
  }

  void append_to(std::vector<std::int64_t>& numbers) const {
    for (std::int64_t n = first_; n <= last_; n = multiplies_ ? n * step_ : n + step_) {
      if (std::find(numbers.begin(), numbers.end(), n) == numbers.end()) numbers.push_back(n);
      if (numbers.size() > kMostNumbers)
        fail(ErrorKind::usage, "{}: '{}' are more than {} numbers", shown_, escaped(text_),
             kMostNumbers);
    }
  }
  std::int64_t first() const { return first_; }
  std::int64_t last() const { return last_; }

 private:
  [[noreturn]] void refuse() const {
    fail(ErrorKind::usage, "{} wants numbers, such as 512, 1,2,4, 1-16*2 or 0-4096+1024, not '{}'",
         shown_, escaped(text_));
  }
  std::int64_t number(std::string_view text) const {
    constexpr std::size_t kDigits = 9;  // so that no product of two overflows
    if (text.empty() || text.size() > kDigits ||
        text.find_first_not_of("0123456789") != std::string_view::npos)
      refuse();
    return parse_integer(text, shown_);
  }

  std::string_view text_, shown_;
  std::int64_t first_ = 0, last_ = 0, step_ = 1;
  bool multiplies_ = false;
};

double number_before(std::string_view text, std::string_view ending, std::string_view shown,
                     std::string_view want) {
  if (text.ends_with(ending))
    if (const auto number = number_in(text.substr(0, text.size() - ending.size()))) return *number;
  fail(ErrorKind::usage, "{} wants {}, not '{}'", shown, want, escaped(text));
}

}  // namespace

std::vector<std::int64_t> parse_ranges(std::string_view text, std::string_view shown,
                                       std::int64_t least, std::int64_t most) {
  std::vector<std::int64_t> numbers;
  for (;;) {
    const std::size_t comma = std::min(text.find(','), text.size());
    const Range range(text.substr(0, comma), shown);
    if (range.first() < least || range.last() > most)
      fail(ErrorKind::usage, "{} wants numbers from {} to {}, not '{}'", shown, least, most,
           escaped(text.substr(0, comma)));
    range.append_to(numbers);
    if (comma == text.size()) return numbers;
    text.remove_prefix(comma + 1);
  }
}

double parse_price(std::string_view text, std::string_view shown) {
  constexpr std::string_view kWant = "a price of an hour, such as 2.50/h";
  const double price = number_before(text, "/h", shown, kWant);
  if (!(price >= 0)) fail(ErrorKind::usage, "{} wants {}, not '{}'", shown, kWant, escaped(text));
  return price;
}

// Remembers the last star: what it stands for grows by one where the rest does not fit.
bool fits(std::string_view name, std::string_view pattern) {
  std::size_t n = 0, p = 0, star = std::string_view::npos, taken = 0;
  while (n < name.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      taken = n;
    } else if (p < pattern.size() && (pattern[p] == '?' || pattern[p] == name[n])) {
      ++p, ++n;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      n = ++taken;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

}  // namespace r1
