// What models are measured by: what they move and multiply, and how their batches come together.
#include <gtest/gtest.h>

#include "lib/backend/open_backend.h"
#include "tests/support/fails.h"
#include "tests/support/temp_dir.h"
#include "tests/support/tiny_model.h"
#include "tools/bench/hardware.h"
#include "tools/bench/serve.h"
#include "tools/bench/stepper.h"

namespace r1 {
namespace {

class BenchModel : public testing::Test {
 protected:
  BenchModel()
      : backend_(open_backend("cpu", {.threads = 1})),
        path_(test::write_tiny_model(dir_ / "tiny.gguf", {})),
        model_(*backend_, settings_, "tiny", path_) {}

  test::TempDir dir_;
  std::unique_ptr<Backend> backend_;
  BenchSettings settings_;
  std::filesystem::path path_;
  MeasuredNetwork model_;
};

// The tiny model: 2 layers, D 32, H 4, KV 2, hd 8, K 64, in f32, with gate and gain of DAW.
constexpr double kLayer = 32 * (32 + 16 + 16 + 32) + 3 * 32 * 64 + 2 * 2 * 32;
constexpr double kLayers = 2 * kLayer;

TEST_F(BenchModel, OneTokenReadsEveryWeightOnceAndItsPast) {
  const double head = 32.0 * static_cast<double>(model_.model().network->shape().vocab);
  const Work work = ModelWork(model_.model(), Device::cpu).decode(1, 9, 1);
  const double past = 10;  // itself included
  EXPECT_EQ(work.bytes, 4 * (kLayers + head) + past * 2 * (2 * 8) * 2 * 4);
  EXPECT_EQ(work.total_operations(), 2 * (kLayers + head) + past * 2 * (4 * 8) * 4);
}

TEST_F(BenchModel, APromptReadsWeightsOnceAChunkAndMakesLogitsOnce) {
  const double head = 32.0 * static_cast<double>(model_.model().network->shape().vocab);
  const Work work = ModelWork(model_.model(), Device::cpu).prefill(100, 0, 1);
  EXPECT_EQ(work.bytes, 4 * (kLayers + head));
  EXPECT_EQ(work.total_operations(), 2 * (100 * kLayers + head) + 5050.0 * 2 * (4 * 8) * 4);
  EXPECT_EQ(ModelWork(model_.model(), Device::cpu).prefill(513, 0, 1).bytes, 2 * work.bytes);
  EXPECT_EQ(ModelWork(model_.model(), Device::cuda).prefill(513, 0, 1).bytes, work.bytes);
  EXPECT_EQ(ModelWork(model_.model(), Device::cpu).prefill(513, 0, 1).reread, work.bytes);
  EXPECT_EQ(ModelWork(model_.model(), Device::cpu).prefill(512, 0, 3).bytes, 4 * work.bytes);
}

// A share of what is not counted would be too small.
TEST_F(BenchModel, WhatRefMultipliesIsNotKnownAndHasNoLimit) {
  const auto ref = open_backend("ref");
  const MeasuredNetwork model(*ref, settings_, "tiny", path_);
  const Work work = ModelWork(model.model(), Device::cpu).decode(1, 9, 1);
  EXPECT_EQ(work.bytes, 0);
  EXPECT_TRUE(work.operations.empty());
}

TEST_F(BenchModel, AnswersOfOneTokenHaveNoTimeBetweenTokens) {
  settings_.lengths = "f";
  settings_.requests = 2;
  settings_.repeat = 1;
  settings_.warmup = 0;
  const auto records = compare_batching(*backend_, model_, settings_, "4 1\n", 2);
  ASSERT_EQ(records.size(), 2u);
  EXPECT_FALSE(records[0].serve->per_token_ms);
  EXPECT_TRUE(to_json(records[0]).at("serve", "").at("per_token_ms", "").is_null());
}

TEST_F(BenchModel, IdsSayDepthAndBatchWhereTheyAreNotPlain) {
  EXPECT_EQ((ModelTest{false, 512, 0, 1}).id(), "pp512");
  EXPECT_EQ((ModelTest{true, 128, 4096, 1}).id(), "tg128@d4096");
  EXPECT_EQ((ModelTest{true, 128, 0, 8}).id(), "tg128@b8");
  EXPECT_EQ((ModelTest{true, 128, 4096, 8}).id(), "tg128@d4096,b8");
}

TEST_F(BenchModel, EveryCombinationIsATestPrefillFirst) {
  settings_.prompt_tokens = "4,8";
  settings_.max_tokens = "2";
  settings_.depth = "0,16";
  std::string ids;
  for (const ModelTest& t : model_tests(settings_)) ids += t.id() + " ";
  EXPECT_EQ(ids, "pp4 pp8 pp4@d16 pp8@d16 tg2 tg2@d16 ");
  settings_.prompt_tokens = settings_.max_tokens = "0";
  EXPECT_FAILS(ErrorKind::usage, "nothing to measure", model_tests(settings_));
}

TEST_F(BenchModel, WhatTheModelCannotHoldIsTooLong) {
  EXPECT_FAILS(ErrorKind::too_long, "513 positions, and the model takes 512",
               model_.runnable({false, 513, 0, 1}));
}

// A prompt read in chunks, and one read token by token, end in the same logits.
TEST_F(BenchModel, StepsOfAnySizeGiveTheSameLogits) {
  const Network& network = *model_.model().network;
  Stepper whole(*backend_, network, DType::f32, 2, 40),
      single(*backend_, network, DType::f32, 2, 40);
  whole.read(2, 40, 0);
  for (std::int64_t i = 0; i < 40; ++i) single.step(2, 1, i);
  ASSERT_EQ(whole.logits().size(), single.logits().size());
  for (std::size_t i = 0; i < whole.logits().size(); ++i)
    ASSERT_EQ(whole.logits()[i], single.logits()[i]) << i;
}

TEST_F(BenchModel, BothBatchingsAnswerEveryRequestInFull) {
  const std::vector<ServeRequest> requests = {{0, 5, 3}, {0, 70, 9}, {0, 3, 1}, {2e6, 4, 5}};
  for (const Batching batching : {Batching::fixed, Batching::dynamic}) {
    Scheduler scheduler(*backend_, *model_.model().network,
                        {.max_batch = 2, .share_prefixes = false, .kv_dtype = DType::f32});
    const ServeOutcome o =
        serve(scheduler, requests, model_.model().network->shape().vocab, batching);
    EXPECT_EQ(o.tokens, 18);
    EXPECT_EQ(o.ttft_ms.size(), 4u);
    EXPECT_EQ(o.per_token_ms.size(), 3u);  // one has a single token
    for (const double ms : o.ttft_ms) EXPECT_GT(ms, 0);
    EXPECT_GT(o.wall_ns, 2e6);
  }
}

// Two at once, of 1 and 9 tokens, then one of 1: a fixed batch keeps it waiting for the ninth.
TEST_F(BenchModel, AFixedBatchEndsWithItsLastMember) {
  const std::vector<ServeRequest> requests = {{0, 4, 1}, {0, 4, 9}, {0, 4, 1}};
  const auto steps = [&](Batching batching) {
    Scheduler scheduler(*backend_, *model_.model().network,
                        {.max_batch = 2, .share_prefixes = false, .kv_dtype = DType::f32});
    serve(scheduler, requests, model_.model().network->shape().vocab, batching);
    return scheduler.totals().steps;
  };
  EXPECT_EQ(steps(Batching::fixed), 9 + 1);
  EXPECT_EQ(steps(Batching::dynamic), 9);
}

// Parameters as their makers state them, without norms and biases: to half a percent.
TEST(Hardware, ShapesHaveThePublishedSizes) {
  const double stated[] = {0.494e9, 1.10e9, 3.09e9, 8.03e9, 14.77e9, 32.76e9, 70.55e9};
  ASSERT_EQ(model_shapes().size(), std::size(stated));
  for (std::size_t i = 0; i < std::size(stated); ++i)
    EXPECT_NEAR(model_shapes()[i].weights() / stated[i], 1, 0.005) << model_shapes()[i].name;
}

TEST(Hardware, ALimitTwiceAsHighAllowsTwiceAsMuch) {
  Limits limits{.read_all = 10, .products = {{DType::bf16, 100}, {DType::q8_0, 200}}};
  const Prospect before = prospects(limits, 4e9)[3];  // TinyLlama in bf16
  EXPECT_EQ(before.type, "bf16");
  EXPECT_TRUE(before.fits);
  EXPECT_FALSE(prospects(limits, 1e9)[3].fits);
  EXPECT_NEAR(before.decode, 10e9 / (2 * 1.034e9), 0.02);
  EXPECT_NEAR(before.prefill, 100e9 / (2 * 0.969e9), 0.2);  // without the head
  limits.read_all *= 2;
  EXPECT_EQ(prospects(limits, 4e9)[3].decode, 2 * before.decode);
  EXPECT_EQ(prospects(limits, 4e9)[3].prefill, before.prefill);
}

}  // namespace
}  // namespace r1
