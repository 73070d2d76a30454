// Real files parse, and what is written reads back the same.
#include <cstring>
#include <numeric>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "lib/io/weights.h"
#include "tests/support/fails.h"
#include "tests/support/temp_dir.h"

namespace r1 {
namespace {

namespace fs = std::filesystem;
const fs::path kData = fs::path(R1_TEST_DATA) / "text";

TEST(RealFiles, EveryVocabularyParses) {
  if (!fs::exists(kData / "vocab")) GTEST_SKIP() << "skipped: no " << kData / "vocab";
  for (const fs::directory_entry& entry : fs::directory_iterator(kData / "vocab")) {
    if (entry.path().extension() != ".gguf") continue;
    const MappedFile file(entry.path());
    const GgufFile gguf = GgufFile::parse(file.bytes(), entry.path().filename().string());
    EXPECT_TRUE(gguf.string("general.architecture")) << entry.path();
    const auto* tokens = gguf.strings("tokenizer.ggml.tokens");
    ASSERT_NE(tokens, nullptr) << entry.path();
    EXPECT_GT(tokens->size(), 30000u);
  }
}

TEST(RealFiles, Stories260KOpensWithItsShapes) {
  if (!fs::exists(kData / "stories260K")) GTEST_SKIP() << "skipped: no " << kData / "stories260K";
  const ModelFiles files = ModelFiles::open(kData / "stories260K");
  EXPECT_FALSE(files.is_gguf());
  EXPECT_EQ(files.config().at("hidden_size", "c").integer("c"), 64);
  const Tensor* embedding = files.find("model.embed_tokens.weight");
  ASSERT_NE(embedding, nullptr);
  EXPECT_EQ(embedding->shape, (Shape{512, 64}));
  EXPECT_EQ(files.find("lm_head.weight"), nullptr);
  EXPECT_TRUE(files.digest().starts_with("sample:"));
}

struct Written {
  std::vector<float> values = std::vector<float>(6);
  std::vector<unsigned char> blocks = std::vector<unsigned char>(68, 7);
  std::vector<NamedTensor> tensors;
  Written() {
    std::iota(values.begin(), values.end(), 1.0f);
    tensors.push_back({"a", {values.data(), {2, 3}, DType::f32}});
    tensors.push_back({"b", {values.data(), {5}, DType::f32}});
  }
};

// Trained further, a model keeps its header and its size; its name must not stay.
TEST(RealFiles, OtherWeightsHaveAnotherDigest) {
  const test::TempDir dir;
  const auto digest_with = [&](float first) {
    Written w;
    w.values[0] = first;
    const auto out = open_file(dir / "m.gguf");
    write_gguf(*out, {{"general.architecture", std::string("llama")}}, w.tensors);
    out->close();
    return ModelFiles::open(dir / "m.gguf").digest();
  };
  EXPECT_EQ(digest_with(1), digest_with(1));
  EXPECT_NE(digest_with(1), digest_with(2));
}

// In Hugging Face's cache a file is a link to its SHA-256, which says nothing of the other shards.
TEST(RealFiles, AShardsNameIsNotTheModels) {
  const test::TempDir dir;
  const Written w;
  const auto write = [](const fs::path& path, std::uint16_t number, std::uint16_t count,
                        const std::vector<NamedTensor>& tensors) {
    const auto out = open_file(path);
    write_gguf(*out,
               {{"general.architecture", std::string("llama")},
                {"split.no", number},
                {"split.count", count}},
               tensors);
    out->close();
  };
  const std::string sha256(64, 'a');
  write(dir / sha256, 0, 2, {w.tensors[0]});
  fs::create_symlink(dir / sha256, dir / "m-00001-of-00002.gguf");
  write(dir / "m-00002-of-00002.gguf", 1, 2, {w.tensors[1]});
  EXPECT_TRUE(ModelFiles::open(dir / "m-00001-of-00002.gguf").digest().starts_with("sample:"));
  write(dir / sha256, 0, 2, {});  // some have no tensors in the first
  EXPECT_TRUE(ModelFiles::open(dir / "m-00001-of-00002.gguf").digest().starts_with("sample:"));
  write(dir / sha256, 0, 1, {w.tensors[0]});
  EXPECT_EQ(ModelFiles::open(dir / "m-00001-of-00002.gguf").digest(), "sha256:" + sha256);
}

TEST(RealFiles, ShardsHaveAllTensorsThatTheySay) {
  const test::TempDir dir;
  const Written w;
  for (const auto n : {std::uint16_t{0}, std::uint16_t{1}}) {
    const auto out = open_file(dir / fmt::format("m-{:05}-of-00002.gguf", n + 1));
    write_gguf(*out,
               {{"general.architecture", std::string("llama")},
                {"split.no", n},
                {"split.count", std::uint16_t{2}},
                {"split.tensors.count", std::int32_t{3}}},
               {w.tensors[n]});
    out->close();
  }
  EXPECT_FAILS(ErrorKind::model, "says 3 tensors, and its files have 2",
               ModelFiles::open(dir / "m-00001-of-00002.gguf"));
}

TEST(RealFiles, SafetensorsReadBackAsTheyWereWritten) {
  const test::TempDir dir;
  const Written w;
  const auto out = open_file(dir / "model.safetensors");
  write_safetensors(*out, w.tensors, {{"format", "pt"}});
  out->close();
  const MappedFile file(dir / "model.safetensors");
  const SafetensorsFile back = parse_safetensors(file.bytes(), "x");
  EXPECT_EQ(back.metadata.at("format"), "pt");
  ASSERT_EQ(back.tensors.size(), 2u);
  EXPECT_EQ(back.tensors[0].tensor.shape, (Shape{2, 3}));
  EXPECT_EQ(std::memcmp(back.tensors[1].tensor.data, w.values.data(), 20), 0);
}

TEST(RealFiles, GgufReadsBackAsItWasWritten) {
  const test::TempDir dir;
  Written w;
  w.tensors.push_back({"q", {w.blocks.data(), {2, 32}, DType::q8_0}});
  const auto out = open_file(dir / "m.gguf");
  write_gguf(*out,
             {{"general.architecture", std::string("llama")},
              {"a.count", std::uint32_t{7}},
              {"a.eps", 1e-5f},
              {"a.flag", true},
              {"a.words", std::vector<std::string>{"x", "yz"}},
              {"a.scores", std::vector<float>{0.5f, -1.0f}}},
             w.tensors);
  out->close();
  const ModelFiles files = ModelFiles::open(dir / "m.gguf");
  EXPECT_EQ(files.gguf().string("general.architecture"), "llama");
  EXPECT_EQ(files.gguf().integer("a.count"), 7);
  EXPECT_EQ(files.gguf().boolean("a.flag"), true);
  EXPECT_FLOAT_EQ(static_cast<float>(*files.gguf().number("a.eps")), 1e-5f);
  EXPECT_EQ(files.gguf().strings("a.words")->at(1), "yz");
  EXPECT_EQ(files.gguf().floats("a.scores")->at(1), -1.0f);
  EXPECT_FAILS(ErrorKind::model, "a.count is not a string", files.gguf().string("a.count"));
  ASSERT_NE(files.find("q"), nullptr);
  EXPECT_EQ(files.find("q")->shape, (Shape{2, 32}));
  EXPECT_EQ(std::memcmp(files.find("q")->data, w.blocks.data(), 68), 0);
  EXPECT_EQ(std::memcmp(files.find("a")->data, w.values.data(), 24), 0);
}

TEST(RealFiles, PickleIsRefusedWithTheWayOut) {
  const test::TempDir dir;
  test::write_bytes(dir / "config.json", "{}");
  test::write_bytes(dir / "pytorch_model.bin", "x");
  EXPECT_FAILS(ErrorKind::format, "safetensors.torch.save_file", ModelFiles::open(dir.path()));
}

}  // namespace
}  // namespace r1
