// The dense decoder of every family that runs here: config, names and forward pass.
//
// DAW, the attention of r1-plus (arXiv:2503.02130 for the gate), per key-value head, x the normed
// input:
//   A_t   = sum of log sigmoid(w x + b - n_t 8 softplus(l - 4)) up to t,  n_t: a newline in token t
//   g_i   = 2 sigmoid(w' x + b')
//   out_i = softmax_j(g_i q_i·k_j / sqrt(hd) + A_i - A_j) v
#include <array>
#include <cmath>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "lib/models/decoder_config.h"
#include "lib/models/network.h"
#include "lib/models/tensor_names.h"

namespace r1 {
namespace {

// DAW leaves out blocks of the past that hold less than this share of a row's attention.
constexpr float kSkip = 1e-4f;

// [T, K] -> [T, N]; the residual is [T, N], or empty.
Var apply(Graph& g, const Linear& a, const Var& x, const Var& residual = {}) {
  return g.linear(x, a.weight, {.bias = a.bias, .residual = residual});
}

struct Layer {
  Var attn_norm;         // [D]
  Linear q, k, v, out;   // [H hd, D], [KV hd, D] twice, [D, H hd]
  Var q_norm, k_norm;    // [hd], or empty
  Linear gate;           // [KV, D], [KV]: the forget gate of DAW
  Var newline;           // [KV], or empty
  Linear gain;           // [KV, D], [KV], or empty
  Var ffn_norm;          // [D]
  Var ffn_gate, ffn_up;  // [K, D]
  Var ffn_down;          // [D, K]
};

class Loader {
 public:
  Loader(Params& params, bool gguf) : params_(params), gguf_(gguf) {}

  void enter_layer(std::int64_t i) {
    prefix_ = gguf_ ? fmt::format("blk.{}.", i) : fmt::format("model.layers.{}.", i);
  }
  void leave_layers() { prefix_.clear(); }
  // `name` is Hugging Face's, without the layer.
  std::string of(const std::string& name) const {
    return prefix_ + (gguf_ ? std::string(gguf_name(name)) : name);
  }
  Var matrix(const std::string& name, const Shape& shape) {
    return prefix_.empty() ? params_.matrix(of(name), shape)
                           : params_.layer_matrix(of(name), shape);
  }
  Var exact(const std::string& name, const Shape& shape) { return params_.exact(of(name), shape); }
  Linear linear(const std::string& name, const Shape& shape, bool bias) {
    return {matrix(name + ".weight", shape), bias ? exact(name + ".bias", {shape[0]}) : Var{}};
  }
  Linear exact_linear(const std::string& name, const Shape& shape) {
    return {exact(name + ".weight", shape), exact(name + ".bias", {shape[0]})};
  }

 private:
  Params& params_;
  bool gguf_;
  std::string prefix_;
};

Layer load_layer(Loader& in, const DecoderConfig& c, std::int64_t i) {
  const DecoderConfig::Attention& a = c.attention;
  const std::int64_t D = c.width, H = a.heads * a.head_dim, KV = a.kv_heads * a.head_dim;
  in.enter_layer(i);
  Layer l;
  l.attn_norm = in.exact("input_layernorm.weight", {D});
  l.q = in.linear("self_attn.q_proj", {H, D}, a.qkv_bias);
  l.k = in.linear("self_attn.k_proj", {KV, D}, a.qkv_bias);
  l.v = in.linear("self_attn.v_proj", {KV, D}, a.qkv_bias);
  l.out = in.linear("self_attn.o_proj", {D, H}, a.out_bias);
  if (a.qk_norm) {
    l.q_norm = in.exact("self_attn.q_norm.weight", {a.head_dim});
    l.k_norm = in.exact("self_attn.k_norm.weight", {a.head_dim});
  }
  if (a.daw) {
    l.gate = in.exact_linear("self_attn.daw.gate", {a.kv_heads, D});
    if (a.daw->newline) l.newline = in.exact("self_attn.daw.newline", {a.kv_heads});
    if (a.daw->gain) l.gain = in.exact_linear("self_attn.daw.gain", {a.kv_heads, D});
  }
  l.ffn_norm = in.exact("post_attention_layernorm.weight", {D});
  l.ffn_gate = in.matrix("mlp.gate_proj.weight", {c.inner, D});
  l.ffn_up = in.matrix("mlp.up_proj.weight", {c.inner, D});
  l.ffn_down = in.matrix("mlp.down_proj.weight", {D, c.inner});
  return l;
}

class Decoder : public Network {
 public:
  Decoder(const ModelFiles& files, Params& params) : config_(read_decoder_config(files)) {
    Loader in(params, files.is_gguf());
    embedding_ = in.matrix("model.embed_tokens.weight", {config_.vocab, config_.width});
    // The largest first: while a matrix is laid out anew, it is in memory twice.
    head_ = config_.tied ? embedding_ : in.matrix("lm_head.weight", {config_.vocab, config_.width});
    for (std::int64_t i = 0; i < config_.layers; ++i) {
      layers_.push_back(load_layer(in, config_, i));
      params.ignore(fmt::format("model.layers.{}.self_attn.rotary_emb.inv_freq", i));
    }
    in.leave_layers();
    norm_ = in.exact("model.norm.weight", {config_.width});
    params.ignore("rope_freqs.weight");  // already in the frequencies
    frequencies_ = params.constant(config_.rope.frequencies);
    params.done();
    const DecoderConfig::Attention& a = config_.attention;
    shape_ = {.layers = config_.layers,
              .width = config_.width,
              .vocab = config_.vocab,
              .context = config_.context,
              .kv = kv_shape(config_),
              .needs_newline = a.daw && a.daw->newline};
  }

  const NetworkShape& shape() const override { return shape_; }

  const Var& head() const override { return head_; }

  Var hidden(Graph& g, const Rows& rows) const override {
    const Tensor table = g.rope_table(rows.position, frequencies_, config_.rope.magnitude);
    Var x = g.embedding(embedding_, rows.ids);  // [T, D]
    for (std::int64_t i = 0; i < config_.layers; ++i) {
      x = g.layer(x, [this, &g, i, table, rows](const Var& in) {
        const Layer& l = layers_[static_cast<std::size_t>(i)];
        return feed_forward(g, l, attention(g, l, i, in, table, rows));
      });
    }
    if (!rows.wanted.empty()) x = g.gather_rows(x, rows.wanted);  // [R, D]
    return g.rms_norm(x, norm_, config_.eps, {head_});            // [R, D]
  }

 private:
  // x [T, D] -> x + what becomes of its rows [T, D]
  Var feed_forward(Graph& g, const Layer& l, const Var& x) const {
    const Var n = g.rms_norm(x, l.ffn_norm, config_.eps, {l.ffn_gate, l.ffn_up});    // [T, D]
    const auto [gate, up] = g.linear_all(n, {{l.ffn_gate, {}}, {l.ffn_up, {}}});     // [T, K]
    return g.linear(g.swiglu(gate, up, {l.ffn_down}), l.ffn_down, {.residual = x});  // [T, D]
  }

  // x [T, D] -> x + what its rows saw [T, D]
  Var attention(Graph& g, const Layer& l, std::int64_t i, const Var& x, const Tensor& table,
                const Rows& rows) const {
    const DecoderConfig::Attention& a = config_.attention;
    const std::int64_t T = x.value.rows(), hd = a.head_dim;
    const Var n = g.rms_norm(  // [T, D]
        x, l.attn_norm, config_.eps,
        {l.q.weight, l.k.weight, l.v.weight, l.gate.weight, l.gain.weight});
    const std::array products = g.linear_all(
        n, {l.q, l.k, l.v, {l.gate.weight, {}}, {l.gain.weight, {}}});  // [T, H hd], [T, KV hd] …
    Var q = g.reshape(products[0], {T, a.heads, hd});
    Var k = g.reshape(products[1], {T, a.kv_heads, hd});
    const Var v = g.reshape(products[2], {T, a.kv_heads, hd});
    const Var &gate = products[3], &gain = products[4];  // [T, KV], or empty
    if (a.qk_norm) {
      q = g.rms_norm(q, l.q_norm, config_.eps);
      k = g.rms_norm(k, l.k_norm, config_.eps);
    }
    q = g.rope(q, table, config_.rope.interleaved);
    k = g.rope(k, table, config_.rope.interleaved);
    if (a.daw && a.daw->gain) q = g.daw_gain(q, gain, l.gain.bias);
    const AttentionOptions options = {.scale = 1.0f / std::sqrt(static_cast<float>(hd)),
                                      .window = a.window[static_cast<std::size_t>(i)],
                                      .skip = a.daw && !g.training() ? kSkip : 0.0f,
                                      .longest_run = rows.longest_run};
    const Var y = attend(g, l, i, {q, k, v, gate}, rows, options);  // [T, H, hd]
    return apply(g, l.out, g.reshape(y, {T, a.heads * hd}), x);
  }

  struct Projected {
    Var q, k, v;  // [T, H, hd], [T, KV, hd] twice
    Var gate;     // [T, KV], or empty
  };
  // Over the cache when there is one, else over the documents of this step.
  Var attend(Graph& g, const Layer& l, std::int64_t i, const Projected& x, const Rows& rows,
             const AttentionOptions& options) const {
    if (rows.cache == nullptr)
      return g.attention(x.q, x.k, x.v, decay(g, l, x.gate, rows, {}), rows.start, options);
    const PagedKv kv = rows.cache->layer(i, rows.table);
    Tensor base;
    if (config_.attention.daw) base = g.kv_load_decay(kv, rows.sequence, rows.position);
    const Var A = decay(g, l, x.gate, rows, base);
    g.kv_store(kv, x.k, x.v, A, rows.sequence, rows.position);
    return g.attention_paged(x.q, kv, A, rows.sequence, rows.position, options);
  }

  // A [T, KV], or empty without DAW.
  Var decay(Graph& g, const Layer& l, const Var& gate, const Rows& rows, const Tensor& base) const {
    if (!config_.attention.daw) return {};
    const Tensor newline = config_.attention.daw->newline ? rows.newline : Tensor{};
    return g.daw_decay(gate, l.gate.bias, l.newline, newline, rows.start, base);
  }

  DecoderConfig config_;
  NetworkShape shape_;
  Var embedding_;  // [V, D]
  std::vector<Layer> layers_;
  Var norm_;            // [D]
  Var head_;            // [V, D]
  Tensor frequencies_;  // [hd/2]
};

}  // namespace

std::unique_ptr<Network> load_network(const ModelFiles& files, Params& params) {
  return std::make_unique<Decoder>(files, params);
}

}  // namespace r1
