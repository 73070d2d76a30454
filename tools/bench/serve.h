#pragma once

#include <vector>

#include "lib/decode/scheduler.h"
#include "tools/bench/arrivals.h"
#include "tools/bench/model_tests.h"

namespace r1 {

// How requests come together. Both are made of the library's scheduler, and what is under way costs
// the same in both; they differ in when a request may join.
enum class Batching {
  // A batch takes all that have arrived, up to its size; the next begins when its last member has
  // ended. Members that ended cost nothing meanwhile, and no prompt is padded, so that this is the
  // best that static batching can be.
  fixed,
  dynamic  // a request joins as soon as there is a place for it
};

struct ServeOutcome {
  double wall_ns = 0;  // from the first arrival to the last token
  std::int64_t tokens = 0;
  std::vector<double> ttft_ms;       // of each request, from its arrival to its first token
  std::vector<double> per_token_ms;  // of each with several tokens, between one and the next
};
ServeOutcome serve(Scheduler& scheduler, const std::vector<ServeRequest>& requests,
                   std::int64_t vocab, Batching batching);

// The requests that the settings describe, for a model of this context; `lengths` is what the file
// of that name holds. Fails with `usage`.
std::vector<ServeRequest> requests_of(const BenchSettings& settings, const std::string& lengths,
                                      std::int64_t context, std::vector<std::string>& warnings);

// What those of one way are called: "serve:static@b16".
std::string serve_id(Batching batching, std::int64_t batch);

// Both ways in turns, `repeat` times each, over batches of `batch`: two records, static first.
std::vector<BenchRecord> compare_batching(Backend& backend, const MeasuredNetwork& model,
                                          const BenchSettings& settings, const std::string& lengths,
                                          std::int64_t batch);

}  // namespace r1
