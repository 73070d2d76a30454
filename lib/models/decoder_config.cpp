#include "lib/models/decoder_config.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <limits>

#include <fmt/format.h>

#include "lib/base/error.h"
#include "lib/base/json_section.h"
#include "lib/models/rope_frequencies.h"

namespace r1 {
namespace {

// What a family is beyond its numbers.
struct Family {
  std::string_view class_name;  // in config.json
  std::string_view gguf;        // general.architecture
  bool qkv_bias, qk_norm, daw;
  bool gguf_interleaved;  // GGUF files of this name hold q and k rows in pairs (2i, 2i + 1)
};
constexpr Family kFamilies[] = {
    {"LlamaForCausalLM", "llama", false, false, false, true},
    {"MistralForCausalLM", "llama", false, false, false, true},
    {"Qwen2ForCausalLM", "qwen2", true, false, false, false},
    {"Qwen3ForCausalLM", "qwen3", false, true, false, false},
    {"R1ForCausalLM", "r1", false, true, false, false},
    {"R1PlusForCausalLM", "r1plus", false, true, true, false},
};

// Everything here is what the file says; the checks name its keys.
[[noreturn]] void refuse(std::string_view what) { fail(ErrorKind::model, "{}", what); }

// What a number may be. Beyond that it is an attack or an accident.
struct Range {
  std::int64_t least, most;
};
constexpr Range kLayers{1, 512}, kWidth{1, 65536}, kHeads{1, 1024}, kHeadSize{2, 1024};
constexpr Range kInner{1, 1 << 20}, kVocab{1, 1 << 21}, kContext{1, 1 << 24}, kWindow{0, 1 << 24};

std::int64_t in_range(std::string_view key, std::int64_t value, const Range& range) {
  if (value < range.least || value > range.most)
    fail(ErrorKind::model, "{} is {}, not from {} to {}", key, value, range.least, range.most);
  return value;
}

double positive(std::string_view key, double value) {
  if (!(value > 0) || !std::isfinite(value))
    fail(ErrorKind::model, "{} is {}, not above 0", key, value);
  return value;
}

// The smallest is a normal f32: below it the sum under the root could be 0.
float epsilon(std::string_view key, double value) {
  if (!(value >= std::numeric_limits<float>::min() && value < 1))
    fail(ErrorKind::model, "{} is {}, not between 0 and 1", key, value);
  return static_cast<float>(value);
}

void check_heads(const DecoderConfig::Attention& a) {
  if (a.heads % a.kv_heads != 0)
    fail(ErrorKind::model, "{} heads do not share {} key-value heads", a.heads, a.kv_heads);
  if (a.head_dim % 2 != 0) fail(ErrorKind::model, "the head size {} is odd", a.head_dim);
}

// The vocabulary is as large as the embedding has rows.
std::int64_t embedding_rows(const ModelFiles& files, std::string_view name) {
  const Tensor* embedding = files.find(name);
  if (embedding == nullptr)
    fail(ErrorKind::model, "{} has no tensor {}", escaped(files.path().string()), name);
  if (embedding->shape.rank() != 2)
    fail(ErrorKind::model, "{} is {}, not a matrix", name, to_string(embedding->shape));
  return in_range(fmt::format("the number of rows of {}", name), embedding->shape[0], kVocab);
}

void check_scaling(const RopeScaling& s) {
  using Kind = RopeScaling::Kind;
  if (s.kind == Kind::none) return;
  positive("the rope factor", s.factor);
  constexpr double kLongest = 1 << 30;
  if (s.kind == Kind::llama3 || s.kind == Kind::yarn)
    positive("the rope's original context", s.original_context);
  if (s.original_context > kLongest)
    fail(ErrorKind::model, "the rope's original context is {}, above {}", s.original_context,
         kLongest);
  if (s.kind == Kind::llama3 && !(s.high > s.low && s.low > 0))
    fail(ErrorKind::model, "the rope's high_freq_factor {} is not above its low_freq_factor {}",
         s.high, s.low);
  if (s.kind == Kind::yarn && !(s.beta_fast > 0 && s.beta_slow > 0))
    refuse("the rope's beta_fast and beta_slow are not above 0");
}

void set_rope(DecoderConfig& c, double theta, const RopeScaling& scaling) {
  check_scaling(scaling);
  c.rope.theta = theta;
  c.rope.scaling = scaling;
  c.rope.frequencies = rope_frequencies(c.attention.head_dim, theta, scaling);
  c.rope.magnitude = rope_magnitude(scaling);
}

// Numbers may be fine one by one and give nonsense together.
void check_angles(const DecoderConfig::Rope& rope) {
  const auto usable = [](float x) { return std::isfinite(x) && x > 0; };
  if (!usable(rope.magnitude) ||
      !std::all_of(rope.frequencies.begin(), rope.frequencies.end(), usable))
    refuse("the rope's base and scaling give no usable angles");
}

// --- config.json ---------------------------------------------------------------------------------

class JsonConfig : public JsonSection {
 public:
  using JsonSection::JsonSection;

  JsonConfig in(std::string_view key) const { return {*find(key), where(key)}; }
  std::int64_t integer(std::string_view key, const Range& range) const {
    const Json* value = find(key);
    if (value == nullptr) fail(ErrorKind::model, "{} has no {}", name(), key);
    return in_range(where(key), value->integer(where(key)), range);
  }
  std::int64_t integer(std::string_view key, const Range& range, std::int64_t absent) const {
    return find(key) == nullptr ? in_range(where(key), absent, range) : integer(key, range);
  }
};

const Family& family_of(const JsonConfig& config) {
  const Json* names = config.find("architectures");
  if (names == nullptr) refuse("config.json has no architectures");
  const Json::Array& list = names->array(config.where("architectures"));
  if (list.empty()) refuse("config.json: architectures is empty");
  const std::string& name = list[0].string(config.where("architectures"));
  for (const Family& f : kFamilies)
    if (f.class_name == name) return f;
  fail(ErrorKind::model, "the architecture {} is not one that runs here", escaped(name));
}

RopeScaling::Kind scaling_kind(std::string_view name) {
  using Kind = RopeScaling::Kind;
  if (name == "default" || name == "none") return Kind::none;
  if (name == "linear") return Kind::linear;
  if (name == "llama3") return Kind::llama3;
  if (name == "yarn") return Kind::yarn;
  fail(ErrorKind::model, "the rope scaling {} is not one that runs here", escaped(name));
}

// rope_scaling, or rope_parameters as Transformers 5 writes it.
RopeScaling read_scaling(const JsonConfig& in) {
  RopeScaling s;
  if (in.find("rope_type") == nullptr && in.find("type") == nullptr && in.find("factor") != nullptr)
    fail(ErrorKind::model, "{} is missing, and factor is there", in.where("rope_type"));
  s.kind = scaling_kind(in.text("rope_type", in.text("type", "default")));
  if (in.number("partial_rotary_factor", 1) != 1 || !in.boolean("truncate", true))
    fail(ErrorKind::model, "{} or truncate is not as it runs here",
         in.where("partial_rotary_factor"));
  s.factor = in.number("factor", 0);
  s.original_context = in.number("original_max_position_embeddings", 0);
  s.low = in.number("low_freq_factor", s.low);
  s.high = in.number("high_freq_factor", s.high);
  s.beta_fast = in.number("beta_fast", s.beta_fast);
  s.beta_slow = in.number("beta_slow", s.beta_slow);
  if (in.find("attention_factor") != nullptr) s.attention_factor = in.number("attention_factor", 1);
  s.attn_factor = in.number("attn_factor", 1);
  s.mscale = in.number("mscale", 0);
  s.mscale_all_dim = in.number("mscale_all_dim", 0);
  return s;
}

void read_rope(DecoderConfig& c, const JsonConfig& in) {
  RopeScaling scaling;
  double theta = in.number("rope_theta", 10000);
  for (const std::string_view key : {"rope_scaling", "rope_parameters"}) {
    if (in.find(key) == nullptr) continue;
    for (const auto& [name, value] : in.find(key)->object(in.where(key)))
      if (value.is_object())
        fail(ErrorKind::model, "{} differs by layer, which does not run here", in.where(key));
    scaling = read_scaling(in.in(key));
    theta = in.in(key).number("rope_theta", theta);
  }
  positive(in.where("rope_theta"), theta);
  if (scaling.original_context == 0 && scaling.kind == RopeScaling::Kind::yarn)
    scaling.original_context = static_cast<double>(c.context);
  set_rope(c, theta, scaling);
}

// Which layers look back only so far. Llama's own never do.
void read_window(DecoderConfig& c, const JsonConfig& in, const Family& family) {
  std::vector<std::int64_t>& window = c.attention.window;
  window.assign(static_cast<std::size_t>(c.layers), 0);
  const bool qwen = family.class_name.starts_with("Qwen");
  const bool whole = family.class_name.starts_with("Llama");
  if (in.find("sliding_window") == nullptr || whole) return;
  if (qwen && !in.boolean("use_sliding_window", false)) return;
  const std::int64_t size = in.integer("sliding_window", {1, kWindow.most});
  const Json* types = in.find("layer_types");
  if (types == nullptr && qwen)
    refuse("config.json has use_sliding_window and no layer_types: the layers are unknown");
  if (types == nullptr) {
    std::fill(window.begin(), window.end(), size);
    return;
  }
  const Json::Array& list = types->array(in.where("layer_types"));
  if (list.size() != window.size())
    fail(ErrorKind::model, "{} has {} entries for {} layers", in.where("layer_types"), list.size(),
         c.layers);
  for (std::size_t i = 0; i < list.size(); ++i) {
    const std::string& type = list[i].string(in.where("layer_types"));
    if (type == "sliding_attention")
      window[i] = size;
    else if (type != "full_attention")
      fail(ErrorKind::model, "{} has {}, which does not run here", in.where("layer_types"),
           escaped(type));
  }
}

void refuse_what_is_not_built(const JsonConfig& in) {
  const std::string act = in.text("hidden_act", in.text("hidden_activation", "silu"));
  if (act != "silu")
    fail(ErrorKind::model, "config.json: hidden_act is {}, not silu", escaped(act));
  if (in.number("partial_rotary_factor", 1) != 1)
    refuse("config.json: partial_rotary_factor is not 1");
}

DecoderConfig from_json(const ModelFiles& files) {
  const JsonConfig in(files.config(), "config.json");
  const Family& family = family_of(in);
  refuse_what_is_not_built(in);
  DecoderConfig c;
  c.architecture = family.gguf;
  DecoderConfig::Attention& a = c.attention;
  c.layers = in.integer("num_hidden_layers", kLayers);
  c.width = in.integer("hidden_size", kWidth);
  c.inner = in.integer("intermediate_size", kInner);
  c.context = in.integer("max_position_embeddings", kContext);
  c.eps = epsilon(in.where("rms_norm_eps"), in.number("rms_norm_eps", 1e-6));
  a.heads = in.integer("num_attention_heads", kHeads);
  a.kv_heads = in.integer("num_key_value_heads", kHeads, a.heads);
  a.head_dim = in.integer("head_dim", kHeadSize, c.width / a.heads);
  check_heads(a);
  read_rope(c, in);
  read_window(c, in, family);
  a.qkv_bias = family.qkv_bias || files.find("model.layers.0.self_attn.q_proj.bias") != nullptr;
  a.out_bias = files.find("model.layers.0.self_attn.o_proj.bias") != nullptr;
  a.qk_norm = family.qk_norm;
  if (family.daw) {
    if (in.find("daw") == nullptr) refuse("config.json has no daw");
    in.find("daw")->object(in.where("daw"));
    const JsonConfig daw = in.in("daw");
    a.daw = {daw.boolean("newline", false), daw.boolean("gain", false)};
  }
  c.vocab = embedding_rows(files, "model.embed_tokens.weight");
  if (const std::int64_t said = in.integer("vocab_size", kVocab, c.vocab); said != c.vocab)
    fail(ErrorKind::model,
         "config.json: vocab_size is {}, and model.embed_tokens.weight has {} rows", said, c.vocab);
  c.tied = files.find("lm_head.weight") == nullptr;
  return c;
}

// --- GGUF ----------------------------------------------------------------------------------------

const Family& family_of(const GgufFile& gguf) {
  const auto name = gguf.string("general.architecture");
  if (!name) refuse("the file has no general.architecture");
  for (const Family& f : kFamilies)
    if (f.gguf == *name) return f;
  fail(ErrorKind::model, "the architecture {} is not one that runs here", escaped(*name));
}

// Keys of one architecture: "llama.block_count" for "block_count".
class GgufConfig {
 public:
  GgufConfig(const GgufFile& gguf, std::string_view family) : gguf_(gguf), family_(family) {}

  std::string key(std::string_view name) const { return fmt::format("{}.{}", family_, name); }
  std::int64_t integer(std::string_view name, const Range& range) const {
    const auto value = gguf_.integer(key(name));
    if (!value) fail(ErrorKind::model, "{} has no {}", escaped(gguf_.name()), key(name));
    return in_range(key(name), *value, range);
  }
  std::int64_t integer(std::string_view name, const Range& range, std::int64_t absent) const {
    return in_range(key(name), gguf_.integer(key(name)).value_or(absent), range);
  }
  double number(std::string_view name, double absent) const {
    return gguf_.number(key(name)).value_or(absent);
  }
  bool boolean(std::string_view name) const { return gguf_.boolean(key(name)).value_or(false); }
  std::string text(std::string_view name, std::string_view absent) const {
    return std::string(gguf_.string(key(name)).value_or(absent));
  }
  // A key that may only say what is so anyway.
  void must_be(std::string_view name, std::int64_t value) const {
    if (const std::int64_t said = gguf_.integer(key(name)).value_or(value); said != value)
      fail(ErrorKind::model, "{} is {}, and only {} runs here", key(name), said, value);
  }

 private:
  const GgufFile& gguf_;
  std::string_view family_;
};

// A factor without a type is linear; old files call it scale_linear.
RopeScaling read_scaling(const GgufConfig& in) {
  RopeScaling s;
  s.factor = in.number("rope.scaling.factor", in.number("rope.scale_linear", 1));
  s.kind = scaling_kind(in.text("rope.scaling.type", s.factor == 1 ? "none" : "linear"));
  s.original_context = in.number("rope.scaling.original_context_length", 0);
  s.beta_fast = in.number("rope.scaling.yarn_beta_fast", s.beta_fast);
  s.beta_slow = in.number("rope.scaling.yarn_beta_slow", s.beta_slow);
  s.attn_factor = in.number("rope.scaling.attn_factor", 1);
  if (s.kind == RopeScaling::Kind::llama3)
    refuse("the rope scaling llama3 of a GGUF file is a tensor, rope_freqs.weight");
  if (in.number("rope.scaling.yarn_log_multiplier", 0) != 0)
    fail(ErrorKind::model, "{} does not run here", in.key("rope.scaling.yarn_log_multiplier"));
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
  c.architecture = family.gguf;
  DecoderConfig::Attention& a = c.attention;
  c.layers = in.integer("block_count", kLayers);
  c.width = in.integer("embedding_length", kWidth);
  c.inner = in.integer("feed_forward_length", kInner);
  c.context = in.integer("context_length", kContext);
  c.eps = epsilon(in.key("attention.layer_norm_rms_epsilon"),
                  in.number("attention.layer_norm_rms_epsilon", 1e-6));
  a.heads = in.integer("attention.head_count", kHeads);
  a.kv_heads = in.integer("attention.head_count_kv", kHeads, a.heads);
  a.head_dim = in.integer("attention.key_length", kHeadSize, c.width / a.heads);
  check_heads(a);
  in.must_be("attention.value_length", a.head_dim);
  in.must_be("rope.dimension_count", a.head_dim);
  in.must_be("expert_count", 0);
  RopeScaling scaling = read_scaling(in);
  if (scaling.original_context == 0) scaling.original_context = static_cast<double>(c.context);
  set_rope(c, positive(in.key("rope.freq_base"), in.number("rope.freq_base", 10000)), scaling);
  divide_frequencies(c, files);
  c.rope.interleaved = family.gguf_interleaved;
  a.window.assign(static_cast<std::size_t>(c.layers),
                  in.integer("attention.sliding_window", kWindow, 0));
  a.qkv_bias = family.qkv_bias || files.find("blk.0.attn_q.bias") != nullptr;
  a.out_bias = files.find("blk.0.attn_output.bias") != nullptr;
  a.qk_norm = family.qk_norm;
  if (family.daw) a.daw = {in.boolean("daw.newline"), in.boolean("daw.gain")};
  c.vocab = embedding_rows(files, "token_embd.weight");
  c.tied = files.find("output.weight") == nullptr;
  return c;
}

}  // namespace

bool gguf_interleaves(std::string_view architecture) {
  return std::any_of(std::begin(kFamilies), std::end(kFamilies),
                     [&](const Family& f) { return f.gguf == architecture && f.gguf_interleaved; });
}

void check_architecture(const GgufFile& gguf) { family_of(gguf); }

DecoderConfig read_decoder_config(const ModelFiles& files) {
  DecoderConfig config = files.is_gguf() ? from_gguf(files) : from_json(files);
  check_angles(config.rope);
  return config;
}

KvShape kv_shape(const DecoderConfig& config) {
  return {.layers = config.layers,
          .kv_heads = config.attention.kv_heads,
          .head_dim = config.attention.head_dim,
          .decay = config.attention.daw.has_value()};
}

}  // namespace r1
