#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "lib/nn/params.h"

namespace r1 {

struct AdapterChoice {
  std::int64_t rank = 8;
  double alpha = 16;                 // products are scaled by alpha / rank
  bool rank_stabilized = false;      // by alpha / sqrt(rank): arXiv:2312.03732
  std::vector<std::string> modules;  // globs, such as "q_proj" or "*"; empty: all
  std::uint64_t seed = 0;            // of the numbers that it begins with
};

// LoRA, arXiv:2106.09685: beside matrices of a network's layers, which stay as they are, the
// product of two small ones. Kept in f32. The folder that one is read from and written to is
// peft's: adapter_config.json and adapter_model.safetensors, with Hugging Face's names and rows
// whatever the base is. Outlives what uses its matrices.
class Adapter {
 public:
  // Changes nothing yet: one matrix of each pair is zero, the other is evenly spread up to
  // 1 / sqrt(K) as torch's kaiming_uniform_(a = sqrt(5)) has it. With room for gradients. Fails
  // with `usage` where no module has such a name.
  static Adapter fresh(Backend& backend, const Params& base, const ModelFiles& files,
                       const AdapterChoice& choice);
  // For inference. Fails with `model` for an adapter of another kind or of another base.
  static Adapter read(Backend& backend, const Params& base, const ModelFiles& files,
                      const std::filesystem::path& folder);

  // The two files, into a folder that is there. `base` is what the configuration calls the base.
  void write(const std::filesystem::path& folder, const std::string& base) const;

  const std::string& digest() const { return digest_; }  // SHA-256 of the weights that were read
  const LowRanks& matrices() const { return matrices_; }
  // What is learnt, by the names that the file of weights has.
  const std::vector<std::pair<std::string, Var>>& weights() const { return weights_; }

 private:
  explicit Adapter(Backend& backend) : backend_(&backend) {}
  // An empty pair beside a weight [N, K] of the base.
  LowRank& add(const std::string& module, const Tensor& weight, std::int64_t rank, bool trainable);
  Var make(const std::string& name, const Shape& shape, bool trainable);

  struct Pair {
    std::string module;         // "model.layers.0.self_attn.q_proj"
    std::int64_t head_dim = 0;  // over 0: the base has rows in pairs, as GgufTensor
    LowRank* matrices = nullptr;
  };
  Backend* backend_;
  AdapterChoice choice_;
  std::string digest_;
  std::vector<Pair> pairs_;
  LowRanks matrices_;
  std::vector<std::pair<std::string, Var>> weights_;
  std::vector<Buffer> memory_;
};

}  // namespace r1
