// How a step comes to be is of no matter to what is learnt.
#include "lib/train/trainer.h"

#include <algorithm>
#include <cmath>
#include <map>

#include <gtest/gtest.h>

#include "lib/models/adapter.h"
#include "tests/support/adapter_pupil.h"
#include "tests/support/backends.h"
#include "tests/support/fails.h"
#include "tests/support/tiny.h"

namespace r1 {
namespace {

// Documents of very different length and number of trained tokens; one has none.
std::vector<TrainingSample> samples(std::int64_t vocab) {
  std::vector<TrainingSample> made;
  for (std::uint64_t s = 0; s < 16; ++s) {
    TrainingSample& sample = made.emplace_back();
    const std::uint64_t length = 2 + random_bits(1, s, 0) % 60;
    for (std::uint64_t t = 0; t < length; ++t) {
      sample.ids.push_back(
          static_cast<TokenId>(random_bits(2, s, t) % static_cast<std::uint64_t>(vocab)));
      sample.trained.push_back(s != 7 && random_bits(3, s, t) % (1 + s % 4) == 0);
    }
  }
  return made;
}

// A tiny checkpoint that is taught.
class Pupil {
 public:
  Pupil(const test::Candidate& candidate, const std::string& name, const TrainOptions& options,
        std::int64_t length, bool together, DType weights = DType::f32)
      : golden_(test::read_golden(name)),
        backend_(candidate.open()),
        files_(ModelFiles::open(test::kTiny / name)),
        params_(*backend_, files_, {.compute = DType::f32, .trainable = true, .trained = weights}),
        network_(load_network(files_, params_)),
        samples_(samples(network_->shape().vocab)),
        packer_(samples_, length, together, 5),
        trainer_(*backend_, {*network_, params_.taken(), nullptr, &golden_.newline}, packer_,
                 options) {}

  Trainer& trainer() { return trainer_; }
  Backend& backend() { return *backend_; }
  const Packer& packer() const { return packer_; }
  std::map<std::string, std::vector<float>> weights() const {
    std::map<std::string, std::vector<float>> all;
    for (const auto& [name, weight] : params_.taken()) all[name] = on_host(weight.value);
    return all;
  }
  std::map<std::string, std::vector<float>> gradients() const {
    std::map<std::string, std::vector<float>> all;
    for (std::size_t i = 0; i < params_.taken().size(); ++i)
      all[params_.taken()[i].first] = on_host(trainer_.gradients()[i]);
    return all;
  }

 private:
  std::vector<float> on_host(const Tensor& t) const {
    std::vector<float> values(static_cast<std::size_t>(t.shape.elements()));
    backend_->copy_to_host(values.data(), t);
    return values;
  }

  test::Golden golden_;
  std::unique_ptr<Backend> backend_;
  ModelFiles files_;
  Params params_;
  std::unique_ptr<Network> network_;
  std::vector<TrainingSample> samples_;
  Packer packer_;
  Trainer trainer_;
};

// A step whose rate is 0 but for what it says of loss and gradient.
TrainOptions still(std::int64_t batch) {
  TrainOptions options{.batch = batch};
  options.optimizer.rate = 0;
  return options;
}

// |a - b| / |b|
double distance(const std::vector<float>& a, const std::vector<float>& b) {
  double apart = 0, size = 1e-30;
  for (std::size_t i = 0; i < b.size(); ++i) {
    apart += (double{a[i]} - b[i]) * (double{a[i]} - b[i]);
    size += double{b[i]} * b[i];
  }
  return std::sqrt(apart / size);
}

TEST(Trainer, PackingChangesNeitherLossNorGradient) {
  for (const char* name : {"llama", "r1plus"}) {
    SCOPED_TRACE(name);
    Pupil alone({"ref"}, name, still(16), 64, false);
    const TrainStep whole = alone.trainer().step();
    EXPECT_GT(whole.loss, 1);
    for (const std::int64_t length : {64, 100, 1000}) {
      const std::int64_t packs =
          Pupil({"ref"}, name, still(1), length, true).packer().first_of_epoch(1);
      Pupil packed({"ref"}, name, still(packs), length, true);
      const TrainStep step = packed.trainer().step();
      EXPECT_EQ(step.tokens, whole.tokens);
      EXPECT_NEAR(step.loss, whole.loss, 1e-6 * whole.loss) << length;
      EXPECT_NEAR(step.norm, whole.norm, 1e-6 * whole.norm) << length;
    }
  }
}

// The acceptance test of accumulation: the same gradient however many sequences go at once.
TEST(Trainer, WhatGoesAtOnceChangesNoGradient) {
  for (const char* name : {"llama", "r1plus"}) {
    for (const bool together : {false, true}) {
      SCOPED_TRACE(fmt::format("{} {}", name, together ? "packed" : "alone"));
      std::map<std::string, std::vector<float>> whole;
      double loss = 0;
      for (const std::int64_t at_once : {16, 8, 4, 2, 1}) {
        TrainOptions options = still(16);
        options.at_once = at_once;
        Pupil pupil({"ref"}, name, options, 64, together);
        const TrainStep step = pupil.trainer().step();
        const auto gradients = pupil.gradients();
        if (whole.empty()) {
          whole = gradients;
          loss = step.loss;
        }
        EXPECT_NEAR(step.loss, loss, 1e-6 * loss) << at_once;
        for (const auto& [weight, values] : gradients)
          EXPECT_LT(distance(values, whole.at(weight)), 1e-6) << at_once << " " << weight;
      }
    }
  }
}

TEST(Trainer, LayersThatAreRunAgainGiveTheSameBits) {
  for (const char* name : {"llama", "r1plus"}) {
    SCOPED_TRACE(name);
    std::vector<std::map<std::string, std::vector<float>>> gradients, weights;
    std::vector<std::size_t> memory;
    for (const bool recompute : {false, true}) {
      TrainOptions options{.batch = 3, .at_once = 2, .recompute = recompute};
      options.optimizer.rate = 0.01;
      Pupil pupil({"cpu", 2}, name, options, 100, true);
      for (int i = 0; i < 3; ++i) pupil.trainer().step();
      gradients.push_back(pupil.gradients());
      weights.push_back(pupil.weights());
      memory.push_back(pupil.trainer().peak_bytes());
    }
    EXPECT_EQ(gradients[0], gradients[1]);
    EXPECT_EQ(weights[0], weights[1]);
    EXPECT_NE(memory[0], memory[1]);
  }
}

TEST(Trainer, LearnsWhatItReads) {
  for (const auto& [kind, name] :
       {std::pair{OptimizerKind::adamw, "llama"}, std::pair{OptimizerKind::muon, "r1plus"}}) {
    SCOPED_TRACE(name);
    TrainOptions options{.batch = 4};
    options.optimizer = {.kind = kind, .rate = 0.01};
    options.schedule.steps = 100;
    Pupil pupil({"cpu", 2}, name, options, 128, true);
    const double before = pupil.trainer().evaluate(pupil.packer(), 4);
    for (int i = 0; i < 100; ++i) pupil.trainer().step();
    EXPECT_GT(before, 2.0);
    EXPECT_LT(pupil.trainer().evaluate(pupil.packer(), 4), 0.2 * before);
  }
}

std::vector<float> joined(const std::map<std::string, std::vector<float>>& parts, double scale) {
  std::vector<float> all;
  for (const auto& [name, values] : parts)
    for (const float v : values) all.push_back(v / static_cast<float>(scale));
  return all;
}

// How far the first gradient with products of fewer bits is from that of f32.
double apart(const test::Candidate& candidate, const char* name, DType type) {
  Pupil exact({"ref"}, name, still(4), 100, true);
  TrainOptions options = still(4);
  options.precision = type;
  options.at_once = 2;
  Pupil pupil(candidate, name, options, 100, true);
  const TrainStep want = exact.trainer().step(), step = pupil.trainer().step();
  EXPECT_NE(step.loss, want.loss);
  EXPECT_NEAR(step.loss, want.loss, 0x1p-6 * want.loss);
  return distance(joined(pupil.gradients(), step.loss_scale), joined(exact.gradients(), 1));
}

// Through two layers there and back some sixteen products stand in line, each of two factors that
// are off by half a step at most. Steps of f16 are an eighth of bf16's, and so is what comes of
// them. With 8 bits the gradient keeps its direction.
TEST(Trainer, RoundedProductsGiveNearlyTheSameGradient) {
  for (const char* name : {"llama", "r1plus"})
    for (const test::Candidate& candidate : {test::Candidate{"ref"}, {"cpu", 2}}) {
      SCOPED_TRACE(fmt::format("{} {}", name, candidate.name));
      const double bf16 = apart(candidate, name, DType::bf16);
      EXPECT_LT(bf16, 32 * 0x1p-9);
      EXPECT_NEAR(apart(candidate, name, DType::f16), bf16 / 8, bf16 / 16);
      EXPECT_LT(apart(candidate, name, DType::f8_e4m3), 0.5);
    }
}

TEST(Trainer, RoundedProductsLearnToo) {
  for (const DType type : {DType::bf16, DType::f16, DType::f8_e4m3})
    for (const bool recompute : {false, true}) {
      SCOPED_TRACE(to_string(type));
      TrainOptions options{.batch = 4, .recompute = recompute, .precision = type};
      options.optimizer = {.kind = OptimizerKind::muon, .rate = 0.01, .products = DType::bf16};
      options.schedule.steps = 60;
      Pupil pupil({"cpu", 2}, "r1plus", options, 128, true);
      const double before = pupil.trainer().evaluate(pupil.packer(), 4);
      for (int i = 0; i < 60; ++i) pupil.trainer().step();
      EXPECT_LT(pupil.trainer().evaluate(pupil.packer(), 4), 0.3 * before);
    }
}

// Steps of a small rate are smaller than those of bf16: to the nearest number nothing would move.
TEST(Trainer, WeightsInHalfAndMomentsOfFewerBitsLearnToo) {
  const auto learnt = [](DType weights, DType moments) {
    TrainOptions options{.batch = 4, .precision = DType::bf16};
    options.optimizer = {.rate = 2e-4, .moments = moments, .seed = 5};
    options.schedule.steps = 100;
    Pupil pupil({"cpu", 2}, "llama", options, 128, true, weights);
    const double before = pupil.trainer().evaluate(pupil.packer(), 4);
    for (int i = 0; i < 100; ++i) pupil.trainer().step();
    const double loss = pupil.trainer().evaluate(pupil.packer(), 4);
    EXPECT_LT(loss, before - 0.1);
    return loss;
  };
  const double whole = learnt(DType::f32, DType::f32);
  EXPECT_NEAR(learnt(DType::bf16, DType::bf16), whole, 0.02 * whole);
  EXPECT_NEAR(learnt(DType::f32, DType::f8_e4m3), whole, 0.02 * whole);
}

// A gradient that f16 cannot hold is no reason to stop: the scale is halved until it can.
TEST(Trainer, AnOverflowHalvesTheLossScale) {
  TrainOptions options{.batch = 2, .precision = DType::f16};
  options.optimizer.rate = 0.01;
  Pupil pupil({"cpu", 2}, "llama", options, 100, true);
  pupil.trainer().go_on({.scale = {.value = 0x1p40}});
  TrainStep step = pupil.trainer().step();
  const auto before = pupil.weights();
  EXPECT_TRUE(step.skipped);
  EXPECT_EQ(step.loss_scale, 0x1p40);
  for (int i = 0; i < 40 && step.skipped; ++i) {
    EXPECT_EQ(pupil.weights(), before);
    step = pupil.trainer().step();
  }
  EXPECT_FALSE(step.skipped);
  EXPECT_GT(step.loss_scale, 1);
  // AdamW's first step goes by the rate in every weight that has a gradient.
  const std::vector<float> was = before.at("model.norm.weight"),
                           is = pupil.weights().at("model.norm.weight");
  float most = 0;
  for (std::size_t i = 0; i < was.size(); ++i) most = std::max(most, std::abs(is[i] - was[i]));
  EXPECT_NEAR(most, step.rate, 1e-4);
}

TEST(Trainer, StepsThatAreNotFiniteAreCountedWhereARunGoesOn) {
  Pupil pupil({"cpu", 2}, "llama", still(2), 100, true);
  const Tensor weight = pupil.trainer().state()[0].tensor;
  const std::vector<float> broken(test::count(weight.shape), std::nanf(""));
  pupil.backend().copy_from_host(weight, broken.data());
  pupil.trainer().go_on({.steps = 5, .skipped = 1, .skipped_in_a_row = 1});
  EXPECT_TRUE(pupil.trainer().step().skipped);
  EXPECT_EQ(pupil.trainer().progress().skipped_in_a_row, 2);
  EXPECT_FAILS(ErrorKind::model, "three steps in a row; the last was step 7",
               pupil.trainer().step());
}

TEST(Trainer, ThreadsDoNotChangeABit) {
  std::vector<std::map<std::string, std::vector<float>>> all;
  for (const int threads : {1, 2, 3}) {
    for (const DType precision : {DType::f32, DType::bf16}) {
      TrainOptions options{.batch = 3, .precision = precision};
      options.optimizer = {.kind = OptimizerKind::muon, .rate = 0.01, .products = precision};
      Pupil pupil({"cpu", threads}, "r1plus", options, 100, true);
      for (int i = 0; i < 5; ++i) pupil.trainer().step();
      all.push_back(pupil.weights());
    }
  }
  for (const std::size_t i : {2u, 4u}) {
    EXPECT_EQ(all[0], all[i]);
    EXPECT_EQ(all[1], all[i + 1]);
  }
}

// The LoRA of random samples.
class Beside : public test::AdapterPupil {
 public:
  Beside(const test::Candidate& candidate, float dropout)
      : AdapterPupil(candidate, samples(std::ssize(test::read_golden("llama").newline)), 100,
                     options(dropout)) {}

  std::vector<std::vector<float>> state() {
    std::vector<std::vector<float>> all;
    for (const NamedTensor& t : trainer().state()) {
      all.emplace_back(test::count(t.tensor.shape));
      backend().copy_to_host(all.back().data(), t.tensor);
    }
    return all;
  }
  void go_on(const std::vector<std::vector<float>>& state, const TrainProgress& progress) {
    const std::vector<NamedTensor> to = trainer().state();
    for (std::size_t i = 0; i < to.size(); ++i)
      backend().copy_from_host(to[i].tensor, state[i].data());
    trainer().go_on(progress);
  }

 private:
  static TrainOptions options(float dropout) {
    TrainOptions o{.batch = 2, .dropout = {.share = dropout, .seed = 3}};
    o.optimizer.rate = 0.01;
    return o;
  }
};

TEST(Trainer, DropsTheSameForAnyNumberOfThreadsAndWhereItGoesOn) {
  Beside whole({"cpu", 1}, 0.3f), begun({"cpu", 2}, 0.3f), rest({"cpu", 3}, 0.3f);
  for (int i = 0; i < 4; ++i) whole.trainer().step();
  for (int i = 0; i < 2; ++i) begun.trainer().step();
  rest.go_on(begun.state(), begun.trainer().progress());
  for (int i = 0; i < 2; ++i) rest.trainer().step();
  EXPECT_EQ(rest.state(), whole.state());
  Beside other({"cpu", 1}, 0.4f);
  for (int i = 0; i < 4; ++i) other.trainer().step();
  EXPECT_NE(other.state(), whole.state());
}

TEST(Trainer, DropsNothingWhereItMeasures) {
  Beside plain({"cpu", 1}, 0), some({"cpu", 1}, 0.5f);
  plain.trainer().step();
  some.go_on(plain.state(), plain.trainer().progress());
  EXPECT_EQ(some.trainer().evaluate(some.packer(), 2), plain.trainer().evaluate(plain.packer(), 2));
}

}  // namespace
}  // namespace r1
