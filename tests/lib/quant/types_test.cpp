#include "lib/quant/types.h"

#include <gtest/gtest.h>

#include "lib/base/error.h"
#include "lib/models/gguf_export.h"
#include "tests/support/fails.h"
#include "tests/support/tiny.h"

namespace r1 {
namespace {

std::vector<NamedTensor> decoder(std::int64_t layers, std::int64_t width, bool tied) {
  std::vector<NamedTensor> all = {{"token_embd.weight", {nullptr, {100, width}, DType::f16}}};
  for (std::int64_t i = 0; i < layers; ++i) {
    const std::string blk = "blk." + std::to_string(i) + ".";
    for (const char* part : {"attn_norm", "attn_q", "attn_v", "ffn_down", "attn_daw_gate"})
      all.push_back({blk + part + ".weight",
                     {nullptr, part == std::string("attn_norm") ? Shape{width} : Shape{8, width},
                      DType::f16}});
  }
  if (!tied) all.push_back({"output.weight", {nullptr, {100, width}, DType::f16}});
  return all;
}

std::string type_of(const std::vector<NamedTensor>& tensors, const TypeChoice& choice,
                    std::string_view name) {
  const std::vector<ChosenType> types = choose_types(tensors, choice);
  for (std::size_t i = 0; i < tensors.size(); ++i)
    if (tensors[i].name == name) return std::string(to_string(types[i].dtype));
  return "none";
}

TEST(Types, AMixGivesMoreBitsToWhatSuffersMost) {
  const auto tensors = decoder(16, 256, false);
  const TypeChoice m{.mix = &mix_named("q4_k_m")}, s{.mix = &mix_named("q4_k_s")};
  EXPECT_EQ(type_of(tensors, m, "blk.3.attn_q.weight"), "q4_k");
  std::string spread, first;
  for (int i = 0; i < 16; ++i) {
    const std::string name = "blk." + std::to_string(i) + ".attn_v.weight";
    spread += type_of(tensors, m, name) == "q6_k" ? '6' : '4';
    first += type_of(tensors, s, name) == "q5_k" ? '5' : '4';
  }
  EXPECT_EQ(spread, "6644644644644666");  // an eighth, every third, an eighth
  EXPECT_EQ(first, "5555444444444444");
  EXPECT_EQ(type_of(tensors, s, "blk.1.ffn_down.weight"), "q5_k");
  EXPECT_EQ(type_of(tensors, s, "blk.2.ffn_down.weight"), "q4_k");
}

// Eight rows of queries.
TEST(Types, Iq4GivesMoreBitsToSharedValuesAndToTheFirstLayersUnlessCalibrated) {
  auto tensors = decoder(16, 256, false);
  TypeChoice c{.mix = &mix_named("iq4_xs")};
  EXPECT_EQ(type_of(tensors, c, "blk.0.attn_q.weight"), "iq4_xs");
  EXPECT_EQ(type_of(tensors, c, "blk.0.attn_v.weight"), "iq4_xs");
  EXPECT_EQ(type_of(tensors, c, "blk.1.ffn_down.weight"), "q5_k");
  EXPECT_EQ(type_of(tensors, c, "blk.2.ffn_down.weight"), "iq4_xs");
  c.calibrated = true;
  EXPECT_EQ(type_of(tensors, c, "blk.1.ffn_down.weight"), "iq4_xs");
  for (NamedTensor& t : tensors)
    if (t.name.find("attn_v") != std::string::npos) t.tensor.shape = {2, 256};
  EXPECT_EQ(type_of(tensors, c, "blk.15.attn_v.weight"), "q5_k");
}

TEST(Types, TheHeadIsBetterAndATiedOneIsTheEmbedding) {
  const TypeChoice c{.mix = &mix_named("q4_0")};
  EXPECT_EQ(type_of(decoder(2, 256, false), c, "output.weight"), "q6_k");
  EXPECT_EQ(type_of(decoder(2, 256, false), c, "token_embd.weight"), "q4_0");
  EXPECT_EQ(type_of(decoder(2, 256, true), c, "token_embd.weight"), "q6_k");
  const TypeChoice pure{.mix = &mix_named("q4_0"), .pure = true};
  EXPECT_EQ(type_of(decoder(2, 256, false), pure, "output.weight"), "q4_0");
  const TypeChoice own{.mix = &mix_named("q4_0"), .head = DType::f16, .embedding = DType::q8_0};
  EXPECT_EQ(type_of(decoder(2, 256, false), own, "output.weight"), "f16");
  EXPECT_EQ(type_of(decoder(2, 256, false), own, "token_embd.weight"), "q8_0");
}

TEST(Types, WhatIsNoMatrixOfAProductIsExactWhateverRulesSay) {
  TypeChoice c{.mix = &mix_named("q4_0")};
  c.rules.push_back({parse_pattern(".", "--tensor-type"), DType::q4_0});
  const ModelFiles folder = ModelFiles::open(test::kTiny / "r1plus");
  std::vector<NamedTensor> tensors;
  for (const GgufTensor& t : export_gguf(folder).tensors) tensors.push_back({t.name, t.source});
  const std::vector<ChosenType> types = choose_types(tensors, c);
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const std::string& name = tensors[i].name;
    const bool exact = tensors[i].tensor.shape.rank() == 1 || name.find("daw") != std::string::npos;
    EXPECT_EQ(types[i].dtype == DType::f32, exact) << name;
  }
  EXPECT_EQ(type_of(decoder(2, 256, false), c, "blk.0.attn_norm.weight"), "f32");
  EXPECT_EQ(type_of(decoder(2, 256, false), c, "blk.0.attn_daw_gate.weight"), "f32");
}

TEST(Types, RowsThatDoNotDivideFallBackAndSaySo) {
  const TypeChoice c{.mix = &mix_named("q4_k_m")};
  EXPECT_EQ(type_of(decoder(2, 288, false), c, "blk.0.attn_q.weight"), "q8_0");
  EXPECT_EQ(type_of(decoder(2, 48, false), c, "blk.0.attn_q.weight"), "f16");
  EXPECT_EQ(type_of(decoder(2, 288, false), {.mix = &mix_named("iq4_xs")}, "blk.0.attn_q.weight"),
            "iq4_nl");
  EXPECT_TRUE(choose_types(decoder(2, 48, false), c)[2].fell_back);
  EXPECT_FALSE(choose_types(decoder(2, 256, false), c)[2].fell_back);
}

TEST(Types, RulesComeFirstInTheirOrder) {
  TypeChoice c{.mix = &mix_named("q4_0")};
  c.rules.push_back({parse_pattern("blk\\.0\\..*attn_q", "--tensor-type"), DType::q8_0});
  c.rules.push_back({parse_pattern("attn_q", "--tensor-type"), DType::f32});
  c.keep.push_back(parse_pattern("ffn_down", "--keep"));
  EXPECT_EQ(type_of(decoder(2, 256, false), c, "blk.0.attn_q.weight"), "q8_0");
  EXPECT_EQ(type_of(decoder(2, 256, false), c, "blk.1.attn_q.weight"), "f32");
  EXPECT_EQ(type_of(decoder(2, 256, false), c, "blk.1.ffn_down.weight"), "f16");
}

TEST(Types, WrongNamesAndPatternsAreUsage) {
  EXPECT_FAILS(ErrorKind::usage, "q9", mix_named("q9"));
  EXPECT_FAILS(ErrorKind::usage, "--output-type: 'q4_k_m'", parse_type("q4_k_m", "--output-type"));
  EXPECT_FAILS(ErrorKind::usage, "--keep '(' is wrong at byte 1: missing",
               parse_pattern("(", "--keep"));
}

}  // namespace
}  // namespace r1
