#include "lib/quant/calibrate.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

#include <gtest/gtest.h>

#include "lib/base/distribution.h"
#include "lib/base/random.h"
#include "lib/quant/budget.h"
#include "lib/quant/channel_scales.h"
#include "lib/quant/quantize_model.h"
#include "lib/quant/sensitivity.h"
#include "lib/tensor/quant_block.h"
#include "tests/support/backends.h"
#include "tests/support/fails.h"
#include "tests/support/temp_dir.h"
#include "tests/support/tiny_model.h"

namespace r1 {
namespace {

class CalibrateTest : public testing::Test {
 protected:
  CalibrateTest()
      : files_(ModelFiles::open(test::write_tiny_model(dir_ / "tiny.gguf", {}))),
        backend_(open_backend("ref", {})),
        params_(*backend_, files_, {.compute = DType::f32}),
        network_(load_network(files_, params_)) {}

  // Two windows of ids that mean nothing.
  Calibration calibration() const {
    const auto vocab = static_cast<std::uint64_t>(network_->shape().vocab);
    std::vector<std::vector<std::int32_t>> windows(2);
    for (std::uint64_t i = 0; i < 40; ++i)
      windows[i / 24].push_back(static_cast<std::int32_t>(random_bits(7, 0, i) % vocab));
    return {*backend_, *network_, params_, windows,
            std::vector<std::uint8_t>(static_cast<std::size_t>(vocab))};
  }

  QuantizePlan plan() const {
    return plan_quantization(files_, {.mix = &mix_named("q4_0"), .pure = true}, false);
  }

  test::TempDir dir_;
  ModelFiles files_;
  std::unique_ptr<Backend> backend_;
  Params params_;
  std::unique_ptr<Network> network_;
};

TEST_F(CalibrateTest, MatricesOfOneInputAreAGroup) {
  const auto groups = calibration().groups();
  const auto with = [&](const std::string& name) {
    for (const std::vector<std::string>& g : groups)
      if (const std::set<std::string> all(g.begin(), g.end()); all.contains(name)) return all;
    return std::set<std::string>();
  };
  EXPECT_EQ(with("blk.1.ffn_up.weight"),
            (std::set<std::string>{"blk.1.ffn_gate.weight", "blk.1.ffn_up.weight"}));
  EXPECT_EQ(with("blk.0.attn_output.weight"), (std::set<std::string>{"blk.0.attn_output.weight"}));
  EXPECT_TRUE(with("blk.0.attn_q.weight").contains("blk.0.attn_v.weight"));
  EXPECT_EQ(groups.back(), (std::vector<std::string>{"token_embd.weight"}));  // the tied head
}

// Sums over windows are the sums over each; matrices of one input have seen the same.
TEST_F(CalibrateTest, TheMatrixAddsUpSquaresOverAllRows) {
  const Calibration both = calibration();
  Calibration first = both, second = both;
  first.windows.pop_back();
  second.windows.erase(second.windows.begin());
  const Imatrix all = collect_imatrix(both), a = collect_imatrix(first),
                b = collect_imatrix(second);
  for (const char* name : {"blk.0.attn_q.weight", "blk.1.ffn_down.weight", "token_embd.weight"}) {
    const auto sum = all.importance(name), x = a.importance(name), y = b.importance(name);
    ASSERT_FALSE(sum.empty()) << name;
    for (std::size_t k = 0; k < sum.size(); ++k)
      EXPECT_NEAR(sum[k], x[k] + y[k], 3 * 0x1p-24 * sum[k]) << name;
  }
  const auto q = all.importance("blk.0.attn_q.weight"), v = all.importance("blk.0.attn_v.weight");
  EXPECT_TRUE(std::equal(q.begin(), q.end(), v.begin(), v.end()));
}

TEST_F(CalibrateTest, InputsThatAreNotFiniteAreNamed) {
  const ModelFiles files = ModelFiles::open(test::write_tiny_model(
      dir_ / "nan.gguf", {.head_fault = std::numeric_limits<float>::quiet_NaN()}));
  EXPECT_FAILS(ErrorKind::model, "inputs of token_embd.weight", {
    Params faulty(*backend_, files, {.compute = DType::f32});
    const auto network = load_network(files, faulty);
    const Calibration good = calibration();
    collect_imatrix({*backend_, *network, faulty, good.windows, good.newline});
  });
}

// However many passes it takes, and on however many threads.
TEST_F(CalibrateTest, FeedbackGivesTheSameBlocksInAnyRoom) {
  ThreadPool one(1), two(2);
  const PackedTensors in_one_pass = pack_by_feedback(plan(), calibration(), one, 1 << 30);
  EXPECT_EQ(in_one_pass, pack_by_feedback(plan(), calibration(), two, 0));
  EXPECT_EQ(in_one_pass.count("blk.0.attn_q.weight"), 1u);
  EXPECT_EQ(in_one_pass.count("blk.0.attn_daw_gate.weight"), 0u);  // stays f32
}

// Importance that is found beside it, in one pass and where there are several.
TEST_F(CalibrateTest, FeedbackSeesTheSameImportance) {
  ThreadPool pool(1);
  const std::string digest = collect_imatrix(calibration()).digest();
  for (const std::uint64_t room : {std::uint64_t{1} << 30, std::uint64_t{0}}) {
    ImatrixSums sums;
    pack_by_feedback(plan(), calibration(), pool, room, &sums);
    EXPECT_EQ(sums.imatrix().digest(), digest);
  }
  QuantizePlan nothing = plan();
  nothing.tensors.clear();
  ImatrixSums sums;
  pack_by_feedback(nothing, calibration(), pool, 0, &sums);
  EXPECT_EQ(sums.imatrix().digest(), digest);
}

TEST_F(CalibrateTest, FeedbackIsWhatIsWritten) {
  ThreadPool pool(2);
  const QuantizePlan planned = plan();
  const PackedTensors packed = pack_by_feedback(planned, calibration(), pool, 1 << 30);
  const auto out = open_file(dir_ / "out.gguf");
  SumJournal journal;
  write_quantized(*out, files_, planned, {.packed = &packed}, pool, journal);
  out->close();
  const ModelFiles now = ModelFiles::open(dir_ / "out.gguf");
  for (const auto& [name, blocks] : packed) {
    const Tensor& t = *now.find(name);
    EXPECT_TRUE(
        std::equal(blocks.begin(), blocks.end(), t.as<std::byte>(), t.as<std::byte>() + t.bytes()))
        << name;
  }
}

// What is measured of a matrix in place is what a file shows in which it alone is rounded.
TEST_F(CalibrateTest, SensitivityIsTheDivergenceOfAFileWithOneMatrixRounded) {
  ThreadPool pool(2);
  const Calibration with = calibration();
  const auto sensitivity = measure_sensitivity(plan(), with, 24, pool);
  EXPECT_FALSE(sensitivity.contains("blk.0.attn_daw_gate.weight"));  // always f32
  for (const std::string name : {"blk.1.ffn_down.weight", "token_embd.weight"}) {
    TypeChoice one{.mix = &mix_named("f32"), .pure = true};
    one.rules.push_back({parse_pattern("^" + name + "$", ""), DType::q4_0});
    const QuantizePlan planned = plan_quantization(files_, one, false);
    const auto out = open_file(dir_ / "one.gguf");
    SumJournal journal;
    write_quantized(*out, files_, planned, {.search = false}, pool, journal);
    out->close();
    const ModelFiles files = ModelFiles::open(dir_ / "one.gguf");
    Params params(*backend_, files, {.compute = DType::f32});
    const auto network = load_network(files, params);
    const Calibration rounded{*backend_, *network, params, with.windows, with.newline};
    const std::vector<float> base = with.logits(with.windows[0], {}),
                             other = rounded.logits(with.windows[0], {});
    const auto V = static_cast<std::size_t>(network->shape().vocab);
    double sum = 0;
    for (std::size_t t = 0; t < base.size(); t += V)
      sum += divergence(distribution(std::span(base).subspan(t, V)),
                        distribution(std::span(other).subspan(t, V)));
    const double wanted = sum / static_cast<double>(base.size() / V);
    EXPECT_GT(wanted, 0) << name;
    EXPECT_DOUBLE_EQ(sensitivity.at(name), wanted) << name;
  }
}

TEST_F(CalibrateTest, TypesAreChosenForASizeAndMoreOfItLosesLess) {
  ThreadPool pool(2);
  const Imatrix imatrix = collect_imatrix(calibration());
  double last = 1e9;
  for (const double bits : {12.0, 14.0, 20.0}) {
    QuantizePlan planned = plan();
    fit_types(planned, calibration(), imatrix, bits, true, pool);
    EXPECT_LE(8 * static_cast<double>(planned.bytes),
              bits * static_cast<double>(planned.weights()));
    const auto out = open_file(dir_ / "fitted.gguf");
    SumJournal journal;
    write_quantized(*out, files_, planned, {}, pool, journal);
    out->close();
    const auto errors = verify_quantized(dir_ / "fitted.gguf", files_, planned, journal.sums(),
                                         pool, [](std::uint64_t) {});
    double sum = 0;
    for (const TensorError& error : errors) sum += error.mse;
    EXPECT_LT(sum, last) << bits;
    last = sum;
  }
  QuantizePlan planned = plan();
  EXPECT_FAILS(ErrorKind::usage, "the smallest file has",
               fit_types(planned, calibration(), imatrix, 5, true, pool));
}

// Importance as of a trained model, where a few channels carry most.
Imatrix uneven_imatrix(const QuantizePlan& plan) {
  Imatrix imatrix;
  for (const PlannedTensor& t : plan.tensors) {
    Imatrix::Entry entry{.count = 1};
    for (std::int64_t k = 0; k < t.from().cols(); ++k)
      entry.sum2.push_back(static_cast<float>(
          std::exp(12 * random_uniform(3, 0, static_cast<std::uint64_t>(k)) - 6)));
    if (t.to == DType::q4_0) imatrix.add(t.name(), entry);
  }
  return imatrix;
}

// Every matrix that reads the scaled norm, as the network runs it, is scaled the other way.
TEST_F(CalibrateTest, ScaledChannelsLeaveTheModelAsItIs) {
  ThreadPool pool(2);
  const QuantizePlan before = plan();
  QuantizePlan after = before;
  scale_channels(after, uneven_imatrix(before), true, pool, [] {});
  const auto tensor = [](const QuantizePlan& plan, const std::string& name) -> const auto& {
    return *std::find_if(plan.tensors.begin(), plan.tensors.end(),
                         [&](const PlannedTensor& t) { return t.name() == name; });
  };
  const auto row = [&](const QuantizePlan& plan, const std::string& name) {
    const PlannedTensor& t = tensor(plan, name);
    std::vector<float> values(static_cast<std::size_t>(t.from().cols()));
    t.read_row(values, t.from().rows() - 1);
    return values;
  };
  std::size_t scaled = 0;
  for (const std::vector<std::string>& group : calibration().groups()) {
    const bool reads_norm = group[0].find("attn_output") == std::string::npos &&
                            group[0].find("down") == std::string::npos &&
                            group[0] != "token_embd.weight";
    const std::string layer = group[0].substr(0, group[0].rfind("blk.") + 6);
    const bool is_scaled = tensor(after, group[0]).channel_scales != nullptr;
    EXPECT_TRUE(reads_norm || !is_scaled) << group[0];
    for (const std::string& name : group) {
      ASSERT_EQ(tensor(after, name).channel_scales != nullptr, is_scaled) << name;
      if (!is_scaled) continue;
      const std::string norm = layer + (name.find("ffn") == std::string::npos ? "attn" : "ffn") +
                               std::string("_norm.weight");
      const auto w = row(before, name), n = row(before, norm);
      const auto scaled_w = row(after, name), scaled_n = row(after, norm);
      for (std::size_t k = 0; k < w.size(); ++k)  // three roundings
        EXPECT_NEAR(scaled_w[k] * scaled_n[k], w[k] * n[k], 4 * 0x1p-24 * std::abs(w[k] * n[k]));
      EXPECT_NE(scaled_w, w);
    }
    if (is_scaled) scaled += group.size();
  }
  EXPECT_GT(scaled, 7u);  // more than a layer's q, k, v, DAW's gate and gain, gate and up
}

TEST_F(CalibrateTest, WhatIsKeptIsNotScaled) {
  ThreadPool pool(2);
  QuantizePlan kept = plan();
  for (PlannedTensor& t : kept.tensors)
    if (t.name() == "blk.0.attn_v.weight") {
      t.to = t.from().dtype;
      t.kept = true;
    }
  scale_channels(kept, uneven_imatrix(kept), true, pool, [] {});
  for (const PlannedTensor& t : kept.tensors)
    if (t.name().starts_with("blk.0.attn_")) {
      EXPECT_EQ(t.channel_scales, nullptr) << t.name();
    }
}

// The model is so small that the rows that are sampled are all rows.
TEST_F(CalibrateTest, ScaledChannelsLoseLessOfWhatCounts) {
  ThreadPool pool(2);
  const QuantizePlan before = plan();
  QuantizePlan after = before;
  const Imatrix imatrix = uneven_imatrix(before);
  scale_channels(after, imatrix, true, pool, [] {});
  const auto loss = [&](const QuantizePlan& planned) {
    const auto out = open_file(dir_ / "out.gguf");
    SumJournal journal;
    write_quantized(*out, files_, planned, {.imatrix = &imatrix}, pool, journal);
    out->close();
    const ModelFiles now = ModelFiles::open(dir_ / "out.gguf");
    double sum = 0;
    for (const PlannedTensor& t : planned.tensors) {
      if (t.to != DType::q4_0 || t.name() == "token_embd.weight") continue;
      const auto K = static_cast<std::size_t>(t.from().cols());
      const std::span<const float> importance = imatrix.importance(t.name());
      std::vector<float> w(K), decoded(K);
      const Tensor& packed = *now.find(t.name());
      const std::size_t row_bytes = packed.bytes() / static_cast<std::size_t>(packed.rows());
      for (std::int64_t r = 0; r < t.from().rows(); ++r) {
        t.read_row(w, r);
        unpack(decoded, packed.as<std::byte>() + row_bytes * static_cast<std::size_t>(r), t.to);
        for (std::size_t k = 0; k < K; ++k) {
          const double scale = t.channel_scales == nullptr ? 1 : (*t.channel_scales)[k];
          const double error = (w[k] - decoded[k]) / scale;
          sum += importance[k] * error * error;
        }
      }
    }
    return sum;
  };
  EXPECT_LT(loss(after), loss(before));
}

}  // namespace
}  // namespace r1
