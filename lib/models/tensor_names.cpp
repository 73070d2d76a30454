#include "lib/models/tensor_names.h"

#include <algorithm>
#include <cassert>
#include <iterator>

#include <fmt/format.h>

#include "lib/base/error.h"

namespace r1 {
namespace {

struct Row {
  std::string_view hugging_face, gguf;
  bool optional = false;
};
constexpr Row kOutside[] = {
    {"model.embed_tokens.weight", "token_embd.weight"},
    {"model.norm.weight", "output_norm.weight"},
    {"lm_head.weight", "output.weight", true},  // a tied head has none
};
constexpr Row kLayer[] = {
    {"input_layernorm.weight", "attn_norm.weight"},
    {"self_attn.q_proj.weight", "attn_q.weight"},
    {"self_attn.q_proj.bias", "attn_q.bias", true},
    {"self_attn.k_proj.weight", "attn_k.weight"},
    {"self_attn.k_proj.bias", "attn_k.bias", true},
    {"self_attn.v_proj.weight", "attn_v.weight"},
    {"self_attn.v_proj.bias", "attn_v.bias", true},
    {"self_attn.o_proj.weight", "attn_output.weight"},
    {"self_attn.o_proj.bias", "attn_output.bias", true},
    {"self_attn.q_norm.weight", "attn_q_norm.weight", true},
    {"self_attn.k_norm.weight", "attn_k_norm.weight", true},
    {"self_attn.daw.gate.weight", "attn_daw_gate.weight", true},
    {"self_attn.daw.gate.bias", "attn_daw_gate.bias", true},
    {"self_attn.daw.newline", "attn_daw_newline", true},
    {"self_attn.daw.gain.weight", "attn_daw_gain.weight", true},
    {"self_attn.daw.gain.bias", "attn_daw_gain.bias", true},
    {"post_attention_layernorm.weight", "ffn_norm.weight"},
    {"mlp.gate_proj.weight", "ffn_gate.weight"},
    {"mlp.up_proj.weight", "ffn_up.weight"},
    {"mlp.down_proj.weight", "ffn_down.weight"},
};

}  // namespace

std::vector<TensorName> tensor_names(std::int64_t layers) {
  std::vector<TensorName> out;
  const auto add = [&out](const Row& row, const std::string& ours, const std::string& theirs) {
    out.push_back(
        {ours + std::string(row.hugging_face), theirs + std::string(row.gguf), row.optional});
  };
  for (const Row& row : kOutside) add(row, "", "");
  for (std::int64_t i = 0; i < layers; ++i)
    for (const Row& row : kLayer)
      add(row, fmt::format("model.layers.{}.", i), fmt::format("blk.{}.", i));
  return out;
}

void need_tensors(const ModelFiles& folder, std::int64_t layers) {
  for (const TensorName& name : tensor_names(layers))
    if (!name.optional && folder.find(name.hugging_face) == nullptr)
      fail(ErrorKind::model, "{} has no tensor {}", escaped(folder.path().string()),
           name.hugging_face);
}

std::string_view gguf_name(std::string_view hugging_face) {
  const auto is = [hugging_face](const Row& row) { return row.hugging_face == hugging_face; };
  const Row* outside = std::find_if(std::begin(kOutside), std::end(kOutside), is);
  if (outside != std::end(kOutside)) return outside->gguf;
  const Row* inside = std::find_if(std::begin(kLayer), std::end(kLayer), is);
  assert(inside != std::end(kLayer));
  return inside->gguf;
}

}  // namespace r1
