// What a model says of itself is checked: one line names the key or the tensor, and nothing runs.
#include <gtest/gtest.h>

#include "lib/models/decoder_config.h"
#include "tests/support/edited_model.h"

namespace r1 {
namespace {

using test::EditedModel;

struct Wrong {
  std::string key, json, says;  // json empty: the key is absent
};

void expect_refused(const std::string& base, const std::vector<Wrong>& cases) {
  for (const Wrong& wrong : cases) {
    EditedModel model(base);
    if (wrong.json.empty())
      model.drop(wrong.key);
    else
      model.set(wrong.key, wrong.json);
    EXPECT_EQ(model.failure(), wrong.says) << wrong.key << " = " << wrong.json;
  }
}

TEST(HostileConfig, ATinyCheckpointLoadsWhenNothingIsChanged) {
  for (const std::string& name : test::tiny_names())
    EXPECT_EQ(EditedModel(name).failure(), "nothing") << name;
}

TEST(HostileConfig, NumbersOutOfRangeAreRefused) {
  const std::string at = "E_MODEL: config.json: ";
  expect_refused(
      "llama",
      {{"num_hidden_layers", "0", at + "num_hidden_layers is 0, not from 1 to 512"},
       {"num_hidden_layers", "513", at + "num_hidden_layers is 513, not from 1 to 512"},
       {"num_hidden_layers", "-1", at + "num_hidden_layers is -1, not from 1 to 512"},
       {"num_hidden_layers", "", "E_MODEL: config.json has no num_hidden_layers"},
       {"num_hidden_layers", "\"2\"",
        "E_DECODE: config.json: num_hidden_layers is a string, not a whole number"},
       {"num_hidden_layers", "1e300",
        "E_DECODE: config.json: num_hidden_layers is out of range, not a whole number"},
       {"hidden_size", "65537", at + "hidden_size is 65537, not from 1 to 65536"},
       {"num_attention_heads", "0", at + "num_attention_heads is 0, not from 1 to 1024"},
       {"num_attention_heads", "1025", at + "num_attention_heads is 1025, not from 1 to 1024"},
       {"num_key_value_heads", "0", at + "num_key_value_heads is 0, not from 1 to 1024"},
       {"num_key_value_heads", "3", "E_MODEL: 4 heads do not share 3 key-value heads"},
       {"num_key_value_heads", "8", "E_MODEL: 4 heads do not share 8 key-value heads"},
       {"head_dim", "1048576", at + "head_dim is 1048576, not from 2 to 1024"},
       {"head_dim", "0", at + "head_dim is 0, not from 2 to 1024"},
       {"head_dim", "5", "E_MODEL: the head size 5 is odd"},
       {"intermediate_size", "0", at + "intermediate_size is 0, not from 1 to 1048576"},
       {"max_position_embeddings", "16777217",
        at + "max_position_embeddings is 16777217, not from 1 to 16777216"},
       {"rms_norm_eps", "-1e-5", at + "rms_norm_eps is -1e-05, not between 0 and 1"},
       {"rms_norm_eps", "0", at + "rms_norm_eps is 0, not between 0 and 1"},
       {"rms_norm_eps", "1e-300", at + "rms_norm_eps is 1e-300, not between 0 and 1"},
       {"rms_norm_eps", "1", at + "rms_norm_eps is 1, not between 0 and 1"},
       {"rope_theta", "0", at + "rope_theta is 0, not above 0"},
       {"vocab_size", "33", at + "vocab_size is 33, and model.embed_tokens.weight has 32 rows"}});
}

TEST(HostileConfig, WhatIsNotBuiltIsRefusedAndNotGuessed) {
  expect_refused(
      "llama",
      {{"architectures", "", "E_MODEL: config.json has no architectures"},
       {"architectures", "[]", "E_MODEL: config.json: architectures is empty"},
       {"architectures", "[\"Gemma2ForCausalLM\"]",
        "E_MODEL: the architecture Gemma2ForCausalLM is not one that runs here"},
       {"architectures", "[\"\\u001b[31m\"]",
        "E_MODEL: the architecture \\x1b[31m is not one that runs here"},
       {"hidden_act", "\"gelu\"", "E_MODEL: config.json: hidden_act is gelu, not silu"},
       {"partial_rotary_factor", "0.5", "E_MODEL: config.json: partial_rotary_factor is not 1"},
       {"rope_scaling", "{\"type\": \"dynamic\", \"factor\": 2}",
        "E_MODEL: the rope scaling dynamic is not one that runs here"},
       {"rope_scaling", "{\"factor\": 2}",
        "E_MODEL: config.json: rope_scaling: rope_type is missing, and factor is there"},
       {"rope_scaling", "{\"type\": \"linear\"}", "E_MODEL: the rope factor is 0, not above 0"},
       {"rope_scaling", "{\"type\": \"llama3\", \"factor\": 8}",
        "E_MODEL: the rope's original context is 0, not above 0"},
       {"rope_scaling", "{\"type\": \"linear\", \"factor\": 1e-320}",
        "E_MODEL: the rope's base and scaling give no usable angles"},
       {"rope_parameters", "{\"full_attention\": {\"rope_type\": \"default\"}}",
        "E_MODEL: config.json: rope_parameters differs by layer, which does not run here"}});
  expect_refused(
      "qwen2",
      {{"use_sliding_window", "true",
        "E_MODEL: config.json has use_sliding_window and no layer_types: the layers are unknown"}});
  expect_refused("mistral_window",
                 {{"layer_types", "[\"full_attention\"]",
                   "E_MODEL: config.json: layer_types has 1 entries for 2 layers"},
                  {"layer_types", "[\"full_attention\", \"chunked\"]",
                   "E_MODEL: config.json: layer_types has chunked, which does not run here"},
                  {"sliding_window", "0",
                   "E_MODEL: config.json: sliding_window is 0, not from 1 to 16777216"}});
  expect_refused("r1plus", {{"daw", "", "E_MODEL: config.json has no daw"},
                            {"daw", "{\"newline\": 1}",
                             "E_DECODE: config.json: daw: newline is a number, not a boolean"},
                            {"daw", "7", "E_DECODE: config.json: daw is a number, not an object"}});
}

TEST(HostileConfig, EveryTensorIsThereOnceInItsShapeAndNoneIsLeftOver) {
  const std::string up = "model.layers.1.mlp.up_proj.weight";
  EXPECT_NE(EditedModel("llama").drop_tensor(up).failure().find("has no tensor " + up),
            std::string::npos);
  EXPECT_EQ(EditedModel("llama").add_tensor(up, {16, 24}).failure(),
            "E_MODEL: " + up + " is [16, 24], not [24, 16]");
  EXPECT_EQ(EditedModel("llama").add_tensor(up, {24, 16}, DType::i32).failure(),
            "E_MODEL: " + up + " holds whole numbers, not weights");
  EXPECT_EQ(
      EditedModel("llama").add_tensor("model.layers.2.mlp.up_proj.weight", {24, 16}).failure(),
      "E_MODEL: model.layers.2.mlp.up_proj.weight [24, 16] has no place in this architecture");
  // A bias on some layers, or on q alone, is not a family that runs here.
  EXPECT_EQ(EditedModel("llama").add_tensor("model.layers.1.self_attn.q_proj.bias", {16}).failure(),
            "E_MODEL: model.layers.1.self_attn.q_proj.bias [16] has no place in this architecture");
  EXPECT_NE(EditedModel("qwen2")
                .drop_tensor("model.layers.0.self_attn.k_proj.bias")
                .failure()
                .find("has no tensor model.layers.0.self_attn.k_proj.bias"),
            std::string::npos);
  // Switches that are off want no tensors, and the other way round.
  EXPECT_NE(EditedModel("r1plus")
                .set("daw", "{\"newline\": true}")
                .failure()
                .find("self_attn.daw.gain.bias [2] has no place"),
            std::string::npos);
  EXPECT_NE(EditedModel("r1plus_gate_only")
                .set("daw", "{\"gain\": true}")
                .failure()
                .find("has no tensor model.layers.0.self_attn.daw.gain.weight"),
            std::string::npos);
}

TEST(HostileConfig, AnEmbeddingThatIsNoMatrixIsRefused) {
  const std::string name = "model.embed_tokens.weight";
  EXPECT_NE(EditedModel("llama").drop_tensor(name).failure().find("has no tensor " + name),
            std::string::npos);
  for (const Shape& shape : {Shape{512}, Shape{32, 4, 4}})
    EXPECT_EQ(EditedModel("llama").add_tensor(name, shape).failure(),
              "E_MODEL: " + name + " is " + to_string(shape) + ", not a matrix");
}

TEST(HostileConfig, KnownExtrasAreIgnored) {
  EXPECT_EQ(EditedModel("llama")
                .add_tensor("model.layers.1.self_attn.rotary_emb.inv_freq", {2})
                .failure(),
            "nothing");
}

TEST(Config, NumbersMayBeWrittenAsIntegerOrFloat) {
  EXPECT_EQ(EditedModel("llama").set("num_hidden_layers", "2.0").set("rope_theta", "1e4").failure(),
            "nothing");
  EXPECT_EQ(EditedModel("llama").set("hidden_size", "1.6e1").failure(), "nothing");
}

TEST(Config, EveryFormOfYarnIsOneDescription) {
  const auto rope = [](const std::string& name) {
    return read_decoder_config(ModelFiles::open(test::kTiny / name)).rope;
  };
  const DecoderConfig::Rope old_form = rope("qwen3_yarn"), new_form = rope("qwen3_yarn_parameters");
  EXPECT_EQ(old_form.frequencies, new_form.frequencies);
  EXPECT_EQ(old_form.frequencies, rope("qwen3_yarn_default").frequencies);
  EXPECT_FLOAT_EQ(old_form.magnitude, new_form.magnitude);
  EXPECT_FLOAT_EQ(rope("qwen3_yarn_default").magnitude, 1.1386294f);  // 0.1 ln 4 + 1
}

TEST(Config, AWindowIsReadWhereTheFamilyHasOne) {
  const auto window = [](const EditedModel& model) {
    return read_decoder_config(ModelFiles::open(model.written())).attention.window;
  };
  using Windows = std::vector<std::int64_t>;
  const std::string types = "[\"full_attention\", \"sliding_attention\"]";
  EXPECT_EQ(window(EditedModel("mistral_window")), (Windows{8, 8}));
  EXPECT_EQ(window(EditedModel("mistral_window").set("sliding_window", "null")), (Windows{0, 0}));
  EXPECT_EQ(window(EditedModel("qwen2")), (Windows{0, 0}));  // use_sliding_window is false
  EXPECT_EQ(
      window(EditedModel("qwen2").set("use_sliding_window", "true").set("layer_types", types)),
      (Windows{0, 4}));
  EXPECT_EQ(window(EditedModel("llama").set("sliding_window", "8")), (Windows{0, 0}));
}

}  // namespace
}  // namespace r1
