#include "lib/quant/quantize_model.h"

#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <limits>

#include <gtest/gtest.h>

#include "lib/base/error.h"
#include "lib/tensor/quant_block.h"
#include "lib/text/tokenizer.h"
#include "tests/support/backends.h"
#include "tests/support/fails.h"
#include "tests/support/run_network.h"
#include "tests/support/temp_dir.h"

namespace r1 {
namespace {

namespace fs = std::filesystem;

class QuantizeModelTest : public testing::Test {
 protected:
  QuantizeModelTest() {
    values_ = test::random_values(64 * 256, 1);
    norm_ = test::random_values(256, 2);
  }

  ModelFiles model() {
    const auto out = open_file(folder_ / "in.gguf");
    write_gguf(*out,
               {{"general.architecture", std::string("llama")},
                {"general.file_type", std::uint32_t{0}},
                {"tokenizer.ggml.tokens", std::vector<std::string>{"a", "", "\n"}},
                {"tokenizer.ggml.scores", std::vector<float>{0.5f, -1.0f, 2.0f}},
                {"some.flag", true}},
               {{"blk.0.attn_q.weight", {values_.data(), {64, 256}}},
                {"output_norm.weight", {norm_.data(), {256}}},
                {"output.weight", {values_.data(), {64, 256}}}});
    out->close();
    return ModelFiles::open(folder_ / "in.gguf");
  }

  std::string made(const ModelFiles& files, const QuantizePlan& plan, int threads,
                   const QuantizeOptions& options = {}) {
    ThreadPool pool(threads);
    const auto out = open_file(folder_ / "out.gguf");
    written_ = write_quantized(*out, files, plan, options, pool);
    out->close();
    return read_file(folder_ / "out.gguf");
  }

  test::TempDir folder_;
  std::vector<float> values_, norm_;
  std::vector<Digests> written_;
};

TypeChoice to(std::string_view name) { return {.mix = &mix_named(name)}; }

TEST_F(QuantizeModelTest, MetadataStaysAndTensorsBecomeWhatIsPlanned) {
  const ModelFiles files = model();
  const QuantizePlan plan = plan_quantization(files, to("q4_k_s"), false);
  EXPECT_EQ(made(files, plan, 2).size(), plan.bytes);
  const ModelFiles now = ModelFiles::open(folder_ / "out.gguf");
  EXPECT_EQ(now.gguf().integer("general.file_type"), 14);
  EXPECT_EQ(now.gguf().integer("general.quantization_version"), 2);
  EXPECT_EQ(*now.gguf().strings("tokenizer.ggml.tokens"), (GgufValue::Strings{"a", "", "\n"}));
  EXPECT_EQ(*now.gguf().floats("tokenizer.ggml.scores"), (std::vector<float>{0.5f, -1.0f, 2.0f}));
  EXPECT_EQ(now.gguf().boolean("some.flag"), true);
  EXPECT_EQ(now.find("blk.0.attn_q.weight")->dtype, DType::q4_k);
  EXPECT_EQ(now.find("output.weight")->dtype, DType::q6_k);
  const Tensor& norm = *now.find("output_norm.weight");
  EXPECT_EQ(std::vector<float>(norm.as<float>(), norm.as<float>() + 256), norm_);
}

TEST_F(QuantizeModelTest, TheSameBytesForAnyNumberOfThreads) {
  const ModelFiles files = model();
  const QuantizePlan plan = plan_quantization(files, to("q4_k_m"), false);
  EXPECT_EQ(made(files, plan, 1), made(files, plan, 3));
}

TEST_F(QuantizeModelTest, ErrorsAreThoseOfTheFile) {
  const ModelFiles files = model();
  const QuantizePlan plan = plan_quantization(files, to("q8_0"), false);
  made(files, plan, 2);
  ThreadPool pool(2);
  const auto errors =
      verify_quantized(folder_ / "out.gguf", files, plan, written_, pool, [](std::uint64_t) {});
  const ModelFiles now = ModelFiles::open(folder_ / "out.gguf");
  std::vector<float> decoded(values_.size());
  unpack(decoded, now.find("output.weight")->data, DType::q8_0);
  double squares = 0, most = 0;
  for (std::size_t i = 0; i < decoded.size(); ++i) {
    const double d = double{decoded[i]} - values_[i];
    squares += d * d;
    most = std::max(most, std::abs(d));
  }
  EXPECT_NEAR(errors[2].mse, squares / static_cast<double>(decoded.size()), 1e-15);
  EXPECT_EQ(errors[2].max_abs, most);
  EXPECT_EQ(errors[1].mse, 0);
}

TEST_F(QuantizeModelTest, AByteThatChangedIsFound) {
  const ModelFiles files = model();
  const QuantizePlan plan = plan_quantization(files, to("q8_0"), false);
  made(files, plan, 2);
  for (const std::uint64_t at : {plan.begins[0] + 40, std::uint64_t{60}}) {
    std::fstream file(folder_ / "out.gguf", std::ios::in | std::ios::out | std::ios::binary);
    file.seekg(static_cast<std::streamoff>(at));
    const int byte = file.get();
    file.seekp(static_cast<std::streamoff>(at));
    file.put(static_cast<char>(byte ^ 1));
    file.close();
    ThreadPool pool(1);
    EXPECT_FAILS(
        ErrorKind::write, "read again",
        verify_quantized(folder_ / "out.gguf", files, plan, written_, pool, [](std::uint64_t) {}));
    made(files, plan, 2);
  }
}

TEST_F(QuantizeModelTest, AnInfinityIsNamed) {
  values_[1000] = std::numeric_limits<float>::infinity();
  const ModelFiles files = model();
  const QuantizePlan plan = plan_quantization(files, to("q8_0"), false);
  EXPECT_FAILS(ErrorKind::model, "blk.0.attn_q.weight", made(files, plan, 2));
}

TEST_F(QuantizeModelTest, WhatIsQuantizedIsNotQuantizedAgainUnasked) {
  {
    const ModelFiles files = model();
    made(files, plan_quantization(files, to("q8_0"), false), 1);
  }
  const ModelFiles small = ModelFiles::open(folder_ / "out.gguf");
  EXPECT_FAILS(ErrorKind::usage, "q8_0 already", plan_quantization(small, to("q4_0"), false));
  EXPECT_EQ(plan_quantization(small, to("q4_0"), true).tensors[0].to, DType::q4_0);
  EXPECT_EQ(plan_quantization(small, to("q8_0"), false).tensors[0].to, DType::q8_0);
}

// Wherever the run broke off, the same file comes of going on.
TEST_F(QuantizeModelTest, AResumedFileIsTheSame) {
  const ModelFiles files = model();
  const QuantizePlan plan = plan_quantization(files, to("q4_0"), false);
  const std::string whole = made(files, plan, 2);
  const fs::path partial = folder_ / "again.gguf.partial";
  ThreadPool pool(2);
  for (const std::uint64_t size :
       {std::uint64_t{0}, std::uint64_t{10}, plan.begins[0], plan.begins[1] - 1, plan.begins[1],
        plan.begins[2] + 5, plan.bytes}) {
    std::ofstream(partial, std::ios::binary) << whole.substr(0, size);
    const auto first = resume_point(partial, plan);
    ASSERT_TRUE(first.has_value());
    const auto out = open_journal(folder_ / "again.gguf");
    write_quantized(*out, files, plan, {}, pool, 0, *first);
    out->close();
    EXPECT_EQ(read_file(folder_ / "again.gguf"), whole) << size;
  }
  std::ofstream(partial, std::ios::binary) << whole;
  EXPECT_FALSE(resume_point(partial, plan_quantization(files, to("q8_0"), false)).has_value());
  QuantizePlan otherwise = plan;
  otherwise.set_recipe("0123456789abcdef");
  EXPECT_EQ(otherwise.bytes, plan.bytes);
  EXPECT_EQ(otherwise.begins, plan.begins);
  EXPECT_FALSE(resume_point(partial, otherwise).has_value());
}

// Shards of at most so many bytes, which llama.cpp's names and keys hold together, have the same
// tensors as one file; each is gone on with wherever the run broke off.
TEST_F(QuantizeModelTest, ShardsHoldWhatOneFileHolds) {
  const ModelFiles files = model();
  QuantizePlan plan = plan_quantization(files, to("q8_0"), false);
  const std::string whole = made(files, plan, 2);
  plan.set_shard_size(plan.bytes);
  EXPECT_EQ(plan.paths("out.gguf"), (std::vector<fs::path>{"out.gguf"}));
  const std::uint64_t most = plan.tensors[0].target().bytes() + 1500;
  plan.set_shard_size(most);
  ASSERT_EQ(plan.paths("a/s.gguf"),
            (std::vector<fs::path>{"a/s-00001-of-00002.gguf", "a/s-00002-of-00002.gguf"}));
  const std::vector<fs::path> paths = plan.paths(folder_ / "s.gguf");
  ThreadPool pool(2);
  for (std::size_t s = 0; s < 2; ++s) {
    const auto out = open_file(paths[s]);
    const auto written = write_quantized(*out, files, plan, {}, pool, s);
    out->close();
    const std::string shard = read_file(paths[s]);
    EXPECT_EQ(shard.size(), plan.shards[s].bytes);
    EXPECT_LE(shard.size(), most);
    verify_quantized(
        paths[s], files, plan, written, pool, [](std::uint64_t) {}, s);
    for (const std::uint64_t size : {shard.size() - 1, plan.begins[plan.shards[s].first] - 1}) {
      const fs::path partial = folder_ / "again.gguf.partial";
      std::ofstream(partial, std::ios::binary) << shard.substr(0, size);
      EXPECT_FALSE(resume_point(partial, plan, 1 - s).has_value());
      const auto again = open_journal(folder_ / "again.gguf");
      write_quantized(*again, files, plan, {}, pool, s, *resume_point(partial, plan, s));
      again->close();
      EXPECT_EQ(read_file(folder_ / "again.gguf"), shard) << size;
    }
    const ModelFiles alone = ModelFiles::of_gguf(as_bytes(shard), "shard");
    EXPECT_EQ(alone.gguf().integer("split.no"), s);
    EXPECT_EQ(alone.gguf().integer("split.count"), 2);
    EXPECT_EQ(alone.gguf().integer("split.tensors.count"), 3);
    EXPECT_EQ(alone.gguf().find("some.flag") != nullptr, s == 0);
  }
  const ModelFiles one = ModelFiles::of_gguf(as_bytes(whole), "whole");
  const ModelFiles shards = ModelFiles::open(paths[0]);
  ASSERT_EQ(shards.tensors().size(), 3);
  for (const NamedTensor& t : one.tensors()) {
    const Tensor* same = shards.find(t.name);
    ASSERT_NE(same, nullptr) << t.name;
    EXPECT_EQ(same->dtype, t.tensor.dtype);
    EXPECT_EQ(std::memcmp(same->data, t.tensor.data, t.tensor.bytes()), 0) << t.name;
  }
  plan.set_shard_size(0);
  EXPECT_EQ(made(files, plan, 2), whole);
}

// A Hugging Face folder in one step: the same text, and nearly the same in 8 bits.
TEST_F(QuantizeModelTest, AFolderBecomesAFileOfTheSameModel) {
  const fs::path stories = fs::path(R1_TEST_DATA) / "text/stories260K";
  if (!fs::exists(stories)) GTEST_SKIP() << "skipped: no " << stories;
  const ModelFiles files = ModelFiles::open(stories);
  const fs::path share = fs::path(R1_SOURCE_DIR) / "share";
  test::Runner folder(open_backend("ref", {}), stories);
  for (const char* type : {"f32", "q8_0"}) {
    const QuantizePlan plan = plan_quantization(files, to(type), false, share);
    made(files, plan, 2);
    test::Runner file(open_backend("ref", {}), folder_ / "out.gguf");
    EXPECT_EQ(file.greedy({1}, 32), folder.greedy({1}, 32)) << type;
    const ModelFiles now = ModelFiles::open(folder_ / "out.gguf");
    EXPECT_EQ(load_tokenizer(now, share)->encode("Once upon a time"),
              load_tokenizer(files, share)->encode("Once upon a time"));
  }
}

TEST_F(QuantizeModelTest, AnImportanceMatrixMovesErrorsToWhereTheyCountLess) {
  const ModelFiles files = model();
  const QuantizePlan plan = plan_quantization(files, to("q4_0"), false);
  Imatrix imatrix;
  Imatrix::Entry entry{std::vector<float>(256, 1e-4f), 10};
  std::fill(entry.sum2.begin(), entry.sum2.begin() + 8, 1.0f);
  imatrix.add("blk.0.attn_q.weight", entry);
  const auto important = [&](const std::string& file) {
    double squares = 0;
    std::vector<float> row(256);
    for (std::size_t r = 0; r < 64; ++r) {
      unpack(row, file.data() + plan.begins[0] + r * 144, DType::q4_0);
      for (std::size_t k = 0; k < 8; ++k)
        squares += std::pow(double{row[k]} - values_[r * 256 + k], 2);
    }
    return squares;
  };
  EXPECT_LT(important(made(files, plan, 2, {.imatrix = &imatrix})),
            0.8 * important(made(files, plan, 2)));
}

TEST_F(QuantizeModelTest, AnImportanceMatrixReadsBackAsItWasWritten) {
  Imatrix imatrix;
  imatrix.add("blk.0.attn_q.weight", {{1, 2, 3, 4}, 7});
  const auto out = open_file(folder_ / "imatrix.gguf");
  imatrix.write(*out);
  out->close();
  const Imatrix read = Imatrix::read(folder_ / "imatrix.gguf");
  const auto importance = read.importance("blk.0.attn_q.weight");
  EXPECT_EQ(std::vector<float>(importance.begin(), importance.end()),
            (std::vector<float>{1, 2, 3, 4}));
  EXPECT_TRUE(read.importance("output.weight").empty());
  EXPECT_FAILS(ErrorKind::usage, "4 numbers for",
               read.check({{"blk.0.attn_q.weight", {nullptr, {1, 5}}}}));
  EXPECT_FAILS(ErrorKind::usage, "no importance matrix",
               (model(), Imatrix::read(folder_ / "in.gguf")));
}

}  // namespace
}  // namespace r1
