#pragma once

#include <memory>
#include <string>
#include <vector>

#include "lib/tasks/loaded_model.h"
#include "tools/bench/measure.h"
#include "tools/bench/settings.h"

namespace r1 {

// Prefill reads prompts of `tokens`; decode writes `tokens`, one after the other.
struct ModelTest {
  bool decode = false;
  std::int64_t tokens = 0, depth = 0, batch = 1;
  std::string id() const;  // "pp512", "tg128@d4096", "tg128@b4", "tg128@d4096,b4"
};
// Every combination that the settings list; prefill first. Fails with `usage` when there is none.
std::vector<ModelTest> model_tests(const BenchSettings& settings);

// What a model has to move and to multiply in steps, at the least.
class ModelWork {
 public:
  ModelWork(const LoadedModel& model, Device device, DType sixteen_bit_type = DType::bf16);
  Work prefill(std::int64_t tokens, std::int64_t depth, std::int64_t batch) const;
  Work decode(std::int64_t tokens, std::int64_t depth, std::int64_t batch) const;
  std::int64_t parameters() const { return parameters_; }

 private:
  // Steps over the weights once each; `rows` positions in all, `wanted` rows of logits, and every
  // row's view of the past summed up over rows and layers in `past` positions.
  Work of(double steps, double rows, double wanted, double past) const;
  // That sum for `tokens` rows from `depth` on, themselves included. What DAW skips is not known.
  double past_of(std::int64_t tokens, std::int64_t depth) const;

  std::int64_t chunk_;              // rows of a step
  std::map<DType, double> layers_;  // weights that every row is multiplied by
  DType head_type_ = DType::f32, past_type_ = DType::f32;
  double head_ = 0;  // weights that wanted rows are multiplied by
  double bytes_ = 0, head_bytes_ = 0, past_bytes_ = 0, past_operations_ = 0;  // of a position
  std::vector<std::int64_t> windows_;                                         // by layer; 0: none
  std::int64_t parameters_ = 0;
};

// What a model is called with --adapter beside it.
std::string measured_name(const BenchSettings& settings, const std::string& name, bool as_base);

// A loaded model and its tests. The backend outlives it.
class MeasuredNetwork {
 public:
  // `as_base`: as it is, without what --kv-type and --adapter say.
  MeasuredNetwork(Backend& backend, const BenchSettings& settings, const std::string& name,
                  const std::filesystem::path& path, bool as_base = false);

  const LoadedModel& model() const { return model_; }
  const MeasuredModel& info() const { return info_; }
  // Fails with too_long or oom_cpu when it has no room for it. Uses this model while it lives.
  Runnable runnable(const ModelTest& test) const;
  // A record with what all tests of this model have.
  BenchRecord record() const;

 private:
  Backend& backend_;
  LoadedModel model_;
  MeasuredModel info_;
  double load_ns_ = 0;
};

}  // namespace r1
