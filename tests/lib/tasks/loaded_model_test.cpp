#include "lib/tasks/loaded_model.h"

#include <gtest/gtest.h>

#include "tests/support/edited_model.h"
#include "tests/support/tiny_model.h"
#include "tests/support/tiny_vocabulary.h"

namespace r1 {
namespace {

class LoadedModelTest : public testing::Test {
 protected:
  LoadedModel load(const std::filesystem::path& path, const ModelLoadOptions& options = {}) {
    return load_model_with_text(*backend_, "m", path, options);
  }
  LoadedModel load_gguf(const test::TinyModel& tiny, const std::string& dtype) {
    return load(test::write_tiny_model(dir_ / "m.gguf", tiny), {.dtype = dtype});
  }
  // A Llama of 259 rows with a vocabulary of 258 tokens: all bytes, "\n\n" and "x\n".
  std::filesystem::path write_folder() {
    folder_.set("vocab_size", "259");
    for (const char* name : {"model.embed_tokens.weight", "lm_head.weight"})
      folder_.add_tensor(name, {259, 16});
    const auto path = folder_.written();
    const std::string newline = letters_of("\n");
    test::write_bytes(path / "tokenizer.json",
                      test::TinyBpe{{{newline, newline}, {"x", newline}}}.json());
    return path;
  }

  std::unique_ptr<Backend> backend_ = open_backend("ref");
  test::TempDir dir_;
  test::EditedModel folder_{"llama"};
};

TEST_F(LoadedModelTest, TheWeightsSayWhatIsComputedInUnlessTheUserDoes) {
  const auto kv = [this](DType weights, const std::string& dtype) {
    return load_gguf({.dtype = weights}, dtype).kv_dtype;
  };
  EXPECT_EQ(kv(DType::f32, "auto"), DType::f32);
  for (const DType weights : {DType::f16, DType::bf16, DType::q8_0}) {
    EXPECT_EQ(kv(weights, "auto"), DType::bf16);
    EXPECT_EQ(kv(weights, "f32"), DType::f32);
  }
  EXPECT_EQ(kv(DType::f32, "bf16"), DType::bf16);
  EXPECT_FAILS(ErrorKind::usage, "int7", kv(DType::f32, "int7"));
}

TEST_F(LoadedModelTest, TheCacheHoldsWhatTheUserSays) {
  const auto kv = [this](const std::string& type, std::int64_t head) {
    const LoadedModel m = load(test::write_tiny_model(dir_ / "m.gguf", {.head = head}),
                               {.dtype = "bf16", .kv_type = type});
    EXPECT_EQ(m.compute, DType::bf16);
    return m.kv_dtype;
  };
  for (const DType type : {DType::f32, DType::f16, DType::bf16})
    EXPECT_EQ(kv(std::string(to_string(type)), 8), type);
  EXPECT_EQ(kv("auto", 8), DType::bf16);
  for (const std::int64_t head : {32, 64, 96}) EXPECT_EQ(kv("q8_0", head), DType::q8_0);
  for (const std::int64_t head : {8, 48})
    EXPECT_FAILS(ErrorKind::usage, "are not whole blocks of 32, as a cache of q8_0 wants",
                 kv("q8_0", head));
  EXPECT_FAILS(ErrorKind::usage, "no cache holds q4_0", kv("q4_0", 32));
}

TEST_F(LoadedModelTest, TheQuantIsTheTypeMostWeightsHave) {
  EXPECT_EQ(load_gguf({.dtype = DType::q8_0}, "auto").quant, "q8_0");
  EXPECT_EQ(load_gguf({.dtype = DType::f32}, "auto").quant, "f32");
}

TEST_F(LoadedModelTest, EveryTokenWithANewlineInItIsKnown) {
  const LoadedModel m = load(write_folder());
  ASSERT_EQ(m.newline.size(), 258u);
  for (std::size_t id = 0; id < 258; ++id)
    EXPECT_EQ(m.newline[id], id == '\n' || id >= 256) << "id " << id;
}

TEST_F(LoadedModelTest, AnswersEndAtEveryIdThatGenerationConfigLists) {
  const auto path = write_folder();
  test::write_bytes(path / "generation_config.json", R"({"eos_token_id": [7, 3]})");
  EXPECT_EQ(load(path).stop_tokens, (std::vector<TokenId>{3, 7}));
  test::write_bytes(path / "generation_config.json", R"({"eos_token_id": 9})");
  EXPECT_EQ(load(path).stop_tokens, (std::vector<TokenId>{9}));
  test::write_bytes(path / "generation_config.json", R"({"eos_token_id": [7, 259]})");
  EXPECT_FAILS(ErrorKind::model, "eos_token_id is 259", load(path));
  test::write_bytes(path / "generation_config.json", R"({"eos_token_id": "</s>"})");
  EXPECT_FAILS(ErrorKind::decode, "eos_token_id is a string", load(path));
}

TEST_F(LoadedModelTest, TheMakersSamplingIsADefaultUnlessTheySayGreedy) {
  const auto path = write_folder();
  EXPECT_FALSE(load(path).sampling.temperature);
  test::write_bytes(path / "generation_config.json",
                    R"({"temperature": 0.6, "top_p": 0.95, "top_k": 20})");
  const LoadedModel m = load(path);
  EXPECT_EQ(m.sampling.temperature, 0.6f);
  EXPECT_EQ(m.sampling.top_p, 0.95f);
  EXPECT_EQ(m.sampling.top_k, 20);
  EXPECT_FALSE(m.sampling.min_p);
  test::write_bytes(path / "generation_config.json", R"({"do_sample": false, "temperature": 0.6})");
  EXPECT_FALSE(load(path).sampling.temperature);
  test::write_bytes(path / "generation_config.json", R"({"do_sample": null, "temperature": 0.6})");
  EXPECT_EQ(load(path).sampling.temperature, 0.6f);
  test::write_bytes(path / "generation_config.json", R"({"temperature": "hot"})");
  EXPECT_FAILS(ErrorKind::decode, "temperature is a string", load(path));
  for (const char* value : {"-1", "1e300"}) {
    test::write_bytes(path / "generation_config.json", fmt::format(R"({{"top_k": {}}})", value));
    EXPECT_FAILS(ErrorKind::model, "top_k", load(path));
  }
}

TEST_F(LoadedModelTest, AVocabularyLargerThanTheEmbeddingIsRefused) {
  const auto path = folder_.written();  // 32 rows
  test::write_bytes(path / "tokenizer.json", test::TinyBpe{}.json());
  EXPECT_FAILS(ErrorKind::model, "256 tokens", load(path));
}

TEST_F(LoadedModelTest, AChatTemplateIsFoundInAFileOfItsOwnOrBesideTheTokenizer) {
  const auto path = write_folder();
  EXPECT_EQ(load(path).chat_template, "");
  test::write_bytes(path / "tokenizer_config.json", R"({"chat_template": "beside"})");
  EXPECT_EQ(load(path).chat_template, "beside");
  test::write_bytes(path / "chat_template.jinja", "alone");
  EXPECT_EQ(load(path).chat_template, "alone");
  EXPECT_EQ(load_gguf({.chat = "inside"}, "auto").chat_template, "inside");
}

}  // namespace
}  // namespace r1
