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
  bool dora = false;                 // rows have lengths that are learnt: arXiv:2402.09353
  double dropout = 0;                // while it is taught; of use to those who go on with it
  std::vector<std::string> modules;  // globs, such as "q_proj" or "*"; empty: all
  std::uint64_t seed = 0;            // of the numbers that it begins with
};

// LoRA, arXiv:2106.09685: beside matrices of a network's layers, which stay as they are, the
// product of two small ones; in DoRA the lengths of the rows of the sum too. Kept in f32. A folder
// of one is peft's, adapter_config.json and adapter_model.safetensors, with Hugging Face's names
// and rows; a file is llama.cpp's, with those of GGUF; whatever the base is. Outlives what uses its
// matrices.
class Adapter {
 public:
  // Changes nothing yet: one matrix of each pair is zero, the other is evenly spread up to
  // 1 / sqrt(K) as torch's kaiming_uniform_(a = sqrt(5)) has it, and lengths are those of the base.
  // With room for gradients. Fails with `usage` where no module has such a name.
  static Adapter fresh(Backend& backend, const Params& base, const ModelFiles& files,
                       const AdapterChoice& choice);
  // In a folder: peft's two, or the GGUF one.
  static constexpr const char *kConfig = "adapter_config.json",
                              *kWeights = "adapter_model.safetensors", *kFile = "adapter.gguf";
  // A folder, with peft's two files or a GGUF one, or a GGUF file; `trainable`: with room for
  // gradients. Fails with `model` for an adapter of another kind or of another base.
  static Adapter read(Backend& backend, const Params& base, const ModelFiles& files,
                      const std::filesystem::path& path, bool trainable = false);
  // What a folder of peft's says of itself; modules are whatever it has. Fails as `read` does.
  static AdapterChoice choice_of(const std::filesystem::path& folder);

  // The two files, into a folder that is there. `base` is what the configuration calls the base.
  void write(const std::filesystem::path& folder, const std::string& base) const;
  // One GGUF file, which has no place for DoRA. `files` are the base's.
  void write_gguf(const std::filesystem::path& path, const ModelFiles& files) const;

  // What its matrices take, once read; of no path, nothing.
  static std::uint64_t bytes_of(const std::filesystem::path& path);
  // SHA-256 of all that `read` reads there.
  static std::string digest_of(const std::filesystem::path& path);

  // What conversations look like, in place of the base's; empty: as there. Written too.
  const std::string& chat_template() const { return chat_template_; }
  void set_dropout(double share) { choice_.dropout = share; }
  void set_chat_template(std::string source) { chat_template_ = std::move(source); }
  const LowRanks& matrices() const { return matrices_; }
  // What is learnt, by the names that the file of weights has.
  const std::vector<std::pair<std::string, Var>>& weights() const { return weights_; }

 private:
  enum class RowOrder { folder, gguf };  // the order that rows of q and k have
  // A matrix of the base that a pair can stand beside.
  struct Target {
    std::string name, module;   // the base's own, and "model.layers.0.self_attn.q_proj"
    std::string gguf;           // "blk.0.attn_q.weight"
    Tensor weight;              // [N, K]
    std::int64_t head_dim = 0;  // over 0: GGUF files have its rows in pairs, as GgufTensor
  };
  struct Pair {
    Target target;
    LowRank* matrices = nullptr;
  };
  class Tensors;

  Adapter(Backend& backend, const ModelFiles& files)
      : backend_(&backend), rows_(files.is_gguf() ? RowOrder::gguf : RowOrder::folder) {}
  static std::vector<Target> targets_of(const Params& base, const ModelFiles& files);
  // An empty pair.
  LowRank& add(const Target& target, const Params& base, std::int64_t rank, bool trainable);
  Var make(const std::string& name, const Shape& shape, bool trainable);
  Tensor room(const Shape& shape);  // zeros
  Tensor norms_of(const LowRank& pair, const Tensor& weight);
  void read_folder(const Params& base, const ModelFiles& files, const std::filesystem::path& path,
                   bool trainable);
  void read_gguf(const Params& base, const ModelFiles& files, const std::filesystem::path& path,
                 bool trainable);
  // Numbers of a part of a pair, to and from the order of the base.
  void fill(const Tensor& part, const std::vector<float>& values, std::int64_t head_dim,
            RowOrder from);
  std::vector<float> values_of(const Tensor& part, std::int64_t head_dim, RowOrder to) const;

  Backend* backend_;
  RowOrder rows_;  // of the base
  AdapterChoice choice_;
  std::string chat_template_;
  std::vector<Pair> pairs_;
  LowRanks matrices_;
  std::vector<std::pair<std::string, Var>> weights_;
  std::vector<Buffer> memory_;
};

}  // namespace r1
