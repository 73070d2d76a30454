// A Hugging Face folder and the GGUF file that is made of it are one model.
#include "lib/models/gguf_export.h"

#include <gtest/gtest.h>

#include "lib/models/decoder_config.h"
#include "tests/support/close.h"
#include "tests/support/edited_model.h"
#include "tests/support/fails.h"
#include "tests/support/run_network.h"
#include "tests/support/temp_dir.h"
#include "tests/support/tiny.h"
#include "tests/support/tiny_vocabulary.h"
#include "tests/support/tolerance.h"

namespace r1 {
namespace {

// Every tensor in f32.
std::string in_f32(const GgufExport& gguf) {
  std::deque<std::vector<float>> memory;
  std::vector<NamedTensor> tensors;
  for (const GgufTensor& t : gguf.tensors) {
    memory.emplace_back(static_cast<std::size_t>(t.source.shape.elements()));
    read_rows(memory.back(), t, 0);
    tensors.push_back({t.name, {memory.back().data(), t.source.shape}});
  }
  test::StringOutput out;
  write_gguf(out, gguf.metadata, tensors);
  return out.text();
}

void expect_same_numbers(const DecoderConfig& have, const DecoderConfig& want) {
  EXPECT_EQ(have.architecture, want.architecture);
  EXPECT_EQ(have.layers, want.layers);
  EXPECT_EQ(have.width, want.width);
  EXPECT_EQ(have.vocab, want.vocab);
  EXPECT_EQ(have.context, want.context);
  EXPECT_EQ(have.inner, want.inner);
  EXPECT_EQ(have.eps, want.eps);
  EXPECT_EQ(have.tied, want.tied);
  const DecoderConfig::Attention &a = have.attention, &b = want.attention;
  EXPECT_EQ(a.heads, b.heads);
  EXPECT_EQ(a.kv_heads, b.kv_heads);
  EXPECT_EQ(a.head_dim, b.head_dim);
  EXPECT_EQ(a.qkv_bias, b.qkv_bias);
  EXPECT_EQ(a.out_bias, b.out_bias);
  EXPECT_EQ(a.qk_norm, b.qk_norm);
  EXPECT_EQ(a.window, b.window);
  ASSERT_EQ(a.daw.has_value(), b.daw.has_value());
  if (a.daw) {
    EXPECT_EQ(a.daw->newline, b.daw->newline);
    EXPECT_EQ(a.daw->gain, b.daw->gain);
  }
}

// Each number of llama3's and yarn's ropes comes back from f32 through at most three roundings to
// nearest; the others are the same bits.
testing::AssertionResult near(float have, float want, bool rounded) {
  const double most = rounded ? 3 * 0x1p-24 * (1 + 0x1p-22) * double{want} : 0;
  if (std::abs(double{have} - double{want}) <= most) return testing::AssertionSuccess();
  return testing::AssertionFailure() << have << " is not " << want;
}

class Export : public testing::TestWithParam<std::string> {};

TEST_P(Export, IsTheSameModel) {
  const ModelFiles folder = ModelFiles::open(test::kTiny / GetParam());
  const std::string bytes = in_f32(export_gguf(folder));
  const DecoderConfig want = read_decoder_config(folder);
  const DecoderConfig have =
      read_decoder_config(ModelFiles::of_gguf(as_bytes(bytes), "exported.gguf"));
  expect_same_numbers(have, want);

  using Kind = RopeScaling::Kind;
  const bool yarn = want.rope.scaling.kind == Kind::yarn;
  ASSERT_EQ(have.rope.frequencies.size(), want.rope.frequencies.size());
  for (std::size_t i = 0; i < have.rope.frequencies.size(); ++i)
    EXPECT_TRUE(near(have.rope.frequencies[i], want.rope.frequencies[i],
                     want.rope.scaling.kind == Kind::llama3));
  EXPECT_TRUE(near(have.rope.magnitude, want.rope.magnitude, yarn));

  const test::TempDir dir;
  test::write_bytes(dir / "exported.gguf", bytes);
  const test::Golden golden = test::read_golden(GetParam());
  test::Runner before(open_backend("ref"), test::kTiny / GetParam());
  test::Runner after(open_backend("ref"), dir / "exported.gguf");
  before.newline = after.newline = golden.newline;
  if (have.rope.frequencies == want.rope.frequencies &&
      have.rope.magnitude == want.rope.magnitude) {
    EXPECT_EQ(after.whole(golden.ids), before.whole(golden.ids));
  }
  EXPECT_TRUE(
      test::close(after.whole(golden.ids), golden.logits,
                  test::logit_tolerance(want, golden.ids.size()) * test::largest(golden.logits)));
  EXPECT_EQ(after.greedy(golden.ids, golden.greedy.size()), golden.greedy);
}

INSTANTIATE_TEST_SUITE_P(Checkpoints, Export, testing::ValuesIn(test::tiny_names()),
                         [](const auto& tiny) { return tiny.param; });

TEST(GgufExport, HasTheKeysAndTypesOfLlamaCpp) {
  const ModelFiles folder = ModelFiles::open(test::kTiny / "llama");
  const GgufMetadata want = {{"general.architecture", std::string("llama")},
                             {"general.type", std::string("model")},
                             {"general.name", std::string("llama")},
                             {"llama.block_count", 2u},
                             {"llama.context_length", 128u},
                             {"llama.embedding_length", 16u},
                             {"llama.feed_forward_length", 24u},
                             {"llama.vocab_size", 32u},
                             {"llama.attention.head_count", 4u},
                             {"llama.attention.head_count_kv", 2u},
                             {"llama.attention.key_length", 4u},
                             {"llama.attention.value_length", 4u},
                             {"llama.attention.layer_norm_rms_epsilon", 1e-5f},
                             {"llama.rope.dimension_count", 4u},
                             {"llama.rope.freq_base", 10000.0f}};
  EXPECT_EQ(test::gguf_bytes(export_gguf(folder).metadata), test::gguf_bytes(want));
}

TEST(GgufExport, RowsCanBeReadInPieces) {
  const ModelFiles folder = ModelFiles::open(test::kTiny / "llama_bf16");
  for (const GgufTensor& t : export_gguf(folder).tensors) {
    const std::int64_t rows = t.source.shape[0];
    const auto width = static_cast<std::size_t>(t.source.shape.elements() / rows);
    std::vector<float> whole(width * static_cast<std::size_t>(rows)), pieces;
    read_rows(whole, t, 0);
    for (std::int64_t at = 0; at < rows; at += 3) {
      std::vector<float> piece(width *
                               static_cast<std::size_t>(std::min<std::int64_t>(3, rows - at)));
      read_rows(piece, t, at);
      pieces.insert(pieces.end(), piece.begin(), piece.end());
    }
    EXPECT_EQ(pieces, whole) << t.name;
  }
}

std::string refusal(const test::EditedModel& model) {
  return test::failure([&] { export_gguf(ModelFiles::open(model.written())); });
}

TEST(GgufExport, LeavesOutBuffersAndRefusesWhatHasNoPlace) {
  const std::string rotary = "model.layers.0.self_attn.rotary_emb.inv_freq";
  EXPECT_EQ(refusal(test::EditedModel("llama").add_tensor(rotary, {2})), "nothing");
  EXPECT_EQ(refusal(test::EditedModel("llama").add_tensor("model.layers.0.mlp.up_proj.bias", {24})),
            "E_MODEL: model.layers.0.mlp.up_proj.bias has no place in a GGUF file");
  EXPECT_EQ(
      refusal(test::EditedModel("llama").add_tensor("model.layers.2.mlp.up_proj.weight", {24, 16})),
      "E_MODEL: model.layers.2.mlp.up_proj.weight has no place in a GGUF file");
  EXPECT_FAILS(
      ErrorKind::model, "has no tensor model.layers.1.mlp.up_proj.weight",
      export_gguf(ModelFiles::open(
          test::EditedModel("llama").drop_tensor("model.layers.1.mlp.up_proj.weight").written())));
  EXPECT_EQ(
      refusal(test::EditedModel("llama").add_tensor("model.layers.0.self_attn.q_proj.weight",
                                                    {15, 16})),
      "E_MODEL: model.layers.0.self_attn.q_proj.weight is [15, 16] of f32, which is no weight of "
      "this model");
}

TEST(GgufExport, RefusesWindowsThatDifferByLayer) {
  EXPECT_EQ(refusal(test::EditedModel("qwen2")
                        .set("use_sliding_window", "true")
                        .set("sliding_window", "8")
                        .set("layer_types", R"(["full_attention","sliding_attention"])")),
            "E_MODEL: layers look back 0 and 8 positions, which a GGUF file cannot say");
}

}  // namespace
}  // namespace r1
