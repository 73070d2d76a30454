#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "lib/io/safetensors.h"
#include "lib/io/weights.h"
#include "lib/tensor/quant_block.h"
#include "tests/support/backends.h"
#include "tests/support/temp_dir.h"

namespace r1::test {

// A Llama of random f32 weights, as a folder in memory or on disk.
class RandomLlama {
 public:
  struct Weight {
    Shape shape;
    std::vector<float> values;
  };

  RandomLlama(std::int64_t layers, std::int64_t width, std::int64_t inner, std::int64_t vocab)
      : config_(fmt::format(R"({{"architectures":["LlamaForCausalLM"],"model_type":"llama",)"
                            R"("hidden_size":{},"num_hidden_layers":{},"intermediate_size":{},)"
                            R"("vocab_size":{},"num_attention_heads":4,"num_key_value_heads":2,)"
                            R"("max_position_embeddings":512,"rms_norm_eps":1e-5,)"
                            R"("rope_theta":10000.0,"hidden_act":"silu",)"
                            R"("tie_word_embeddings":false}})",
                            width, layers, inner, vocab)) {
    add("model.embed_tokens.weight", {vocab, width});
    add("lm_head.weight", {vocab, width});
    add("model.norm.weight", {width});
    for (std::int64_t i = 0; i < layers; ++i) {
      const std::string layer = fmt::format("model.layers.{}.", i);
      add(layer + "input_layernorm.weight", {width});
      add(layer + "post_attention_layernorm.weight", {width});
      for (const char* matrix : {"q_proj", "o_proj"})
        add(layer + "self_attn." + matrix + ".weight", {width, width});
      for (const char* matrix : {"k_proj", "v_proj"})
        add(layer + "self_attn." + matrix + ".weight", {width / 2, width});
      for (const char* matrix : {"gate_proj", "up_proj"})
        add(layer + "mlp." + matrix + ".weight", {inner, width});
      add(layer + "mlp.down_proj.weight", {width, inner});
    }
  }

  std::map<std::string, Weight>& weights() { return weights_; }
  // The same with the layers' matrices rounded to a type whose blocks their rows are.
  RandomLlama rounded(DType type) const {
    RandomLlama out = *this;
    for (auto& [name, w] : out.weights_) {
      if (!name.ends_with("_proj.weight") || w.shape[1] % block_elements(type) != 0) continue;
      std::vector<std::byte> blocks(Tensor{nullptr, w.shape, type}.bytes());
      pack(blocks.data(), w.values, type);
      unpack(w.values, blocks.data(), type);
    }
    return out;
  }
  // It outlives these.
  ModelFiles files() const {
    return ModelFiles::of_folder(parse_json(config_, "config.json"), labels());
  }
  void write(const std::filesystem::path& folder) const {
    write_bytes(folder / "config.json", config_);
    const auto out = open_file(folder / "model.safetensors");
    write_safetensors(*out, labels(), {{"format", "pt"}});
    out->close();
  }

 private:
  void add(const std::string& name, const Shape& shape) {
    const float middle = shape.rank() == 1 ? 1.0f : 0.0f;  // of norms
    weights_[name] = {
        shape, random_values(shape.elements(), weights_.size(), middle - 0.3f, middle + 0.3f)};
  }
  std::vector<NamedTensor> labels() const {
    std::vector<NamedTensor> labels;
    for (const auto& [name, w] : weights_)
      labels.push_back({name, {const_cast<float*>(w.values.data()), w.shape, DType::f32}});
    return labels;
  }
  std::string config_;
  std::map<std::string, Weight> weights_;
};

}  // namespace r1::test
