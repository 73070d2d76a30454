#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace r1 {

struct SamplingOptions {
  float temperature = 0.0f;  // 0: greedy
  std::int64_t top_k = 0;    // 0: all
  float top_p = 1.0f;
  float min_p = 0.0f;
  float repeat_penalty = 1.0f;  // of tokens among the last 64; 1: none
  std::uint64_t seed = 0;
};

struct TokenLogprob {
  std::int32_t id = 0;
  float logprob = 0;
};
struct Sample {
  std::int32_t id = 0;
  float logprob = 0;  // of `id` under the plain softmax, before any option; 0 unless asked for
  std::vector<TokenLogprob> top;  // the most likely ones, if asked for
};

// What `Backend::leaders` says of one row.
struct Leaders {
  std::span<const std::int32_t> ids;  // falling by logit
  std::span<const float> logits;
  float sum = 0;         // of exp((logit - largest) / temperature) over all ids
  std::int64_t all = 0;  // how many ids there are
};
// The temperature that `sum` is to be taken at.
float leader_temperature(const SamplingOptions& options);
// Are leaders worth asking for? Not where every logit may change, or only some ids count.
bool leaders_serve(const SamplingOptions& options, bool any_among);
// How many of them are needed at least; kMostLeaders where that depends on the logits.
std::int64_t leaders_wanted(const SamplingOptions& options, int top_logprobs);

// As `sample`, of the leaders alone; nothing when they do not tell, and the row itself is needed:
// the draw goes beyond them, or the logits are no numbers.
std::optional<Sample> sample_leaders(const Leaders& leaders, const SamplingOptions& options,
                                     std::uint64_t stream, std::int64_t position, int top_logprobs);

// Draws one token. `stream` names the item (a hash of its id and of which of its N answers it is),
// `position` the place in the answer: the draw depends on seed, stream and position alone. Ties go
// to the lower id. `allowed` ids only: [0, allowed). `recent`: what repeat_penalty looks at.
// `top_logprobs`: how many beside the token's own; -1: none at all. `among`: the only ids that may
// be drawn; empty: all. Fails with `model` when a logit is NaN or infinite, or every id is ruled
// out.
Sample sample(std::span<const float> logits, std::int64_t allowed,
              std::span<const std::int32_t> recent, const SamplingOptions& options,
              std::uint64_t stream, std::int64_t position, int top_logprobs,
              std::span<const std::int32_t> among = {});

}  // namespace r1
