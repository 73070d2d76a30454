// What makes a decoding step one that a graph can capture: it neither allocates nor waits.
#include <utility>

#include <gtest/gtest.h>

#include "tests/support/backends.h"
#include "tests/support/cuda_host/cuda_runtime.h"
#include "tests/support/fails.h"

namespace r1 {
namespace {

using test::Rig;

// One layer's work for two rows, with inputs of their own each time.
class Step {
 public:
  explicit Step(Rig& rig) : rig_(rig) {
    for (const DType dtype : {DType::q4_k, DType::bf16})
      weights_.push_back(
          rig.loaded_weight({kD, kD}, test::random_values(kD * kD, 1), dtype, DType::bf16));
    kv_.table = rig.put(std::vector<std::int32_t>{0, 1}).reshaped({2, 1});
    kv_.keys = rig.unwritten({2, kHeads, kPageTokens, kD / kHeads});
    kv_.values = rig.unwritten(kv_.keys.shape);
    for (Tensor* t : {&x_, &n_, &y_}) *t = rig.put({2, kD}, test::random_values(2 * kD, 2));
    for (Tensor* t : {&sequence_, &position_}) *t = rig.put(std::vector<std::int32_t>{0, 1});
    norm_ = rig.put({kD}, test::random_values(kD, 3));
    logits_ = rig.unwritten({2, kD});
  }

  void run(std::int32_t position) {
    go_to(position);
    queue();
  }
  void go_to(std::int32_t position) {
    const std::int32_t positions[] = {position, position};
    rig_->copy_from_host(position_, positions);
  }
  void queue() {
    rig_->rms_norm(n_, {}, x_, norm_, 1e-5f);
    rig_->linear(y_, n_, weights_[0], {});
    const Tensor heads = y_.reshaped({2, kHeads, kD / kHeads});
    rig_->kv_store(kv_, heads, heads, {}, sequence_, position_);
    rig_->attention_paged(n_.reshaped(heads.shape), heads, kv_, {}, sequence_, position_, {});
    rig_->linear(logits_, n_, weights_[1], {});
  }
  std::vector<float> logits() { return rig_.get(logits_); }

 private:
  static constexpr std::int64_t kD = 256, kHeads = 4;
  Rig& rig_;
  std::vector<Tensor> weights_;
  PagedKv kv_;
  Tensor x_, n_, y_, norm_, logits_, sequence_, position_;
};

TEST(CudaStep, TheSecondAndLaterOnesNeitherAllocateNorWait) {
  Rig rig({"cuda-host"});
  Step step(rig);
  step.run(0);
  const cuda_host::Calls before = cuda_host::calls();
  for (std::int32_t position = 1; position < 20; ++position) step.run(position);
  EXPECT_EQ(cuda_host::calls().allocations, before.allocations);
  EXPECT_EQ(cuda_host::calls().waits, before.waits);
  rig->synchronize();  // the counter counts
  EXPECT_EQ(cuda_host::calls().waits, before.waits + 1);
}

TEST(CudaStep, ARecordedOneDoesWhatItsCallsDo) {
  Rig rig({"cuda-host"}), plain_rig({"cuda-host"});
  Step step(rig), plain(plain_rig);
  const auto recording = rig->record();
  const int before = cuda_host::calls().graph_launches;
  for (std::int32_t position = 0; position < 10; ++position) {
    step.go_to(position);
    recording->run([&] { step.queue(); });
    plain.run(position);
    EXPECT_EQ(step.logits(), plain.logits()) << position;
  }
  EXPECT_EQ(cuda_host::calls().graph_launches, before + 9);  // all but the first
}

// What a graph holds of `scratch` is where it was.
TEST(CudaStep, ARecordingIsMadeAnewWhenScratchMoves) {
  Rig rig({"cuda-host"});
  Step step(rig);
  const auto recording = rig->record();
  step.go_to(0);
  for (int i = 0; i < 3; ++i) recording->run([&] { step.queue(); });
  const std::vector<float> logits = step.logits();
  constexpr std::int64_t kWide = 4096, kRows = 8;
  const Tensor wide =
      rig.loaded_weight({16, kWide}, test::random_values(16 * kWide, 5), DType::q8_0, DType::bf16);
  rig->linear(rig.unwritten({kRows, 16}),
              rig.put({kRows, kWide}, test::random_values(kRows * kWide, 6)), wide, {});
  int queued = 0;
  recording->run([&] {
    ++queued;
    step.queue();
  });
  EXPECT_EQ(queued, 1);
  EXPECT_EQ(step.logits(), logits);
}

TEST(CudaStep, WhatAGraphCannotHoldIsRefusedWhileItIsRecorded) {
  Rig rig({"cuda-host"});
  Step step(rig);
  const auto recording = rig->record();
  recording->run([&] { step.run(0); });
  EXPECT_FAILS(ErrorKind::internal, "a copy is wanted", recording->run([&] { step.run(1); }));
  recording->run([&] { step.queue(); });  // and may be tried again
}

// How many products the library made while `run` ran.
template <typename Run>
int library_products(const Run& run) {
  const int before = cuda_host::calls().library_products;
  run();
  return cuda_host::calls().library_products - before;
}

TEST(CudaStep, TheLibraryMultipliesManyRows) {
  for (const auto& [candidate, most] : {std::pair{"cuda-host", 1}, {"cuda-host invariant", 0}}) {
    Rig rig({candidate});
    for (const DType dtype : {DType::bf16, DType::f32, DType::q4_k})
      for (const std::int64_t T : {4, 5, 1023, 1024}) {
        const std::int64_t least = dtype == DType::q4_k ? 1024 : 5;
        const Tensor w = rig.loaded_weight({4, 256}, test::random_values(4 * 256, 1), dtype,
                                           dtype == DType::f32 ? DType::f32 : DType::bf16);
        const Tensor x = rig.put({T, 256}, test::random_values(T * 256, 2));
        const Tensor y = rig.unwritten({T, 4});
        EXPECT_EQ(library_products([&] { rig->linear(y, x, w, {}); }), T >= least ? most : 0)
            << candidate << " " << to_string(dtype) << " " << T;
      }
  }
}

TEST(CudaStep, TheLibraryMultipliesGradientsAndRoundedNumbers) {
  Rig rig({"cuda-host"});
  const Tensor dy = rig.begun({3, 16}), w = rig.begun({16, 8}), x = rig.begun({3, 8});
  const Tensor dx = rig.begun({3, 8}), dw = rig.begun({16, 8});
  EXPECT_EQ(library_products([&] { rig->linear_backward(dx, dw, dy, x, w); }), 2);
  for (const DType dtype : {DType::bf16, DType::q4_0, DType::q6_k}) {
    const Tensor packed =
        rig.loaded_weight({16, 256}, test::random_values(4096, 1), dtype, DType::bf16);
    const Tensor dwide = rig.begun({3, 256}), wide = rig.begun({3, 256});
    EXPECT_EQ(library_products([&] { rig->linear_backward(dwide, {}, dy, wide, packed); }), 1);
  }
  const auto products = [&](DType a_type, DType b_type, bool along_k) {
    const Tensor one = rig.put({1}, {1.0f}), scale = is_float8(a_type) ? one : Tensor{};
    const Shape a_shape = along_k ? Shape{16, 32} : Shape{32, 16}, b_shape{16, 32};
    const Tensor a = rig.plain_weight(a_shape, test::random_values(512, 1), a_type);
    const Tensor b = rig.plain_weight(b_shape, test::random_values(512, 2), b_type);
    const Tensor y = rig.unwritten({16, 16});
    return library_products([&] { rig->multiply(y, {a, along_k, scale}, {b, true, scale}, {}); });
  };
  EXPECT_EQ(products(DType::bf16, DType::bf16, true), 1);
  EXPECT_EQ(products(DType::f16, DType::f16, false), 1);
  EXPECT_EQ(products(DType::f8_e4m3, DType::f8_e4m3, true), 1);
  EXPECT_EQ(products(DType::f8_e5m2, DType::f8_e4m3, true), 1);
  // It has no way: our own tiles.
  EXPECT_EQ(products(DType::f8_e5m2, DType::f8_e5m2, true), 0);
  EXPECT_EQ(products(DType::f8_e4m3, DType::f8_e4m3, false), 0);
}

}  // namespace
}  // namespace r1
