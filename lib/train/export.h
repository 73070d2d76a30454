#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "lib/io/weights.h"
#include "lib/io/weights_files.h"
#include "lib/models/adapter.h"

namespace r1 {

// A model as it was taught: the tensors of its base, of which those that were learnt have other
// values, or stand beside an adapter that is merged into them. All outlive it.
struct TrainedModel {
  Backend& backend;
  const ModelFiles& base;
  const Params& params;                      // of the base, on the backend
  const Adapter* adapter = nullptr;          // none: all weights were learnt
  std::string chat_template = {};            // in place of the base's; empty: that
  std::function<void()> before_tensor = {};  // that is written; may throw, to end it

  // A tensor's numbers, merged in f32.
  std::vector<float> values(const NamedTensor& tensor) const;
};

// The whole model into a folder that is there, each tensor in its base's type, f32 where that was
// quantized; or all of them in `type`: config.json, weights in files of at most so many bytes, and
// the base's tokenizer and other small files byte for byte, less a chat template that is replaced.
// The base is a Hugging Face folder.
void write_trained_folder(const TrainedModel& model, const std::filesystem::path& folder,
                          std::optional<DType> type = {}, std::uint64_t most = kWeightsFileBytes);

// The whole model as one GGUF file, all tensors in f32. The base is a GGUF file.
void write_trained_gguf(const TrainedModel& model, const std::filesystem::path& path);

// Are the base's weights floating-point, as a merge wants them?
bool has_plain_weights(const ModelFiles& base);

// Mean Kullback-Leibler divergence KL(p || q) in nats, over rows of logits [R, V] of both.
double mean_divergence(std::span<const float> p, std::span<const float> q, std::int64_t V);

}  // namespace r1
