#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace r1 {

struct ServeRequest {
  double at_ns = 0;  // when it arrives
  std::int64_t prompt_tokens = 0, answer_tokens = 0;
};

// Lengths with these medians: lognormal, `spread` being the deviation of their logarithm.
struct LengthDistribution {
  double prompt_median = 0, answer_median = 0, spread = 0;
};

// The same requests for the same seed, on any machine. They arrive by a Poisson process of `rate` a
// second, or all at the start when it is 0.
std::vector<ServeRequest> make_requests(std::int64_t count, double rate,
                                        const LengthDistribution& lengths, std::uint64_t seed);

// The same with lengths from a text: two whole numbers a line, a prompt's and an answer's tokens,
// from the first line again when there are more requests. Fails with `usage`, naming `where`.
std::vector<ServeRequest> make_requests(std::int64_t count, double rate, std::string_view text,
                                        std::string_view where, std::uint64_t seed);

// Cuts answers to half of it, then prompts, so that both together fit into `context` positions; how
// many were.
std::int64_t fit_into(std::vector<ServeRequest>& requests, std::int64_t context);

}  // namespace r1
