#pragma once

#include <cmath>
#include <deque>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "lib/io/weights.h"
#include "lib/models/rope_frequencies.h"
#include "lib/tensor/quant_block.h"

namespace r1::test {

// A Hugging Face folder as a GGUF file, as others write it: keys and names
// by family, rows of q and k in interleaved pairs for architecture `llama`, llama3's rope as a
// tensor. Matrices become `matrices`, everything else f32. Without a tokenizer.
class GgufOf {
 public:
  explicit GgufOf(const std::filesystem::path& folder, DType matrices = DType::f32)
      : files_(ModelFiles::open(folder)), matrices_(matrices) {
    describe();
    describe_rope();
    for (const NamedTensor& t : files_.tensors()) convert(t);
  }

  void write(const std::filesystem::path& path) const {
    const auto out = open_file(path);
    write_gguf(*out, metadata_, tensors_);
    out->close();
  }

 private:
  const Json* find(const std::string& key) const {
    const Json* value = files_.config().find(key);
    return value == nullptr || value->is_null() ? nullptr : value;
  }
  std::uint32_t integer(const std::string& key) const {
    return static_cast<std::uint32_t>(files_.config().at(key, key).integer(key));
  }
  void put(const std::string& key, GgufEntry value) {
    metadata_.emplace_back(arch_ + "." + key, std::move(value));
  }
  void put_float(const std::string& key, double value) { put(key, static_cast<float>(value)); }

  void describe() {
    static const std::map<std::string, std::string> kArch = {
        {"LlamaForCausalLM", "llama"}, {"MistralForCausalLM", "llama"},
        {"Qwen2ForCausalLM", "qwen2"}, {"Qwen3ForCausalLM", "qwen3"},
        {"R1ForCausalLM", "r1"},       {"R1PlusForCausalLM", "r1plus"}};
    const std::string name =
        files_.config().at("architectures", "config").array("config")[0].string("config");
    arch_ = kArch.at(name);
    heads_ = integer("num_attention_heads");
    kv_heads_ = integer("num_key_value_heads");
    head_dim_ = find("head_dim") != nullptr ? integer("head_dim") : integer("hidden_size") / heads_;
    metadata_.emplace_back("general.architecture", arch_);
    put("block_count", integer("num_hidden_layers"));
    put("embedding_length", integer("hidden_size"));
    put("feed_forward_length", integer("intermediate_size"));
    put("context_length", integer("max_position_embeddings"));
    put("attention.head_count", heads_);
    put("attention.head_count_kv", kv_heads_);
    put("attention.key_length", head_dim_);
    put_float("attention.layer_norm_rms_epsilon",
              files_.config().at("rms_norm_eps", "config").number("config"));
    if (name == "MistralForCausalLM" && find("sliding_window") != nullptr)
      put("attention.sliding_window", integer("sliding_window"));
    if (const Json* daw = find("daw"))
      for (const char* key : {"newline", "gain"})
        put(std::string("daw.") + key, daw->at(key, "daw").boolean("daw"));
  }

  void describe_rope() {
    const Json* scaling = find("rope_scaling");
    if (scaling == nullptr) scaling = find("rope_parameters");
    const auto number = [](const Json* in, const char* key, double absent) {
      const Json* value = in == nullptr ? nullptr : in->find(key);
      return value == nullptr ? absent : value->number(key);
    };
    const double theta =
        number(scaling, "rope_theta", number(&files_.config(), "rope_theta", 10000));
    put_float("rope.freq_base", theta);
    if (scaling == nullptr) return;
    const Json* type = scaling->find("rope_type");
    const std::string name = (type != nullptr ? *type : scaling->at("type", "rope")).string("rope");
    const double factor = number(scaling, "factor", 1);
    const double original = number(scaling, "original_max_position_embeddings", 0);
    if (name == "llama3") {
      put_rope_freqs(theta, {.kind = RopeScaling::Kind::llama3,
                             .factor = factor,
                             .original_context = original,
                             .low = number(scaling, "low_freq_factor", 1),
                             .high = number(scaling, "high_freq_factor", 4)});
      return;
    }
    put("rope.scaling.type", name);
    put_float("rope.scaling.factor", factor);
    if (name != "yarn") return;
    put("rope.scaling.original_context_length", static_cast<std::uint32_t>(original));
    // GGUF keeps what multiplies the usual magnitude.
    const double usual = 0.1 * std::log(factor) + 1;
    const double magnitude = number(scaling, "attention_factor", usual);
    put_float("rope.scaling.attn_factor", number(scaling, "attn_factor", 1) * magnitude / usual);
  }

  // What each frequency is divided by.
  void put_rope_freqs(double theta, const RopeScaling& scaling) {
    const std::vector<float> plain = rope_frequencies(head_dim_, theta, {});
    const std::vector<float> scaled = rope_frequencies(head_dim_, theta, scaling);
    std::vector<float> factors;
    for (std::size_t i = 0; i < plain.size(); ++i) factors.push_back(plain[i] / scaled[i]);
    add("rope_freqs.weight", {static_cast<std::int64_t>(factors.size())}, factors, DType::f32);
  }

  void convert(const NamedTensor& t) {
    std::vector<float> values(static_cast<std::size_t>(t.tensor.shape.elements()));
    unpack(values, t.tensor.data, t.tensor.dtype);
    const std::string name = gguf_name(t.name);
    if (arch_ == "llama" && name.find("attn_q.") != std::string::npos)
      values = interleaved(values, heads_);
    if (arch_ == "llama" && name.find("attn_k.") != std::string::npos)
      values = interleaved(values, kv_heads_);
    const bool exact = t.tensor.shape.rank() == 1 || name.find("daw") != std::string::npos;
    add(name, t.tensor.shape, values, exact ? DType::f32 : matrices_);
  }

  void add(const std::string& name, const Shape& shape, const std::vector<float>& values,
           DType dtype) {
    Tensor t{nullptr, shape, dtype};
    t.data = memory_.emplace_back(t.bytes()).data();
    pack(t.data, values, dtype);
    tensors_.push_back({name, t});
  }

  // Rows i and i + hd/2 of each head become neighbours, 2i and 2i + 1.
  std::vector<float> interleaved(const std::vector<float>& rows, std::size_t heads) const {
    const std::size_t hd = head_dim_, width = rows.size() / (heads * hd);
    std::vector<float> out(rows.size());
    for (std::size_t r = 0; r < heads * hd; ++r) {
      const std::size_t i = r % hd, to = r - i + (i < hd / 2 ? 2 * i : 2 * (i - hd / 2) + 1);
      std::copy_n(rows.begin() + static_cast<std::ptrdiff_t>(r * width), width,
                  out.begin() + static_cast<std::ptrdiff_t>(to * width));
    }
    return out;
  }

  static std::string gguf_name(std::string name) {
    static const std::vector<std::pair<std::string, std::string>> kParts = {
        {"model.embed_tokens", "token_embd"},
        {"model.norm", "output_norm"},
        {"lm_head", "output"},
        {"model.layers.", "blk."},
        {"input_layernorm", "attn_norm"},
        {"post_attention_layernorm", "ffn_norm"},
        {"self_attn.o_proj", "attn_output"},
        {"self_attn.daw.", "attn_daw_"},
        {"self_attn.", "attn_"},
        {"q_proj", "q"},
        {"k_proj", "k"},
        {"v_proj", "v"},
        {"mlp.gate_proj", "ffn_gate"},
        {"mlp.up_proj", "ffn_up"},
        {"mlp.down_proj", "ffn_down"}};
    for (const auto& [from, to] : kParts)
      if (const std::size_t at = name.find(from); at != std::string::npos)
        name.replace(at, from.size(), to);
    return name;
  }

  ModelFiles files_;
  DType matrices_;
  std::string arch_;
  std::uint32_t heads_ = 0, kv_heads_ = 0, head_dim_ = 0;
  std::vector<std::pair<std::string, GgufEntry>> metadata_;
  std::vector<NamedTensor> tensors_;
  std::deque<std::vector<std::byte>> memory_;
};

}  // namespace r1::test
