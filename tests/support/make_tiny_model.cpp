// make_tiny_model OUT.gguf     Writes the tiny model of the command line tests: r1-plus, two
// layers, random weights from a fixed seed, and a vocabulary of the 256 bytes and a few pieces. It
// makes no sense and always the same.
#include <cmath>
#include <cstdio>
#include <exception>
#include <memory>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "lib/base/random.h"
#include "lib/io/gguf.h"

namespace r1 {
namespace {

constexpr std::int64_t kLayers = 2, kWidth = 32, kHeads = 2, kHead = 16, kInner = 64;

struct Vocabulary {
  std::vector<std::string> pieces = {"<unk>",          "<s>",           "</s>", "<|fim_prefix|>",
                                     "<|fim_suffix|>", "<|fim_middle|>"};
  std::vector<std::int32_t> types = {2, 3, 3, 3, 3, 3};
  std::vector<float> scores;
  Vocabulary() {
    for (int byte = 0; byte < 256; ++byte) add(fmt::format("<0x{:02X}>", byte), 6);
    for (char c = ' '; c <= '~'; ++c) add(c == ' ' ? "\u2581" : std::string(1, c), 1);
    for (const char* word :
         {"in", "re", "\u2581\u2581", "\u2581\u2581\u2581\u2581", "\u2581=", "def", "return"})
      add(word, 1);
    for (std::size_t i = 0; i < pieces.size(); ++i) scores.push_back(-static_cast<float>(i));
  }
  void add(const std::string& piece, std::int32_t type) {
    pieces.push_back(piece);
    types.push_back(type);
  }
};

class Weights {
 public:
  void matrix(const std::string& name, const Shape& shape) {
    const float scale = 1.5f / std::sqrt(static_cast<float>(shape[-1]));
    add(name, shape, [scale](double u) { return static_cast<float>(2 * u - 1) * scale; });
  }
  void constant(const std::string& name, const Shape& shape, float value) {
    add(name, shape, [value](double) { return value; });
  }
  const std::vector<NamedTensor>& tensors() const { return tensors_; }

 private:
  template <typename Value>
  void add(const std::string& name, const Shape& shape, Value value) {
    std::vector<float>& values = *values_.emplace_back(std::make_unique<std::vector<float>>());
    for (std::int64_t i = 0; i < shape.elements(); ++i)
      values.push_back(value(random_uniform(7, values_.size(), static_cast<std::uint64_t>(i))));
    tensors_.push_back({name, {values.data(), shape, DType::f32}});
  }
  std::vector<std::unique_ptr<std::vector<float>>> values_;
  std::vector<NamedTensor> tensors_;
};

Weights make_weights(std::int64_t vocab) {
  Weights w;
  w.matrix("token_embd.weight", {vocab, kWidth});
  w.constant("output_norm.weight", {kWidth}, 1.0f);
  for (std::int64_t i = 0; i < kLayers; ++i) {
    const auto name = [i](const char* rest) { return fmt::format("blk.{}.{}", i, rest); };
    for (const char* norm : {"attn_norm.weight", "ffn_norm.weight"})
      w.constant(name(norm), {kWidth}, 1.0f);
    for (const char* norm : {"attn_q_norm.weight", "attn_k_norm.weight"})
      w.constant(name(norm), {kHead}, 1.0f);
    for (const char* m : {"attn_q.weight", "attn_k.weight", "attn_v.weight", "attn_output.weight"})
      w.matrix(name(m), {kWidth, kWidth});
    w.matrix(name("attn_daw_gate.weight"), {kHeads, kWidth});
    w.constant(name("attn_daw_gate.bias"), {kHeads}, 4.0f);
    w.constant(name("attn_daw_newline"), {kHeads}, 0.0f);
    w.matrix(name("ffn_gate.weight"), {kInner, kWidth});
    w.matrix(name("ffn_up.weight"), {kInner, kWidth});
    w.matrix(name("ffn_down.weight"), {kWidth, kInner});
  }
  return w;
}

void write(const char* path) {
  const Vocabulary v;
  const Weights weights = make_weights(static_cast<std::int64_t>(v.pieces.size()));
  const auto number = [](std::int64_t n) { return static_cast<std::uint32_t>(n); };
  const auto out = open_file(path);
  write_gguf(*out,
             {{"general.architecture", std::string("r1plus")},
              {"r1plus.block_count", number(kLayers)},
              {"r1plus.embedding_length", number(kWidth)},
              {"r1plus.feed_forward_length", number(kInner)},
              {"r1plus.context_length", number(256)},
              {"r1plus.attention.head_count", number(kHeads)},
              {"r1plus.attention.key_length", number(kHead)},
              {"r1plus.daw.newline", true},
              {"r1plus.daw.gain", false},
              {"tokenizer.ggml.model", std::string("llama")},
              {"tokenizer.ggml.tokens", v.pieces},
              {"tokenizer.ggml.scores", v.scores},
              {"tokenizer.ggml.token_type", v.types},
              {"tokenizer.ggml.unknown_token_id", number(0)},
              {"tokenizer.ggml.bos_token_id", number(1)},
              {"tokenizer.ggml.eos_token_id", number(2)},
              {"tokenizer.ggml.add_bos_token", true},
              {"tokenizer.ggml.add_space_prefix", false}},
             weights.tensors());
  out->close();
}

}  // namespace
}  // namespace r1

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  try {
    r1::write(argv[1]);
    return 0;
  } catch (const std::exception& e) {
    std::fprintf(stderr, "make_tiny_model: %s\n", e.what());
    return 1;
  }
}
