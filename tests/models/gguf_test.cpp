// The same model from safetensors and from GGUF gives the same logits.
#include <limits>

#include <gtest/gtest.h>

#include "lib/models/decoder_config.h"
#include "tests/support/backends.h"
#include "tests/support/close.h"
#include "tests/support/fails.h"
#include "tests/support/run_network.h"
#include "tests/support/temp_dir.h"
#include "tests/support/tiny.h"
#include "tests/support/to_gguf.h"
#include "tests/support/tolerance.h"

namespace r1 {
namespace {

class ThroughGguf : public testing::TestWithParam<std::string> {};

TEST_P(ThroughGguf, TheLogitsAreThePublishedOnes) {
  const test::Golden golden = test::read_golden(GetParam());
  const test::TempDir dir;
  test::GgufOf(test::kTiny / GetParam()).write(dir / "model.gguf");
  const DecoderConfig config = read_decoder_config(ModelFiles::open(dir / "model.gguf"));
  const double tolerance =
      test::logit_tolerance(config, golden.ids.size()) * test::largest(golden.logits);
  for (const test::Candidate& candidate : test::backends_and_ref()) {
    SCOPED_TRACE(candidate.name);
    test::Runner runner(candidate.open(), dir / "model.gguf");
    runner.newline = golden.newline;
    EXPECT_TRUE(test::close(runner.whole(golden.ids), golden.logits, tolerance));
    EXPECT_EQ(runner.greedy(golden.ids, golden.greedy.size()), golden.greedy);
  }
}

// 16-bit weights keep what fits in 16 bits: the same bits come out.
TEST(GgufTypes, Bf16WeightsGiveTheBitsTheyGiveFromSafetensors) {
  const test::TempDir dir;
  test::GgufOf(test::kTiny / "llama_bf16", DType::f32).write(dir / "f32.gguf");
  test::GgufOf(test::kTiny / "llama_bf16", DType::bf16).write(dir / "bf16.gguf");
  const test::Ids ids = test::read_golden("llama_bf16").ids;
  for (const test::Candidate& candidate : test::backends_and_ref()) {
    if (!candidate.exact()) continue;
    test::Runner wide(candidate.open(), dir / "f32.gguf"),
        half(candidate.open(), dir / "bf16.gguf");
    EXPECT_EQ(half.whole(ids), wide.whole(ids)) << candidate.name;
  }
}

TEST(GgufConfig, WhatIsNotBuiltIsRefused) {
  const auto failure = [](const std::string& key, const GgufEntry& value) {
    const test::TempDir dir;
    const auto out = open_file(dir / "m.gguf");
    std::vector<float> row(4, 1.0f);
    std::vector<std::pair<std::string, GgufEntry>> keys = {
        {"general.architecture", std::string("llama")},
        {"llama.block_count", 1u},
        {"llama.embedding_length", 4u},
        {"llama.feed_forward_length", 4u},
        {"llama.context_length", 8u},
        {"llama.attention.head_count", 1u}};
    std::erase_if(keys, [&](const auto& entry) { return entry.first == key; });
    keys.emplace_back(key, value);
    write_gguf(*out, keys, {{"token_embd.weight", {row.data(), {1, 4}}}});
    out->close();
    return test::failure([&] { read_decoder_config(ModelFiles::open(dir / "m.gguf")); });
  };
  EXPECT_EQ(failure("some.key", 1u), "nothing");
  EXPECT_EQ(failure("general.architecture", std::string("gemma2")),
            "E_MODEL: the architecture gemma2 is not one that runs here");
  EXPECT_EQ(failure("general.architecture", std::string()),
            "E_MODEL: the architecture  is not one that runs here");
  EXPECT_EQ(failure("llama.block_count", 0u), "E_MODEL: llama.block_count is 0, not from 1 to 512");
  EXPECT_EQ(failure("llama.attention.head_count", -1),
            "E_MODEL: llama.attention.head_count is -1, not from 1 to 1024");
  EXPECT_EQ(failure("llama.attention.key_length", 1u << 30),
            "E_MODEL: llama.attention.key_length is 1073741824, not from 2 to 1024");
  EXPECT_EQ(failure("llama.attention.layer_norm_rms_epsilon", -1.0f),
            "E_MODEL: llama.attention.layer_norm_rms_epsilon is -1, not between 0 and 1");
  EXPECT_EQ(failure("llama.attention.value_length", 2u),
            "E_MODEL: llama.attention.value_length is 2, and only 4 runs here");
  EXPECT_EQ(failure("llama.rope.dimension_count", 2u),
            "E_MODEL: llama.rope.dimension_count is 2, and only 4 runs here");
  EXPECT_EQ(failure("llama.rope.freq_base", std::numeric_limits<float>::quiet_NaN()),
            "E_MODEL: llama.rope.freq_base is nan, not above 0");
  EXPECT_EQ(failure("llama.rope.scaling.type", std::string("longrope")),
            "E_MODEL: the rope scaling longrope is not one that runs here");
  EXPECT_EQ(failure("llama.expert_count", 8u),
            "E_MODEL: llama.expert_count is 8, and only 0 runs here");
}

INSTANTIATE_TEST_SUITE_P(Checkpoints, ThroughGguf, testing::ValuesIn(test::tiny_names()),
                         [](const auto& tiny) { return tiny.param; });

}  // namespace
}  // namespace r1
