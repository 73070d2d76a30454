// What --dry-run says a run takes, held against hand and against a run.
#include <gtest/gtest.h>

#include "lib/backend/open_backend.h"
#include "tests/support/fails.h"
#include "tests/support/temp_dir.h"
#include "tests/support/tiny_model.h"
#include "tools/finetune/course.h"
#include "tools/finetune/dry_run.h"

namespace r1 {
namespace {

constexpr std::int64_t kLength = 48;

class Plan : public testing::Test {
 protected:
  Plan()
      : files_(ModelFiles::open(test::write_tiny_model(dir_ / "tiny.gguf", {}))),
        text_(files_, {}) {
    settings_.max_seq_length = kLength;
    settings_.batch = 3;
    settings_.micro_batch = 1;
    settings_.export_type = "f16";
  }

  TrainingPlan plan() const { return plan_training(settings_, files_, text_); }

  // Bytes of activations of a sequence that is really learnt.
  std::size_t measured() {
    Pupil pupil(open_backend("cpu", {.threads = 1}), settings_, files_, text_);
    TrainingSample sample{std::vector<TokenId>(kLength + 1, 7),
                          std::vector<std::uint8_t>(kLength + 1, 1)};
    sample.trained[0] = sample.trained[9] = 0;
    const std::vector<TrainingSample> samples = {sample};
    const Packer packs(samples, kLength, true, 0);
    Trainer trainer(pupil.backend(), pupil.learner(), packs, train_options(settings_));
    trainer.step();
    return trainer.peak_bytes();
  }

  test::TempDir dir_;
  ModelFiles files_;
  TextOfModel text_;
  FinetuneSettings settings_;
};

// The tiny model: 2 layers, D 32, H 4, KV 2, hd 8, K 64.
constexpr double kLayer = 32 * (32 + 16 + 16 + 32) + 3 * 32 * 64, kLayers = 2 * kLayer;
constexpr double kGates = 2 * 2 * (2 * 32);  // of DAW, forget and gain

TEST_F(Plan, OfAllWeightsCountsEachProductForwardAndTwiceBack) {
  settings_.method = "full";
  const double T = kLength, head = 32.0 * static_cast<double>(text_.tokenizer().size());
  const double attention = 2 * 7 * 2 * (T * (T + 1) / 2) * 32;  // layers, products
  EXPECT_EQ(plan().operations, 3 * (6 * (T * (kLayers + kGates) + (T - 1) * head) + attention));
}

// Documents of a quarter of a sequence: products of all rows, attention within each.
TEST_F(Plan, OfDataCountsWhatItsDocumentsSee) {
  settings_.method = "full";
  settings_.batch = 16;
  const std::vector<TrainingSample> samples(64, {std::vector<TokenId>(kLength / 4 + 1, 7),
                                                 std::vector<std::uint8_t>(kLength / 4 + 1, 1)});
  const Packer packs(samples, kLength, true, 0);
  const StepWork work = work_of_step(settings_, files_, text_, packs);
  const double T = kLength, head = 32.0 * static_cast<double>(text_.tokenizer().size());
  const double attention = 2 * 7 * 2 * 4 * (T / 4 * (T / 4 + 1) / 2) * 32;  // layers, products
  EXPECT_EQ(work.tokens, 16 * T);
  EXPECT_EQ(work.operations, 16 * (6 * T * (kLayers + kGates + head) + attention));
}

TEST_F(Plan, SaysHowMuchOfTheProductsIsInEightBits) {
  settings_.method = "full";
  const std::vector<TrainingSample> samples(
      4, {std::vector<TokenId>(kLength + 1, 7), std::vector<std::uint8_t>(kLength + 1, 1)});
  const Packer packs(samples, kLength, true, 0);
  EXPECT_EQ(work_of_step(settings_, files_, text_, packs).fp8_share, 0);
  settings_.precision = "fp8";  // of layers: gates and the head are not
  const double head = 32.0 * static_cast<double>(text_.tokenizer().size());
  EXPECT_NEAR(work_of_step(settings_, files_, text_, packs).fp8_share,
              kLayers / (kLayers + kGates + head), 1e-12);
}

TEST_F(Plan, OfMuonCountsItsProductsOnceAStep) {
  settings_.method = "full";
  const double adamw = plan().operations;
  settings_.optimizer = "muon";
  const double three = plan().operations - adamw;
  settings_.batch = 1;
  EXPECT_EQ(plan().operations - adamw / 3, three);
  EXPECT_GT(three, 0);
}

TEST_F(Plan, OfAllWeightsHoldsThemTheirGradientsAndMoments) {
  settings_.method = "full";
  const Pupil pupil(open_backend("cpu", {.threads = 1}), settings_, files_, text_);
  const auto bytes = 4 * static_cast<std::uint64_t>(pupil.learnt());
  const TrainingPlan p = plan();
  const std::uint64_t frequencies = 4 * 8 / 2;
  EXPECT_EQ(p.weights, bytes + frequencies);
  EXPECT_EQ(p.adapter, 0u);
  EXPECT_EQ(p.gradients, 2 * bytes);
  EXPECT_EQ(p.moments, 2 * bytes);
  EXPECT_EQ(p.checkpoint, 3 * bytes);
  settings_.micro_batch = 3;  // all at once: there is nothing to add up
  EXPECT_EQ(plan().gradients, bytes);
  settings_.optimizer = "muon";  // one moment of each matrix in a layer
  EXPECT_EQ(p.moments - plan().moments, 4 * static_cast<std::uint64_t>(kLayers));
}

TEST_F(Plan, OfAMergedModelHoldsItOnceMoreWhenItIsVerified) {
  const auto vocab = static_cast<std::uint64_t>(text_.tokenizer().size());
  const std::uint64_t logits = 3 * 4 * vocab * std::min<std::uint64_t>(kMostLogitRows, kLength);
  EXPECT_EQ(plan().verification, logits);
  settings_.export_kind = "merged";
  std::uint64_t whole = logits;
  for (const NamedTensor& t : files_.tensors())
    whole += 4 * static_cast<std::uint64_t>(t.tensor.shape.elements());
  EXPECT_EQ(plan().verification, whole);
  settings_.quantize_base = "q8_0";  // and the base that it was merged into
  EXPECT_EQ(plan().verification, 2 * whole - logits);
  settings_.no_verify = true;
  EXPECT_EQ(plan().verification, 0u);
}

TEST_F(Plan, OfFewerBitsHoldsCopiesOfMatrices) {
  settings_.method = "full";
  const auto head = static_cast<std::uint64_t>(32 * text_.tokenizer().size());
  const auto layers = static_cast<std::uint64_t>(kLayers);
  EXPECT_EQ(plan().copies, 0u);
  settings_.precision = "bf16";
  EXPECT_EQ(plan().copies, 2 * (layers + head));
  settings_.precision = "fp8";  // and their transposes, and 7 scales a layer
  EXPECT_EQ(plan().copies, 2 * layers + 2 * head + 4 * 7 * 2);
}

TEST_F(Plan, OfWeightsInHalfHoldsNoCopies) {
  settings_.method = "full";
  settings_.precision = "bf16";
  const TrainingPlan whole = plan();
  settings_.weight_type = settings_.moments = "bf16";
  const TrainingPlan half = plan();
  EXPECT_EQ(half.copies, 0u);
  EXPECT_EQ(whole.weights - half.weights, whole.copies);
  EXPECT_EQ(half.moments, whole.moments / 2);
  EXPECT_EQ(half.gradients, whole.gradients);
}

TEST_F(Plan, ThatIsTooLargeSaysWhatTakesLess) {
  const TrainingPlan p = plan();
  settings_.max_memory = static_cast<std::int64_t>(p.total());
  want_memory(settings_, p, true);
  settings_.max_memory = 1 << 30;
  EXPECT_FAILS(ErrorKind::oom_cpu,
               "a run takes 3.00 GiB, and --max-memory allows 1.00: --grad-checkpoint takes less",
               want_memory(settings_, {.activations = 3u << 30, .program = 0}, true));
  const TrainingPlan heavy = {.weights = std::uint64_t{1} << 60};
  EXPECT_FAILS(ErrorKind::oom_gpu, ": --quantize-base q4_k takes less",
               want_memory(settings_, heavy, false));
  settings_.method = "full";
  EXPECT_FAILS(ErrorKind::oom_cpu, ": --moments fp8 or --fine-tune-type lora takes less",
               want_memory(settings_, heavy, true));
  settings_.max_memory = 0;
  EXPECT_FAILS(ErrorKind::oom_cpu, "GiB, and this machine has",
               want_memory(settings_, heavy, true));
  want_memory(settings_, heavy, false);  // what a card has is known when it is there
}

// Prompts, and what they are completed by, in 4 pages of 64 tokens: keys and values of 2 layers, 2
// heads of 8, and what DAW knows of 65 positions.
TEST_F(Plan, OfSamplePromptsHoldsTheirCache) {
  EXPECT_EQ(plan().samples, 0u);
  settings_.sample_prompts = {"def", "x"};
  settings_.sample_tokens = 70;
  EXPECT_EQ(plan().samples, 4u * 4 * (2 * 2 * 2 * 64 * 8 + 2 * 2 * 65));
}

// A byte a number, and a scale for each block.
TEST_F(Plan, OfMomentsInEightBitsHasAQuarterOfThem) {
  settings_.method = "full";
  const TrainingPlan whole = plan();
  settings_.moments = "fp8";
  const TrainingPlan eight = plan();
  EXPECT_GT(eight.moments, whole.moments / 4);
  EXPECT_LT(eight.moments, whole.moments / 4 * 17 / 16);
}

TEST_F(Plan, OfAnAdapterHoldsTheModelBesideIt) {
  settings_.rank = 4;
  settings_.modules = {"q_proj"};
  const TrainingPlan p = plan();
  EXPECT_EQ(p.adapter, 4u * 2 * 4 * (32 + 32));
  EXPECT_EQ(p.gradients, 2 * p.adapter);
  EXPECT_EQ(p.moments, 2 * p.adapter);
  settings_.method = "full";
  settings_.modules = {};
  EXPECT_EQ(p.weights, plan().weights);  // this model is in f32
}

// The first step takes blocks of 1 MiB, whose ends it may leave.
TEST_F(Plan, OfActivationsIsWhatARunTakes) {
  for (const auto& [method, precision] :
       {std::pair{"lora", "fp32"}, {"full", "fp32"}, {"full", "bf16"}, {"full", "fp8"}}) {
    SCOPED_TRACE(fmt::format("{} {}", method, precision));
    settings_.method = method;
    settings_.precision = precision;
    const std::size_t real = measured();
    EXPECT_GE(plan().activations, real);
    EXPECT_LE(plan().activations, real + real / 4 + (1 << 20));
  }
}

}  // namespace
}  // namespace r1
