#include "lib/models/fresh_model.h"

#include <cmath>
#include <numbers>
#include <string>
#include <vector>

#include "lib/base/error.h"
#include "lib/base/output.h"
#include "lib/base/random.h"
#include "lib/base/write_file.h"
#include "lib/io/safetensors.h"
#include "lib/io/weights_files.h"
#include "lib/models/decoder_config.h"

namespace r1 {
namespace {

constexpr const char* kEmbedding = "model.embed_tokens.weight";
constexpr double kEmbeddingDeviation = 0.02;
constexpr double kFirstGate = 3, kLastGate = 7, kLoneGate = 5;

Json with_vocab(const Json& config, std::int64_t vocab) {
  if (const Json* said = config.find("vocab_size"); said != nullptr) {
    if (said->integer("vocab_size") < vocab)
      fail(ErrorKind::model, "config.json: vocab_size is {}, and the tokenizer has {} tokens",
           said->integer("vocab_size"), vocab);
    return config;
  }
  JsonWriter w;
  w.begin_object();
  for (const auto& [key, value] : config.object("config.json")) w.key(key).exact(value);
  return parse_json(w.key("vocab_size").integer(vocab).end_object().text(), "config.json");
}

NamedTensor label(std::string name, const Shape& shape) {
  return {std::move(name), {nullptr, shape, DType::f32}};
}

// What the embedding and the head are; the rest follows from what a decoder reads with them.
std::vector<NamedTensor> vocabulary_of(const Json& config) {
  const Shape shape{config.at("vocab_size", "config.json").integer("vocab_size"),
                    config.at("hidden_size", "config.json").integer("hidden_size")};
  std::vector<NamedTensor> labels{label(kEmbedding, shape)};
  const Json* tied = config.find("tie_word_embeddings");
  if (tied == nullptr || !tied->boolean("tie_word_embeddings"))
    labels.push_back(label("lm_head.weight", shape));
  return labels;
}

void add_layer(std::vector<NamedTensor>& labels, const DecoderConfig& c, std::int64_t layer) {
  const DecoderConfig::Attention& a = c.attention;
  const std::int64_t D = c.width, H = a.heads * a.head_dim, KV = a.kv_heads * a.head_dim;
  const auto add = [&](const std::string& name, const Shape& shape) {
    labels.push_back(label(fmt::format("model.layers.{}.{}", layer, name), shape));
  };
  const auto add_projection = [&](const char* name, std::int64_t rows) {
    add(fmt::format("self_attn.{}.weight", name), {rows, D});
    if (a.qkv_bias) add(fmt::format("self_attn.{}.bias", name), {rows});
  };
  const auto add_affine = [&](const char* name) {
    add(fmt::format("self_attn.daw.{}.weight", name), {a.kv_heads, D});
    add(fmt::format("self_attn.daw.{}.bias", name), {a.kv_heads});
  };
  add("input_layernorm.weight", {D});
  add_projection("q_proj", H);
  add_projection("k_proj", KV);
  add_projection("v_proj", KV);
  add("self_attn.o_proj.weight", {D, H});
  if (a.qk_norm) {
    add("self_attn.q_norm.weight", {a.head_dim});
    add("self_attn.k_norm.weight", {a.head_dim});
  }
  if (a.daw) {
    add_affine("gate");
    if (a.daw->newline) add("self_attn.daw.newline", {a.kv_heads});
    if (a.daw->gain) add_affine("gain");
  }
  add("post_attention_layernorm.weight", {D});
  add("mlp.gate_proj.weight", {c.inner, D});
  add("mlp.up_proj.weight", {c.inner, D});
  add("mlp.down_proj.weight", {D, c.inner});
}

double normal(std::uint64_t seed, std::uint64_t stream, std::uint64_t index) {  // Box and Muller
  const double u = 1 - random_uniform(seed, stream, 2 * index);
  const double v = random_uniform(seed, stream, 2 * index + 1);
  return std::sqrt(-2 * std::log(u)) * std::cos(2 * std::numbers::pi * v);
}

// The value of entry i of n of a vector.
double vector_entry(const std::string& name, std::int64_t i, std::int64_t n) {
  if (name.ends_with("norm.weight")) return 1;
  if (!name.ends_with("daw.gate.bias")) return 0;
  if (n == 1) return kLoneGate;
  return kFirstGate +
         (kLastGate - kFirstGate) * static_cast<double>(i) / static_cast<double>(n - 1);
}

double deviation(const NamedTensor& t, std::int64_t layers) {
  if (t.name == kEmbedding) return kEmbeddingDeviation;
  if (t.name.find(".daw.") != std::string::npos) return 0;
  const double deviation = 1 / std::sqrt(static_cast<double>(t.tensor.cols()));
  const bool adds = t.name.ends_with("o_proj.weight") || t.name.ends_with("down_proj.weight");
  return adds ? deviation / std::sqrt(2 * static_cast<double>(layers)) : deviation;
}

std::vector<float> values_of(const NamedTensor& t, std::int64_t layers, std::uint64_t seed,
                             std::uint64_t stream) {
  const std::int64_t n = t.tensor.shape.elements();
  std::vector<float> values(static_cast<std::size_t>(n));
  const double scale = t.tensor.shape.rank() == 2 ? deviation(t, layers) : 0;
  for (std::int64_t i = 0; i < n; ++i)
    values[static_cast<std::size_t>(i)] = static_cast<float>(
        t.tensor.shape.rank() == 1 ? vector_entry(t.name, i, n)
        : scale == 0               ? 0
                                   : scale * normal(seed, stream, static_cast<std::uint64_t>(i)));
  return values;
}

}  // namespace

void write_fresh_model(const Json& given, std::int64_t vocab, std::uint64_t seed,
                       const std::filesystem::path& folder) {
  const Json config = with_vocab(given, vocab);
  std::vector<NamedTensor> labels = vocabulary_of(config);
  const DecoderConfig c = read_decoder_config(ModelFiles::of_folder(config, labels));
  for (std::int64_t i = 0; i < c.layers; ++i) add_layer(labels, c, i);
  labels.push_back(label("model.norm.weight", {c.width}));

  const auto out = open_file(folder / kWeightsFile);
  out->write(safetensors_header(labels, {{"format", "pt"}}));
  for (std::size_t i = 0; i < labels.size(); ++i) {
    const std::vector<float> values = values_of(labels[i], c.layers, seed, i);
    out->write(as_text(std::as_bytes(std::span(values))));
  }
  out->close();
  JsonWriter w;
  write_file(folder / "config.json", w.exact(config).text() + "\n");
}

}  // namespace r1
