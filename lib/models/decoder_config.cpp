#include "lib/models/decoder_config.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "lib/base/error.h"
#include "lib/models/rope_frequencies.h"

namespace r1 {
namespace {

// What a family is beyond its numbers (MODELS.md 2.3).
struct Family {
  std::string_view class_name;  // in config.json
  std::string_view gguf;        // general.architecture
  bool qkv_bias, qk_norm, daw;
  bool gguf_interleaved;  // GGUF files of this name hold q and k rows in pairs (2i, 2i + 1)
};
constexpr Family kFamilies[] = {
    {"LlamaForCausalLM", "llama", false, false, false, true},
    {"MistralForCausalLM", "", false, false, false, true},  // GGUF calls it llama
    {"Qwen2ForCausalLM", "qwen2", true, false, false, false},
    {"Qwen3ForCausalLM", "qwen3", false, true, false, false},
    {"R1ForCausalLM", "r1", false, true, false, false},
    {"R1PlusForCausalLM", "r1plus", false, true, true, false},
};

// Everything here is what the file says; the checks name its keys.
[[noreturn]] void refuse(std::string_view what) { fail(ErrorKind::model, "{}", what); }

std::int64_t in_range(std::string_view key, std::int64_t value, std::int64_t least,
                      std::int64_t most) {
  if (value < least || value > most)
    fail(ErrorKind::model, "{} is {}, not from {} to {}", key, value, least, most);
  return value;
}

double positive(std::string_view key, double value) {
  if (!(value > 0) || !std::isfinite(value))
    fail(ErrorKind::model, "{} is {}, not above 0", key, value);
  return value;
}

// The sizes as either kind of file gives them, before they are checked against each other.
struct Sizes {
  std::int64_t layers, width, heads, kv_heads, head_dim, inner, context;
  double eps, theta;
};

void set_sizes(DecoderConfig& c, const Sizes& s) {
  c.layers = in_range("the number of layers", s.layers, 1, 512);
  c.width = in_range("the width", s.width, 1, 65536);
  c.inner = in_range("the feed-forward width", s.inner, 1, 1 << 20);
  c.context = in_range("the context", s.context, 1, 16'777'216);
  c.attention.heads = in_range("the number of heads", s.heads, 1, 1024);
  c.attention.kv_heads = in_range("the number of key-value heads", s.kv_heads, 1, 1024);
  c.attention.head_dim = in_range("the head size", s.head_dim, 2, 1024);
  if (c.attention.heads % c.attention.kv_heads != 0)
    fail(ErrorKind::model, "{} heads do not share {} key-value heads", c.attention.heads,
         c.attention.kv_heads);
  if (c.attention.head_dim % 2 != 0)
    fail(ErrorKind::model, "the head size {} is odd", c.attention.head_dim);
  if (!(s.eps > 0 && s.eps < 1))
    fail(ErrorKind::model, "the norm epsilon is {}, not between 0 and 1", s.eps);
  c.eps = static_cast<float>(s.eps);
  positive("the rope base", s.theta);
}

void check_scaling(const RopeScaling& s) {
  using Kind = RopeScaling::Kind;
  if (s.kind == Kind::none) return;
  positive("the rope factor", s.factor);
  if (s.kind == Kind::llama3 || s.kind == Kind::yarn)
    positive("the rope's original context", s.original_context);
  if (s.kind == Kind::llama3 && !(s.high > s.low && s.low > 0))
    fail(ErrorKind::model, "the rope's high_freq_factor {} is not above its low_freq_factor {}",
         s.high, s.low);
  if (s.kind == Kind::yarn && !(s.beta_fast > 0 && s.beta_slow > 0))
    refuse("the rope's beta_fast and beta_slow are not above 0");
}

void set_rope(DecoderConfig& c, double theta, const RopeScaling& scaling) {
  check_scaling(scaling);
  c.rope.frequencies = rope_frequencies(c.attention.head_dim, theta, scaling);
  c.rope.magnitude = rope_magnitude(scaling);
}

// --- config.json ---------------------------------------------------------------------------------

class JsonConfig {
 public:
  explicit JsonConfig(const Json& config) : config_(config) {}

  const Json* find(std::string_view key) const {
    const Json* value = config_.find(key);
    return value == nullptr || value->is_null() ? nullptr : value;
  }
  std::int64_t integer(std::string_view key) const {
    const Json* value = find(key);
    if (value == nullptr) fail(ErrorKind::model, "config.json has no {}", key);
    return value->integer(where(key));
  }
  std::int64_t integer(std::string_view key, std::int64_t absent) const {
    return find(key) == nullptr ? absent : integer(key);
  }
  double number(std::string_view key, double absent) const {
    const Json* value = find(key);
    return value == nullptr ? absent : value->number(where(key));
  }
  bool boolean(std::string_view key, bool absent) const {
    const Json* value = find(key);
    return value == nullptr ? absent : value->boolean(where(key));
  }
  static std::string where(std::string_view key) { return fmt::format("config.json: {}", key); }

 private:
  const Json& config_;
};

const Family& family_of(const JsonConfig& config) {
  const Json* names = config.find("architectures");
  if (names == nullptr) refuse("config.json has no architectures");
  const Json::Array& list = names->array("config.json: architectures");
  if (list.empty()) refuse("config.json: architectures is empty");
  const std::string& name = list[0].string("config.json: architectures");
  for (const Family& f : kFamilies)
    if (f.class_name == name) return f;
  fail(ErrorKind::model, "the architecture {} is not one that runs here", escaped(name));
}

RopeScaling read_scaling(const Json& scaling) {
  const JsonConfig in(scaling);
  const Json* type = in.find("rope_type") != nullptr ? in.find("rope_type") : in.find("type");
  const std::string name = type == nullptr ? "default" : type->string("config.json: rope_type");
  RopeScaling s;
  using Kind = RopeScaling::Kind;
  if (name == "default") return s;
  if (name == "linear")
    s.kind = Kind::linear;
  else if (name == "llama3")
    s.kind = Kind::llama3;
  else if (name == "yarn")
    s.kind = Kind::yarn;
  else
    fail(ErrorKind::model, "the rope scaling {} is not one that runs here", escaped(name));
  s.factor = in.number("factor", 0);
  s.original_context = in.number("original_max_position_embeddings", 0);
  s.low = in.number("low_freq_factor", s.low);
  s.high = in.number("high_freq_factor", s.high);
  s.beta_fast = in.number("beta_fast", s.beta_fast);
  s.beta_slow = in.number("beta_slow", s.beta_slow);
  if (in.find("attention_factor") != nullptr) s.attention_factor = in.number("attention_factor", 1);
  s.attn_factor = in.number("attn_factor", 1);
  return s;
}

void read_rope(DecoderConfig& c, const JsonConfig& in, double theta) {
  const Json* given =
      in.find("rope_parameters") != nullptr ? in.find("rope_parameters") : in.find("rope_scaling");
  RopeScaling scaling = given == nullptr ? RopeScaling{} : read_scaling(*given);
  if (scaling.original_context == 0) scaling.original_context = static_cast<double>(c.context);
  set_rope(c, theta, scaling);
}

double read_theta(const JsonConfig& in) {
  if (const Json* parameters = in.find("rope_parameters"))
    if (const Json* theta = parameters->find("rope_theta"))
      return theta->number("config.json: rope_theta");
  return in.number("rope_theta", 10000);
}

// Which layers look back only so far.
void read_window(DecoderConfig& c, const JsonConfig& in, const Family& family) {
  std::vector<std::int64_t>& window = c.attention.window;
  window.assign(static_cast<std::size_t>(c.layers), 0);
  const bool qwen = family.class_name.starts_with("Qwen");
  if (in.find("sliding_window") == nullptr || (qwen && !in.boolean("use_sliding_window", false)))
    return;
  const std::int64_t size = in_range("sliding_window", in.integer("sliding_window"), 1, 16'777'216);
  const Json* types = in.find("layer_types");
  if (types == nullptr) {
    if (qwen)
      refuse(
          "config.json has use_sliding_window and no layer_types, so that the layers are unknown");
    if (family.class_name == "MistralForCausalLM") std::fill(window.begin(), window.end(), size);
    return;
  }
  const Json::Array& list = types->array("config.json: layer_types");
  if (list.size() != window.size())
    fail(ErrorKind::model, "config.json: layer_types has {} entries for {} layers", list.size(),
         c.layers);
  for (std::size_t i = 0; i < list.size(); ++i)
    if (list[i].string("config.json: layer_types") == "sliding_attention") window[i] = size;
}

void refuse_what_is_not_built(const JsonConfig& in) {
  const Json* act =
      in.find("hidden_act") != nullptr ? in.find("hidden_act") : in.find("hidden_activation");
  if (act != nullptr && act->string("config.json: hidden_act") != "silu")
    fail(ErrorKind::model, "config.json: hidden_act is {}, not silu", escaped(act->string("")));
  if (in.number("partial_rotary_factor", 1) != 1)
    refuse("config.json: partial_rotary_factor is not 1");
}

DecoderConfig from_json(const ModelFiles& files) {
  const JsonConfig in(files.config());
  const Family& family = family_of(in);
  refuse_what_is_not_built(in);
  DecoderConfig c;
  Sizes s{};
  s.layers = in.integer("num_hidden_layers");
  s.width = in.integer("hidden_size");
  s.heads = in_range("num_attention_heads", in.integer("num_attention_heads"), 1, 1024);
  s.kv_heads = in.integer("num_key_value_heads", s.heads);
  s.head_dim = in.integer("head_dim", s.width / s.heads);
  s.inner = in.integer("intermediate_size");
  s.context = in.integer("max_position_embeddings", 2048);
  s.eps = in.number("rms_norm_eps", 1e-6);
  s.theta = read_theta(in);
  set_sizes(c, s);
  read_rope(c, in, s.theta);
  read_window(c, in, family);
  c.attention.qkv_bias =
      family.qkv_bias || files.find("model.layers.0.self_attn.q_proj.bias") != nullptr;
  c.attention.out_bias = files.find("model.layers.0.self_attn.o_proj.bias") != nullptr;
  c.attention.qk_norm = family.qk_norm;
  if (family.daw) {
    const Json* switches = in.find("daw");
    if (switches == nullptr) refuse("config.json has no daw");
    const JsonConfig daw(*switches);
    c.attention.daw = {daw.boolean("newline", false), daw.boolean("gain", false)};
  }
  const Tensor* embedding = files.find("model.embed_tokens.weight");
  c.vocab = embedding == nullptr ? 0 : embedding->shape[0];
  if (in.integer("vocab_size", c.vocab) != c.vocab)
    fail(ErrorKind::model, "vocab_size is {}, and model.embed_tokens.weight has {} rows",
         in.integer("vocab_size"), c.vocab);
  c.tied = files.find("lm_head.weight") == nullptr;
  return c;
}

// --- GGUF
// ------------------------------------------------------------------------------------------

const Family& family_of(const GgufFile& gguf) {
  const auto name = gguf.string("general.architecture");
  if (!name) refuse("the file has no general.architecture");
  for (const Family& f : kFamilies)
    if (f.gguf == *name && !name->empty()) return f;
  fail(ErrorKind::model, "the architecture {} is not one that runs here", escaped(*name));
}

// Keys of one architecture: "llama.block_count" for "block_count".
class GgufConfig {
 public:
  GgufConfig(const GgufFile& gguf, std::string_view family) : gguf_(gguf), family_(family) {}

  std::string key(std::string_view name) const { return fmt::format("{}.{}", family_, name); }
  std::int64_t integer(std::string_view name) const {
    const auto value = gguf_.integer(key(name));
    if (!value) fail(ErrorKind::model, "{} has no {}", gguf_.name(), key(name));
    return *value;
  }
  std::int64_t integer(std::string_view name, std::int64_t absent) const {
    return gguf_.integer(key(name)).value_or(absent);
  }
  double number(std::string_view name, double absent) const {
    return gguf_.number(key(name)).value_or(absent);
  }
  bool boolean(std::string_view name) const { return gguf_.boolean(key(name)).value_or(false); }
  std::string text(std::string_view name, std::string_view absent) const {
    return std::string(gguf_.string(key(name)).value_or(absent));
  }

 private:
  const GgufFile& gguf_;
  std::string_view family_;
};

RopeScaling read_scaling(const GgufConfig& in) {
  RopeScaling s;
  const std::string type = in.text("rope.scaling.type", "none");
  if (type == "none") return s;
  if (type == "linear")
    s.kind = RopeScaling::Kind::linear;
  else if (type == "yarn")
    s.kind = RopeScaling::Kind::yarn;
  else
    fail(ErrorKind::model, "the rope scaling {} is not one that runs here", escaped(type));
  s.factor = in.number("rope.scaling.factor", 1);
  s.original_context = in.number("rope.scaling.original_context_length", 0);
  s.beta_fast = in.number("rope.scaling.yarn_beta_fast", s.beta_fast);
  s.beta_slow = in.number("rope.scaling.yarn_beta_slow", s.beta_slow);
  s.attn_factor = in.number("rope.scaling.attn_factor", 1);
  return s;
}

// llama3's rule comes as a tensor: each frequency is divided by its entry.
void divide_frequencies(DecoderConfig& c, const ModelFiles& files) {
  const Tensor* factors = files.find("rope_freqs.weight");
  if (factors == nullptr) return;
  const auto n = static_cast<std::int64_t>(c.rope.frequencies.size());
  if (factors->dtype != DType::f32 || factors->shape != Shape{n})
    fail(ErrorKind::model, "rope_freqs.weight is {} of {}, not [{}] of f32",
         to_string(factors->shape), to_string(factors->dtype), n);
  for (std::int64_t i = 0; i < n; ++i) {
    const auto factor = static_cast<float>(positive("rope_freqs.weight", factors->as<float>()[i]));
    c.rope.frequencies[static_cast<std::size_t>(i)] /= factor;
  }
}

DecoderConfig from_gguf(const ModelFiles& files) {
  const Family& family = family_of(files.gguf());
  const GgufConfig in(files.gguf(), family.gguf);
  DecoderConfig c;
  Sizes s{};
  s.layers = in.integer("block_count");
  s.width = in.integer("embedding_length");
  s.heads = in_range(in.key("attention.head_count"), in.integer("attention.head_count"), 1, 1024);
  s.kv_heads = in.integer("attention.head_count_kv", s.heads);
  s.head_dim = in.integer("attention.key_length", s.width / s.heads);
  s.inner = in.integer("feed_forward_length");
  s.context = in.integer("context_length");
  s.eps = in.number("attention.layer_norm_rms_epsilon", 1e-6);
  s.theta = in.number("rope.freq_base", 10000);
  set_sizes(c, s);
  if (in.integer("attention.value_length", s.head_dim) != s.head_dim ||
      in.integer("rope.dimension_count", s.head_dim) != s.head_dim)
    refuse("heads whose value or rope size differs from their key size do not run here");
  if (in.integer("expert_count", 0) != 0) refuse("models with experts do not run here");
  RopeScaling scaling = read_scaling(in);
  if (scaling.original_context == 0) scaling.original_context = static_cast<double>(c.context);
  set_rope(c, s.theta, scaling);
  divide_frequencies(c, files);
  c.rope.interleaved = family.gguf_interleaved;
  const std::int64_t window = in_range(in.key("attention.sliding_window"),
                                       in.integer("attention.sliding_window", 0), 0, 16'777'216);
  c.attention.window.assign(static_cast<std::size_t>(c.layers), window);
  c.attention.qkv_bias = family.qkv_bias || files.find("blk.0.attn_q.bias") != nullptr;
  c.attention.out_bias = files.find("blk.0.attn_output.bias") != nullptr;
  c.attention.qk_norm = family.qk_norm;
  if (family.daw) c.attention.daw = {in.boolean("daw.newline"), in.boolean("daw.gain")};
  const Tensor* embedding = files.find("token_embd.weight");
  c.vocab = embedding == nullptr ? 0 : embedding->shape[0];
  c.tied = files.find("output.weight") == nullptr;
  return c;
}

}  // namespace

DecoderConfig read_decoder_config(const ModelFiles& files) {
  DecoderConfig c = files.is_gguf() ? from_gguf(files) : from_json(files);
  in_range("the vocabulary", c.vocab, 1, 2'097'152);
  return c;
}

}  // namespace r1
