#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "lib/base/random.h"
#include "lib/io/gguf.h"
#include "lib/tensor/quant_block.h"

namespace r1::test {

// A GGUF file of the r1-plus family with seeded random weights: small enough to run hundreds of
// times, and all of the road from file to text is real. Its vocabulary has markers, every byte,
// letters and a few longer pieces.
struct TinyModel {
  std::uint64_t seed = 1;
  DType dtype = DType::f32;  // of matrices
  std::uint32_t context = 512;
  std::int64_t head = 8;  // its width
  bool fim = true;        // with fill-in-the-middle markers
  std::string chat = "";  // a chat template; empty: none
  float head_fault = 0;   // written into the last norm; NaN: every logit is NaN
};

class TinyModelWriter {
 public:
  explicit TinyModelWriter(const TinyModel& model) : model_(model) {
    add_piece("<unk>", 2);
    for (const char* control : {"<s>", "</s>"}) add_piece(control, 3);
    if (model.fim)
      for (const char* control : {"<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>"})
        add_piece(control, 3);
    if (!model.chat.empty())
      for (const char* control : {"<|im_start|>", "<|im_end|>"}) add_piece(control, 3);
    for (int byte = 0; byte < 256; ++byte) add_piece(fmt::format("<0x{:02X}>", byte), 6);
    for (const char* word : {"re", "tu", "rn", "ret", "return", "if", "in", "\u2581\u2581",
                             "():", "lo", "lower", "er", "lowe"})
      add_piece(word, 1);
    for (char c = ' '; c <= '~'; ++c) add_piece(c == ' ' ? "\u2581" : std::string(1, c), 1);
    for (const char* letter : {"é", "ß", "☺"}) add_piece(letter, 1);
  }

  void write(const std::filesystem::path& path) {
    add_tensors();
    const auto out = open_file(path);
    write_gguf(*out, metadata(), tensors_);
    out->close();
  }

 private:
  static constexpr std::int64_t kWidth = 32, kHeads = 4, kKvHeads = 2, kInner = 64;
  static constexpr std::int64_t kLayers = 2;

  void add_piece(std::string text, std::int32_t type) {
    pieces_.push_back(std::move(text));
    types_.push_back(type);
    scores_.push_back(type == 1 ? -static_cast<float>(pieces_.size()) : 0.0f);
  }

  // Evenly spread around `middle`.
  void add(const std::string& name, const Shape& shape, DType dtype, float spread,
           float middle = 0) {
    std::vector<float> values(static_cast<std::size_t>(shape.elements()));
    for (std::size_t i = 0; i < values.size(); ++i) {
      const double u = random_uniform(model_.seed, tensors_.size(), i);
      values[i] = middle + spread * static_cast<float>(2 * u - 1);
    }
    Tensor t{nullptr, shape, dtype};
    memory_.emplace_back(t.bytes());
    pack(memory_.back().data(), values, dtype);
    t.data = memory_.back().data();
    tensors_.push_back({name, t});
  }

  void add_tensors() {
    const DType w = model_.dtype;
    add("token_embd.weight", {static_cast<std::int64_t>(pieces_.size()), kWidth}, w, 1.0f);
    for (std::int64_t i = 0; i < kLayers; ++i) {
      const auto of = [i](const char* name) { return fmt::format("blk.{}.{}", i, name); };
      for (const char* norm : {"attn_norm.weight", "ffn_norm.weight"})
        add(of(norm), {kWidth}, DType::f32, 0.2f, 1.0f);
      for (const char* norm : {"attn_q_norm.weight", "attn_k_norm.weight"})
        add(of(norm), {model_.head}, DType::f32, 0.2f, 2.0f);
      add(of("attn_q.weight"), {kHeads * model_.head, kWidth}, w, 0.3f);
      add(of("attn_k.weight"), {kKvHeads * model_.head, kWidth}, w, 0.3f);
      add(of("attn_v.weight"), {kKvHeads * model_.head, kWidth}, w, 0.6f);
      add(of("attn_output.weight"), {kWidth, kHeads * model_.head}, w, 0.6f);
      add(of("attn_daw_gate.weight"), {kKvHeads, kWidth}, DType::f32, 0.2f);
      add(of("attn_daw_gate.bias"), {kKvHeads}, DType::f32, 1.0f, 4.0f);
      add(of("attn_daw_newline"), {kKvHeads}, DType::f32, 1.0f);
      add(of("attn_daw_gain.weight"), {kKvHeads, kWidth}, DType::f32, 0.2f);
      add(of("attn_daw_gain.bias"), {kKvHeads}, DType::f32, 0.5f);
      for (const char* name : {"ffn_gate.weight", "ffn_up.weight"})
        add(of(name), {kInner, kWidth}, w, 0.4f);
      add(of("ffn_down.weight"), {kWidth, kInner}, w, 0.4f);
    }
    add("output_norm.weight", {kWidth}, DType::f32, 0.2f, 1.0f + model_.head_fault);
  }

  std::vector<std::pair<std::string, GgufEntry>> metadata() const {
    const auto n = [](std::int64_t value) { return GgufEntry(static_cast<std::uint32_t>(value)); };
    std::vector<std::pair<std::string, GgufEntry>> pairs = {
        {"general.architecture", std::string("r1plus")},
        {"r1plus.block_count", n(kLayers)},
        {"r1plus.context_length", model_.context},
        {"r1plus.embedding_length", n(kWidth)},
        {"r1plus.feed_forward_length", n(kInner)},
        {"r1plus.attention.head_count", n(kHeads)},
        {"r1plus.attention.head_count_kv", n(kKvHeads)},
        {"r1plus.attention.key_length", n(model_.head)},
        {"r1plus.attention.value_length", n(model_.head)},
        {"r1plus.daw.newline", true},
        {"r1plus.daw.gain", true},
        {"tokenizer.ggml.model", std::string("llama")},
        {"tokenizer.ggml.tokens", pieces_},
        {"tokenizer.ggml.scores", scores_},
        {"tokenizer.ggml.token_type", types_},
        {"tokenizer.ggml.bos_token_id", n(1)},
        {"tokenizer.ggml.eos_token_id", n(2)},
        {"tokenizer.ggml.unknown_token_id", n(0)},
        {"tokenizer.ggml.add_bos_token", true},
        {"tokenizer.ggml.add_space_prefix", false},
    };
    if (!model_.chat.empty()) pairs.emplace_back("tokenizer.chat_template", model_.chat);
    return pairs;
  }

  TinyModel model_;
  std::vector<std::string> pieces_;
  std::vector<std::int32_t> types_;
  std::vector<float> scores_;
  std::vector<std::vector<std::byte>> memory_;
  std::vector<NamedTensor> tensors_;
};

inline std::filesystem::path write_tiny_model(const std::filesystem::path& path,
                                              const TinyModel& model = {}) {
  TinyModelWriter(model).write(path);
  return path;
}

}  // namespace r1::test
