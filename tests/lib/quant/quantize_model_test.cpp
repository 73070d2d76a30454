#include "lib/quant/quantize_model.h"

#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <limits>

#include <gtest/gtest.h>

#include "lib/base/error.h"
#include "lib/quant/calibrate.h"
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
    journal_ = SumJournal();
    write_quantized(*out, files, plan, options, pool, journal_);
    out->close();
    return read_file(folder_ / "out.gguf");
  }

  test::TempDir folder_;
  std::vector<float> values_, norm_;
  SumJournal journal_;
};

TypeChoice to(std::string_view name) { return {.mix = &mix_named(name)}; }

TEST_F(QuantizeModelTest, MetadataStaysAndTensorsBecomeWhatIsPlanned) {
  const ModelFiles files = model();
  const QuantizePlan plan = plan_quantization(files, to("q4_k_s"), false);
  EXPECT_EQ(made(files, plan, 2).size(), plan.bytes);
  const ModelFiles now = ModelFiles::open(folder_ / "out.gguf");
  EXPECT_EQ(now.gguf().integer("general.file_type"), 14);
  EXPECT_EQ(now.gguf().integer("general.quantization_version"), 2);
  EXPECT_EQ(now.gguf().integer("general.alignment"), 32);
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
  const auto errors = verify_quantized(folder_ / "out.gguf", files, plan, journal_.sums(), pool,
                                       [](std::uint64_t) {});
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
    EXPECT_FAILS(ErrorKind::write, "read again",
                 verify_quantized(folder_ / "out.gguf", files, plan, journal_.sums(), pool,
                                  [](std::uint64_t) {}));
    made(files, plan, 2);
  }
}

TEST_F(QuantizeModelTest, AnInfinityIsNamed) {
  values_[1000] = std::numeric_limits<float>::infinity();
  const ModelFiles files = model();
  const QuantizePlan plan = plan_quantization(files, to("q8_0"), false);
  EXPECT_FAILS(ErrorKind::model, "blk.0.attn_q.weight", made(files, plan, 2));
  EXPECT_FAILS(ErrorKind::model, "blk.0.attn_q.weight holds a number that is not",
               need_finite(files));
}

TEST_F(QuantizeModelTest, ANumberTooLargeIsNamedButStaysWhereItFits) {
  values_[1000] = 1e30f;
  const ModelFiles files = model();
  for (const char* type : {"q4_0", "q8_0", "f16"})
    for (const bool search : {false, true})
      EXPECT_FAILS(ErrorKind::model,
                   std::string("blk.0.attn_q.weight holds a number too large for ") + type,
                   made(files, plan_quantization(files, to(type), false), 2, {.search = search}));
  made(files, plan_quantization(files, to("bf16"), false), 2);
}

TEST_F(QuantizeModelTest, WhatIsNoModelThatRunsIsNamed) {
  const auto plan_of = [&](const GgufMetadata& metadata, const Tensor& tensor) {
    const auto out = open_file(folder_ / "other.gguf");
    write_gguf(*out, metadata, {{"blk.0.w", tensor}});
    out->close();
    return plan_quantization(ModelFiles::open(folder_ / "other.gguf"), to("q8_0"), false);
  };
  const auto of = [](const char* name) {
    return GgufMetadata{{"general.architecture", std::string(name)}};
  };
  const Tensor matrix{values_.data(), {64, 256}}, deep{values_.data(), {2, 32, 256}};
  EXPECT_NO_THROW(plan_of(of("llama"), matrix));
  EXPECT_FAILS(ErrorKind::model, "the architecture qwen3moe is not",
               plan_of(of("qwen3moe"), matrix));
  EXPECT_FAILS(ErrorKind::model, "has no general.architecture", plan_of({}, matrix));
  EXPECT_FAILS(ErrorKind::model, "blk.0.w is [2, 32, 256], which", plan_of(of("llama"), deep));
  EXPECT_FAILS(ErrorKind::model, "no weight",
               plan_of(of("llama"), {values_.data(), {256}, DType::i32}));
}

TEST_F(QuantizeModelTest, WhatIsQuantizedIsNotQuantizedAgainUnasked) {
  {
    const ModelFiles files = model();
    made(files, plan_quantization(files, to("q8_0"), false), 1);
  }
  const ModelFiles small = ModelFiles::open(folder_ / "out.gguf");
  EXPECT_FAILS(ErrorKind::usage, "q8_0 already", plan_quantization(small, to("q4_0"), false));
  EXPECT_FAILS(ErrorKind::usage, "makes f16 of it, larger and no better",
               plan_quantization(small, to("f16"), false));
  EXPECT_EQ(plan_quantization(small, to("q4_0"), true).tensors[0].to, DType::q4_0);
  EXPECT_EQ(plan_quantization(small, to("q8_0"), false).tensors[0].to, DType::q8_0);
}

// What a run left at again.gguf.partial, and how another goes on with it.
class ResumedFileTest : public QuantizeModelTest {
 protected:
  ResumedFileTest() : pool_(2) {}

  // The bytes, and the journal of the run that wrote them, cut to so many characters.
  void leave(const std::string& bytes, std::size_t characters = std::string::npos) {
    test::write_bytes(partial_, bytes);
    { const SumJournal noted(sums_path(partial_), journal_.sums()); }
    test::write_bytes(sums_path(partial_),
                      test::read_bytes(sums_path(partial_)).substr(0, characters));
  }
  // The file that comes of it; `kept_` and `why_` say what was made of what was there.
  std::string resumed(const ModelFiles& files, const QuantizePlan& plan,
                      const QuantizeOptions& options = {}) {
    const auto point = resume_quantized(partial_, files, plan, options);
    EXPECT_TRUE(point.has_value());
    kept_ = point->kept.size();
    why_ = point->why_not;
    SumJournal journal(sums_path(partial_), point->kept);
    const auto out = open_journal(folder_ / "again.gguf");
    write_quantized(*out, files, plan, options, pool_, journal);
    out->close();
    verify_quantized(folder_ / "again.gguf", files, plan, journal.sums(), pool_,
                     [](std::uint64_t) {});
    return read_file(folder_ / "again.gguf");
  }

  ThreadPool pool_;
  const fs::path partial_ = folder_ / "again.gguf.partial";
  std::size_t kept_ = 0;
  std::string why_;
};

// Wherever the run broke off, the same file comes of going on.
TEST_F(ResumedFileTest, AResumedFileIsTheSame) {
  const ModelFiles files = model();
  const QuantizePlan plan = plan_quantization(files, to("q4_0"), false);
  const std::string whole = made(files, plan, 2);
  const std::pair<std::uint64_t, std::size_t> left[] = {
      {0, 0},
      {10, 0},
      {plan.begins[0], 0},
      {plan.begins[1] - 1, 0},
      {plan.begins[1], 1},
      {plan.begins[2] + 5, 2},
      {plan.bytes, 3},
  };
  for (const auto& [size, kept] : left) {
    leave(whole.substr(0, size));
    EXPECT_EQ(resumed(files, plan), whole) << size;
    EXPECT_EQ(kept_, kept);
    EXPECT_EQ(why_, kept == 0   ? "blk.0.attn_q.weight is not whole"
                    : kept == 1 ? "output_norm.weight is not whole"
                    : kept == 2 ? "output.weight is not whole"
                                : "");
  }
  leave(whole);
  EXPECT_FALSE(resume_quantized(partial_, files, plan_quantization(files, to("q8_0"), false), {}));
  QuantizePlan otherwise = plan;
  otherwise.set_recipe("0123456789abcdef");
  EXPECT_EQ(otherwise.bytes, plan.bytes);
  EXPECT_EQ(otherwise.begins, plan.begins);
  EXPECT_FALSE(resume_quantized(partial_, files, otherwise, {}));
}

TEST_F(ResumedFileTest, WhatIsDamagedIsWrittenAnew) {
  const ModelFiles files = model();
  const QuantizePlan plan = plan_quantization(files, to("q4_0"), false);
  const std::string whole = made(files, plan, 2);
  std::string damaged = whole;
  damaged[plan.begins[1] + 100] = static_cast<char>(damaged[plan.begins[1] + 100] ^ 1);
  leave(damaged);
  EXPECT_EQ(resumed(files, plan), whole);
  EXPECT_EQ(kept_, 1u);
  EXPECT_EQ(why_, "output_norm.weight is damaged");
}

TEST_F(ResumedFileTest, WhatWasNotNotedIsWrittenAnew) {
  const ModelFiles files = model();
  const QuantizePlan plan = plan_quantization(files, to("q4_0"), false);
  const std::string whole = made(files, plan, 2);
  for (const std::size_t characters : {0u, 50u, 66u, 67u, 68u, 100u}) {
    leave(whole, characters);  // a line is "0 ", two sums of 32 and what parts and ends them
    EXPECT_EQ(resumed(files, plan), whole) << characters;
    EXPECT_EQ(kept_, characters / 67);
    EXPECT_EQ(why_, "");
  }
}

// Weights that changed, the scales of their columns, and blocks that were packed otherwise: no two
// models mix.
TEST_F(ResumedFileTest, WhatIsMadeOfOtherWeightsIsWrittenAnew) {
  std::string before;
  {
    const ModelFiles files = model();
    before = made(files, plan_quantization(files, to("q4_0"), false), 2);
  }
  values_[40 * 256 + 7] += 1e-6f;
  const ModelFiles files = model();
  QuantizePlan plan = plan_quantization(files, to("q4_0"), false);
  leave(before);
  EXPECT_EQ(resumed(files, plan), made(files, plan, 2));
  EXPECT_EQ(kept_, 0u);
  EXPECT_EQ(why_, "blk.0.attn_q.weight was made of other weights");

  const std::vector<float> scales(256, 2.0f);
  const std::string unscaled = made(files, plan, 2);
  leave(unscaled);
  plan.tensors[2].channel_scales = std::make_shared<const std::vector<float>>(scales);
  EXPECT_EQ(resumed(files, plan), made(files, plan, 2));
  EXPECT_EQ(why_, "output.weight was made of other weights");

  const std::size_t bytes = plan.tensors[0].target().bytes();
  PackedTensors packed{{"blk.0.attn_q.weight", std::vector<std::byte>(bytes, std::byte{1})}};
  const std::string ones = made(files, plan, 2, {.packed = &packed});
  leave(ones);
  EXPECT_EQ(resumed(files, plan, {.packed = &packed}), ones);
  EXPECT_EQ(kept_, 3u);
  leave(ones);
  packed.begin()->second.back() = std::byte{2};
  EXPECT_EQ(resumed(files, plan, {.packed = &packed}), made(files, plan, 2, {.packed = &packed}));
  EXPECT_EQ(why_, "blk.0.attn_q.weight was made of other weights");
}

// Shards of at most so many bytes, which llama.cpp's names and keys hold together, have the same
// tensors as one file; each is gone on with wherever the run broke off.
TEST_F(ResumedFileTest, ShardsHoldWhatOneFileHolds) {
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
  for (std::size_t s = 0; s < 2; ++s) {
    const auto out = open_file(paths[s]);
    journal_ = SumJournal();
    write_quantized(*out, files, plan, {}, pool_, journal_, s);
    out->close();
    const std::string shard = read_file(paths[s]);
    EXPECT_EQ(shard.size(), plan.shards[s].bytes);
    EXPECT_LE(shard.size(), most);
    verify_quantized(
        paths[s], files, plan, journal_.sums(), pool_, [](std::uint64_t) {}, s);
    for (const std::uint64_t size : {shard.size() - 1, plan.begins[plan.shards[s].first] - 1}) {
      leave(shard.substr(0, size));
      EXPECT_FALSE(resume_quantized(partial_, files, plan, {}, 1 - s));
      SumJournal journal(sums_path(partial_), resume_quantized(partial_, files, plan, {}, s)->kept);
      const auto again = open_journal(folder_ / "again.gguf");
      write_quantized(*again, files, plan, {}, pool_, journal, s);
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
  imatrix.write(*out, {"text", 3, 512});
  out->close();
  const MappedFile file(folder_ / "imatrix.gguf");
  const Imatrix read = Imatrix::parse(file.bytes(), "imatrix.gguf");
  const auto importance = read.importance("blk.0.attn_q.weight");
  EXPECT_EQ(std::vector<float>(importance.begin(), importance.end()),
            (std::vector<float>{1, 2, 3, 4}));
  EXPECT_TRUE(read.importance("output.weight").empty());
  EXPECT_FAILS(ErrorKind::usage, "4 numbers for",
               read.check({{"blk.0.attn_q.weight", {nullptr, {1, 5}}}}));
  EXPECT_FAILS(ErrorKind::usage, "names no tensor of the model",
               read.check({{"blk.0.attn_k.weight", {nullptr, {1, 4}}}}));
  EXPECT_FAILS(ErrorKind::usage, "no importance matrix",
               (model(), Imatrix::parse(MappedFile(folder_ / "in.gguf").bytes(), "in.gguf")));
  const GgufFile gguf = GgufFile::parse(file.bytes(), "imatrix.gguf");
  EXPECT_EQ(*gguf.strings("imatrix.datasets"), GgufValue::Strings{"text"});
  EXPECT_EQ(gguf.integer("imatrix.chunk_count"), 3);
  EXPECT_EQ(gguf.integer("imatrix.chunk_size"), 512);
}

}  // namespace
}  // namespace r1
