// What r1-bench asks of a card, on the shim: kernels of CUDA run by this processor, slowly, on a
// card of 1 GiB with a cache of 1 MiB.
#include <set>

#include <gtest/gtest.h>

#include "lib/base/error.h"
#include "tests/support/cuda_host/open.h"
#include "tests/support/temp_dir.h"
#include "tests/support/tiny_model.h"
#include "tools/bench/card_runs.h"
#include "tools/bench/hardware.h"
#include "tools/bench/machine_tests.h"
#include "tools/bench/model_tests.h"

namespace r1 {
namespace {

constexpr How kOnce{.repeat = 1, .warmup = 0, .min_time_ns = 0};

class BenchCard : public testing::Test {
 protected:
  void SetUp() override {
    try {
      backend_ = test::open_cuda_host();
    } catch (const Error& e) {
      ASSERT_EQ(e.kind(), ErrorKind::device);
      GTEST_SKIP() << "skipped: " << e.what();
    }
    probes_ = std::make_unique<Probes>(*backend_, 1);
  }
  BenchRecord measured(const std::string& id) {
    for (MachineTest& t : machine_tests(*backend_, *probes_)) {
      if (t.id != id) continue;
      Runnable r = t.prepare();
      return measure(r, kOnce, *probes_);
    }
    fail(ErrorKind::internal, "there is no test {}", id);
  }

  std::unique_ptr<Backend> backend_;
  std::unique_ptr<Probes> probes_;
};

// 300 kB of inputs: seven sets are 2.1 MB, and the cache is 1 MiB.
TEST_F(BenchCard, InputsThatFitIntoTheCacheTakeTurns) {
  std::set<int> ran;
  int prepared = 0;
  const OpCase op{"zero", "x", 1, DType::f32, [&](OpInputs& in) {
                    const Tensor t = in.raw({75000}, DType::f32);
                    return moves({t}, [&ran, n = prepared++] { ran.insert(n); });
                  }};
  const Runnable r = op_runnable(op, *backend_);
  EXPECT_EQ(prepared, 7);
  for (int i = 0; i < 7; ++i) r.run();
  EXPECT_EQ(ran.size(), 7u);
}

TEST_F(BenchCard, SetsOfInputsLeaveMostOfTheMemoryFree) {
  int prepared = 0;
  const OpCase op{"zero", "x", 1, DType::f32, [&](OpInputs& in) {
                    in.raw({24 << 20}, DType::f32);  // 96 MiB beside the little that is read
                    ++prepared;
                    return moves({in.raw({1}, DType::f32)}, [] {});
                  }};
  op_runnable(op, *backend_);
  EXPECT_EQ(prepared, 2);  // of a quarter of what is free of 1 GiB
}

TEST_F(BenchCard, ItsMemoryProductsAndLinkAreMeasured) {
  for (const char* id : {"memory:copy", "link:to_card", "link:to_host"}) {
    const BenchRecord r = measured(id);
    EXPECT_GT(*r.gb_per_s, 0) << id;
    EXPECT_GT(*r.peak_vram, 64 << 20) << id;
  }
  const BenchRecord product = measured("product:bf16");
  EXPECT_EQ(product.test.dtype, "bf16");
  const auto n = static_cast<double>(probes_->product_side());
  EXPECT_NEAR(*product.tflop_per_s * 1e3 * product.median_ns(), 2 * n * n * n, 1);
}

TEST_F(BenchCard, ALimitIsItsCopyAndItsProductRate) {
  const Work work{.bytes = 1e6, .operations = {{DType::q4_k, 1e3}}};
  const Limit limit = probes_->limit_of(work);
  EXPECT_GT(limit.gb_per_s, 0);
  EXPECT_GT(limit.tflop_per_s, 0);
  EXPECT_EQ(limit.name, "memory");
  EXPECT_DOUBLE_EQ(limit.floor_ns, 1e6 / limit.gb_per_s);
}

TEST_F(BenchCard, HardwareSaysWhatItIsAndWhatItCouldRun) {
  Hardware hardware;
  hardware.card = look_at_card(*probes_);
  const std::string text = hardware_text(hardware);
  EXPECT_NE(text.find("card      this machine's processor (sm_80), 1 multiprocessors, 1 MiB"),
            std::string::npos)
      << text;
  EXPECT_NE(text.find("driver    unknown, knows CUDA 13.1; runs CUDA 13.0\n"), std::string::npos)
      << text;
  const Json json = parse_json(hardware_json(hardware), "json");
  const Json& gpu = *json.find("gpu");
  EXPECT_EQ(gpu.find("cuda")->string("cuda"), "13.0");
  EXPECT_EQ(gpu.find("models")->array("models").size(), 3 * model_shapes().size());
}

// Samples of one test are of one thing: recorded steps do what the first ones did.
TEST_F(BenchCard, EverySampleEndsInTheSameLogits) {
  const test::TempDir dir;
  const BenchSettings settings;
  const MeasuredNetwork model(*backend_, settings, "tiny",
                              test::write_tiny_model(dir / "tiny.gguf", {}));
  const Runnable r = model.runnable({true, 3, 2, 2});
  const auto digest = [&r] {
    BenchRecord done;
    r.run();
    r.finish(done);
    return done.output_digest;
  };
  const std::string first = digest();
  EXPECT_EQ(first.size(), 16u);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(digest(), first);
}

}  // namespace
}  // namespace r1
