#include "lib/quant/calibrate.h"

#include <algorithm>
#include <limits>
#include <set>

#include <gtest/gtest.h>

#include "lib/base/random.h"
#include "lib/quant/quantize_model.h"
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

TEST_F(CalibrateTest, FeedbackIsWhatIsWritten) {
  ThreadPool pool(2);
  const QuantizePlan planned = plan();
  const PackedTensors packed = pack_by_feedback(planned, calibration(), pool, 1 << 30);
  const auto out = open_file(dir_ / "out.gguf");
  write_quantized(*out, files_, planned, {.packed = &packed}, pool);
  out->close();
  const ModelFiles now = ModelFiles::open(dir_ / "out.gguf");
  for (const auto& [name, blocks] : packed) {
    const Tensor& t = *now.find(name);
    EXPECT_TRUE(
        std::equal(blocks.begin(), blocks.end(), t.as<std::byte>(), t.as<std::byte>() + t.bytes()))
        << name;
  }
}

}  // namespace
}  // namespace r1
