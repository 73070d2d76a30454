#include "tools/bench/arrivals.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "lib/base/error.h"
#include "lib/base/lines.h"
#include "lib/base/random.h"
#include "tools/common/options.h"

namespace r1 {
namespace {

constexpr std::uint64_t kGaps = 0, kPrompts = 1, kAnswers = 2;  // streams of random numbers
constexpr std::int64_t kMostTokens = 1'000'000;

std::vector<ServeRequest> arriving(std::int64_t count, double rate, std::uint64_t seed) {
  std::vector<ServeRequest> requests(static_cast<std::size_t>(count));
  double at = 0;
  for (std::size_t i = 0; rate > 0 && i < requests.size(); ++i) {
    at -= std::log1p(-random_uniform(seed, kGaps, i)) / rate;
    requests[i].at_ns = at * 1e9;
  }
  return requests;
}

// Box and Muller (1958).
double normal(std::uint64_t seed, std::uint64_t stream, std::uint64_t index) {
  const double u = random_uniform(seed, stream, 2 * index);
  const double v = random_uniform(seed, stream, 2 * index + 1);
  return std::sqrt(-2 * std::log1p(-u)) * std::cos(2 * std::numbers::pi * v);
}

std::int64_t length(double median, double deviation) {
  const double tokens = std::round(median * std::exp(deviation));
  return static_cast<std::int64_t>(std::clamp(tokens, 1.0, double{kMostTokens}));
}

// "128 64" or "128<TAB>64".
ServeRequest parse_lengths(std::string_view line, const std::string& where) {
  const std::size_t gap = line.find_first_of(" \t");
  if (gap == std::string_view::npos)
    fail(ErrorKind::usage, "{}: two numbers are wanted, a prompt's and an answer's tokens", where);
  const std::size_t second = std::min(line.find_first_not_of(" \t", gap), line.size());
  ServeRequest r;
  r.prompt_tokens = parse_integer(line.substr(0, gap), where);
  r.answer_tokens = parse_integer(line.substr(second), where);
  for (const std::int64_t n : {r.prompt_tokens, r.answer_tokens})
    if (n < 1 || n > kMostTokens)
      fail(ErrorKind::usage, "{}: lengths are from 1 to {}, not {}", where, kMostTokens, n);
  return r;
}

}  // namespace

std::vector<ServeRequest> make_requests(std::int64_t count, double rate,
                                        const LengthDistribution& lengths, std::uint64_t seed) {
  std::vector<ServeRequest> requests = arriving(count, rate, seed);
  for (std::size_t i = 0; i < requests.size(); ++i) {
    requests[i].prompt_tokens =
        length(lengths.prompt_median, lengths.spread * normal(seed, kPrompts, i));
    requests[i].answer_tokens =
        length(lengths.answer_median, lengths.spread * normal(seed, kAnswers, i));
  }
  return requests;
}

std::vector<ServeRequest> make_requests(std::int64_t count, double rate, std::string_view text,
                                        std::string_view where, std::uint64_t seed) {
  std::vector<ServeRequest> lengths;
  for_each_line(text, [&](std::string_view line, int number) {
    if (!line.empty())
      lengths.push_back(parse_lengths(line, fmt::format("{}:{}", escaped(where), number)));
  });
  if (lengths.empty()) fail(ErrorKind::usage, "{} holds no lengths", escaped(where));
  std::vector<ServeRequest> requests = arriving(count, rate, seed);
  for (std::size_t i = 0; i < requests.size(); ++i) {
    requests[i].prompt_tokens = lengths[i % lengths.size()].prompt_tokens;
    requests[i].answer_tokens = lengths[i % lengths.size()].answer_tokens;
  }
  return requests;
}

std::int64_t fit_into(std::vector<ServeRequest>& requests, std::int64_t context) {
  std::int64_t cut = 0;
  for (ServeRequest& r : requests) {
    if (r.prompt_tokens + r.answer_tokens <= context) continue;
    ++cut;
    r.answer_tokens = std::min(r.answer_tokens, context / 2);
    r.prompt_tokens = std::min(r.prompt_tokens, context - r.answer_tokens);
  }
  return cut;
}

}  // namespace r1
