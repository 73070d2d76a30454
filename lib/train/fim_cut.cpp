#include "lib/train/fim_cut.h"

#include <algorithm>

#include "lib/base/random.h"

namespace r1 {
namespace {

// Streams of random numbers; small ones are the epochs of the sampler.
constexpr std::uint64_t kIsFillIn = 0x66696D00, kOrder = kIsFillIn + 1, kInLine = kIsFillIn + 2,
                        kBegin = kIsFillIn + 3, kEnd = kIsFillIn + 4;
constexpr double kLineShare = 0.4;  // as scripts/reference/train.py has it

bool inside_character(std::string_view text, std::size_t at) {
  return at < text.size() && (static_cast<unsigned char>(text[at]) & 0xC0) == 0x80;
}

// A place in [0, size] where no character is cut; bytes that are no UTF-8 are taken as they come.
std::size_t draw_place(std::string_view text, std::uint64_t seed, std::uint64_t stream,
                       std::uint64_t sample) {
  auto at = static_cast<std::size_t>(random_uniform(seed, stream, sample) *
                                     (static_cast<double>(text.size()) + 1));
  while (at > 0 && inside_character(text, at)) --at;
  return at;
}

}  // namespace

bool is_fill_in(double rate, std::uint64_t seed, std::uint64_t sample) {
  return random_uniform(seed, kIsFillIn, sample) < rate;
}

GappedText cut_gap(std::string_view text, std::uint64_t seed, std::uint64_t sample) {
  std::size_t begin = draw_place(text, seed, kBegin, sample);
  std::size_t end = std::min(text.find('\n', begin), text.size());
  if (random_uniform(seed, kInLine, sample) >= kLineShare) {
    end = draw_place(text, seed, kEnd, sample);
    if (end < begin) std::swap(begin, end);
  }
  return {text.substr(0, begin), text.substr(begin, end - begin), text.substr(end)};
}

FimForm::Order fill_in_order(const FimForm& form, std::uint64_t seed, std::uint64_t sample) {
  if (!form.has_both_orders()) return form.order();
  return random_bits(seed, kOrder, sample) % 2 == 0 ? FimForm::Order::prefix_first
                                                    : FimForm::Order::prefix_last;
}

}  // namespace r1
