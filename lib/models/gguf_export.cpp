#include "lib/models/gguf_export.h"

#include <cassert>
#include <set>

#include <fmt/format.h>

#include "lib/base/error.h"
#include "lib/models/decoder_config.h"
#include "lib/models/tensor_names.h"
#include "lib/tensor/quant_block.h"

namespace r1 {
namespace {

using Kind = RopeScaling::Kind;

// The keys of one architecture.
class Keys {
 public:
  Keys(GgufMetadata& out, std::string_view architecture) : out_(out), prefix_(architecture) {}

  void integer(std::string_view key, std::int64_t value) {
    put(key, static_cast<std::uint32_t>(value));
  }
  void number(std::string_view key, double value) { put(key, static_cast<float>(value)); }
  void put(std::string_view key, GgufEntry value) {
    out_.emplace_back(fmt::format("{}.{}", prefix_, key), std::move(value));
  }

 private:
  GgufMetadata& out_;
  std::string prefix_;
};

// llama3's rule is no key but the tensor rope_freqs.weight.
void put_rope(Keys& keys, const DecoderConfig& c) {
  const RopeScaling& s = c.rope.scaling;
  keys.integer("rope.dimension_count", c.attention.head_dim);
  keys.number("rope.freq_base", c.rope.theta);
  if (s.kind != Kind::linear && s.kind != Kind::yarn) return;
  keys.put("rope.scaling.type", std::string(s.kind == Kind::linear ? "linear" : "yarn"));
  keys.number("rope.scaling.factor", s.factor);
  if (s.kind == Kind::linear) return;
  keys.integer("rope.scaling.original_context_length",
               static_cast<std::int64_t>(s.original_context));
  keys.number("rope.scaling.yarn_beta_fast", s.beta_fast);
  keys.number("rope.scaling.yarn_beta_slow", s.beta_slow);
  // GGUF keeps what multiplies the usual magnitude.
  const float usual = rope_magnitude({.kind = Kind::yarn, .factor = s.factor});
  keys.number("rope.scaling.attn_factor", double{c.rope.magnitude} / double{usual});
}

// One for all layers: the key is a number.
std::int64_t window_of(const DecoderConfig& c) {
  const std::vector<std::int64_t>& window = c.attention.window;
  for (const std::int64_t other : window)
    if (other != window[0])
      fail(ErrorKind::model, "layers look back {} and {} positions, which a GGUF file cannot say",
           window[0], other);
  return window[0];
}

GgufMetadata describe(const DecoderConfig& c, const std::string& name) {
  const DecoderConfig::Attention& a = c.attention;
  GgufMetadata out = {{"general.architecture", std::string(c.architecture)},
                      {"general.type", std::string("model")},
                      {"general.name", name}};
  Keys keys(out, c.architecture);
  keys.integer("block_count", c.layers);
  keys.integer("context_length", c.context);
  keys.integer("embedding_length", c.width);
  keys.integer("feed_forward_length", c.inner);
  keys.integer("vocab_size", c.vocab);
  keys.integer("attention.head_count", a.heads);
  keys.integer("attention.head_count_kv", a.kv_heads);
  keys.integer("attention.key_length", a.head_dim);
  keys.integer("attention.value_length", a.head_dim);
  keys.number("attention.layer_norm_rms_epsilon", c.eps);
  if (const std::int64_t window = window_of(c); window > 0)
    keys.integer("attention.sliding_window", window);
  put_rope(keys, c);
  if (a.daw) {
    keys.put("daw.newline", a.daw->newline);
    keys.put("daw.gain", a.daw->gain);
  }
  return out;
}

// What each frequency is divided by.
std::vector<float> rope_factors(const DecoderConfig& c) {
  if (c.rope.scaling.kind != Kind::llama3) return {};
  std::vector<float> factors = rope_frequencies(c.attention.head_dim, c.rope.theta, {});
  for (std::size_t i = 0; i < factors.size(); ++i) factors[i] /= c.rope.frequencies[i];
  return factors;
}

GgufTensor described(const TensorName& name, const Tensor& source, const DecoderConfig& c) {
  const auto is = [&name](std::string_view part) {
    return name.gguf.find(part) != std::string::npos;
  };
  const Shape& shape = source.shape;
  GgufTensor t{name.gguf, source};
  if (gguf_interleaves(c.architecture) && (is("attn_q.") || is("attn_k.")))
    t.head_dim = c.attention.head_dim;
  if (shape.rank() < 1 || shape.rank() > 2 || shape.elements() == 0 ||
      (t.head_dim > 0 && shape[0] % t.head_dim != 0) || is_integer(source.dtype) ||
      is_float8(source.dtype))
    fail(ErrorKind::model, "{} is {} of {}, which is no weight of this model", name.hugging_face,
         to_string(shape), to_string(source.dtype));
  return t;
}

void refuse_others(const ModelFiles& folder, const std::set<std::string_view>& known) {
  for (const NamedTensor& t : folder.tensors())
    if (!known.contains(t.name) && !t.name.ends_with(".rotary_emb.inv_freq"))
      fail(ErrorKind::model, "{} has no place in a GGUF file", escaped(t.name));
}

}  // namespace

GgufExport export_gguf(const ModelFiles& folder) {
  assert(!folder.is_gguf());
  const DecoderConfig c = read_decoder_config(folder);
  std::error_code none;  // however the folder is spelled
  const std::string title = std::filesystem::canonical(folder.path(), none).filename().string();
  GgufExport out{describe(c, title), {}, rope_factors(c), c.vocab};
  need_tensors(folder, c.layers);
  const std::vector<TensorName> names = tensor_names(c.layers);
  std::set<std::string_view> known;
  for (const TensorName& name : names) {
    const Tensor* source = folder.find(name.hugging_face);
    if (source != nullptr) out.tensors.push_back(described(name, *source, c));
    known.insert(name.hugging_face);
  }
  refuse_others(folder, known);
  if (!out.rope_factors.empty())
    out.tensors.push_back(
        {"rope_freqs.weight",
         {out.rope_factors.data(), {static_cast<std::int64_t>(out.rope_factors.size())}},
         0});
  return out;
}

std::int64_t row_in_folder(std::int64_t row, std::int64_t head_dim) {
  if (head_dim == 0) return row;
  const std::int64_t i = row % head_dim;
  return row - i + i / 2 + i % 2 * (head_dim / 2);
}

const std::byte* row_of(const GgufTensor& t, std::int64_t row) {
  const std::size_t row_bytes = t.source.bytes() / static_cast<std::size_t>(t.source.shape[0]);
  return t.source.as<std::byte>() +
         static_cast<std::size_t>(row_in_folder(row, t.head_dim)) * row_bytes;
}

void read_rows(std::span<float> values, const GgufTensor& t, std::int64_t first) {
  const auto width = static_cast<std::size_t>(t.source.shape.elements() / t.source.shape[0]);
  assert(values.size() % width == 0);
  for (std::size_t at = 0; at < values.size(); at += width, ++first)
    unpack(values.subspan(at, width), row_of(t, first), t.source.dtype);
}

bool tells_storage(std::string_view key) {
  return key == "general.file_type" || key == "general.quantization_version" ||
         key == "general.alignment" || key.starts_with("split.");
}

}  // namespace r1
