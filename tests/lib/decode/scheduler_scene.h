#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "lib/decode/scheduler.h"
#include "lib/tasks/loaded_model.h"
#include "tests/support/backends.h"
#include "tests/support/temp_dir.h"
#include "tests/support/tiny_model.h"

namespace r1::test {

using Ids = std::vector<std::int32_t>;

// What became of one sequence.
struct Outcome {
  Ids ids;
  std::vector<float> logprobs;
  std::optional<FinishReason> finish;
  std::string error;
  bool operator==(const Outcome&) const = default;
};

inline Ids random_ids(std::uint64_t seed, std::size_t n, std::int32_t below = 256) {
  Ids ids;
  for (std::size_t i = 0; i < n; ++i)
    ids.push_back(
        static_cast<std::int32_t>(random_bits(seed, 2, i) % static_cast<std::uint64_t>(below)));
  return ids;
}

class SchedulerTest : public testing::Test {
 protected:
  SchedulerTest() { load({}); }
  void load(const TinyModel& tiny) {
    path_ = write_tiny_model(dir_ / "tiny.gguf", tiny);
    model_ = load_model_with_text(*backend_, "tiny", path_, {});
  }
  SchedulerOptions options(std::int64_t batch = 16) const {
    return {.max_batch = batch, .newline = model_.newline, .kv_dtype = model_.kv_dtype};
  }
  // Submits, noting into `outcome`.
  static void submit(Scheduler& s, Outcome& outcome, SequenceRequest request) {
    request.top_logprobs = 0;
    if (!request.on_token) request.on_token = [](const Sample&) { return true; };
    request.on_token = [&outcome, inner = request.on_token](const Sample& sample) {
      outcome.ids.push_back(sample.id);
      outcome.logprobs.push_back(sample.logprob);
      return inner(sample);
    };
    request.on_finish = [&outcome](FinishReason reason) { outcome.finish = reason; };
    request.on_error = [&outcome](const Error& e) { outcome.error = e.what(); };
    s.submit(std::move(request));
  }
  // All of them, together; the outcomes in order, and what the scheduler counted.
  std::vector<Outcome> run(const SchedulerOptions& options,
                           const std::vector<SequenceRequest>& requests) {
    Scheduler s(*backend_, *model_.network, options);
    std::vector<Outcome> outcomes(requests.size());
    for (std::size_t i = 0; i < requests.size(); ++i) submit(s, outcomes[i], requests[i]);
    while (s.busy()) s.step();
    totals_ = s.totals();
    return outcomes;
  }
  // Prompts of many lengths, some with a long common beginning, some sampled.
  static std::vector<SequenceRequest> mixture(std::size_t n) {
    std::vector<SequenceRequest> requests;
    const Ids common = random_ids(99, 150);
    for (std::size_t i = 0; i < n; ++i) {
      SequenceRequest r{.prompt = random_ids(i, 1 + i * 37 % 140),
                        .max_tokens = 5 + std::int64_t(i) % 9};
      if (i % 3 == 1) r.prompt.insert(r.prompt.begin(), common.begin(), common.end());
      if (i % 2 == 1) r.sampling = {.temperature = 0.9f, .top_p = 0.95f, .repeat_penalty = 1.1f};
      r.stream = i;
      requests.push_back(std::move(r));
    }
    return requests;
  }

  TempDir dir_;
  std::filesystem::path path_;
  std::unique_ptr<Backend> backend_ = open_backend("ref");  // may be replaced, and `load` called
  LoadedModel model_;
  Scheduler::Totals totals_;
};

}  // namespace r1::test
