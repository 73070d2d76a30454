#include "tests/support/kernel_test.h"

namespace r1 {
namespace {

using test::Op;
using test::Rig;
using NormTest = test::KernelTest;

constexpr float kEps = 1e-5f;
// Row widths: awkward ones, and one that a backend may deal out to more than one group of threads.
std::vector<std::int64_t> widths() {
  std::vector<std::int64_t> all = test::kAwkward;
  all.push_back(1027);
  return all;
}

constexpr int kFew = 8;  // roundings beside those of the sum: root, division, two products …

// The squares are all positive, so their sum is off by a share of itself; the root halves that.
TEST_F(NormTest, RmsNormAgrees) {
  for (const std::int64_t R : {1, 3, 33})
    for (const std::int64_t D : widths()) {
      SCOPED_TRACE(to_string(Shape{R, D}));
      const Op op = [&](Rig& rig) -> std::vector<std::vector<float>> {
        const Tensor y = rig.unwritten({R, D}), rstd = rig.unwritten({R});
        const Tensor x = rig.put({R, D}, test::random_values(R * D, 1));
        const Tensor w = rig.put({D}, test::random_values(D, 2)), alone = rig.unwritten({R, D});
        rig->rms_norm(y, rstd, x, w, kEps);
        rig->rms_norm(alone, {}, x, w, kEps);
        return {rig.get(y), rig.get(rstd), rig.get(alone)};
      };
      const auto want = on_ref(op);
      const double share = test::roundings(D / 2 + kFew);
      expect_agreement(op, {test::tolerances(want[0], share), test::tolerances(want[1], share),
                            test::tolerances(want[2], share)});
    }
}

TEST_F(NormTest, ARowOfZerosGivesZeros) {
  const Op op = [](Rig& rig) -> std::vector<std::vector<float>> {
    const Tensor y = rig.unwritten({2, 17}), x = rig.put({2, 17}, std::vector<float>(34, 0.0f));
    rig->rms_norm(y, {}, x, rig.put({17}, std::vector<float>(17, 3.0f)), kEps);
    return {rig.get(y)};
  };
  expect_agreement(op, {std::vector<double>(34, 0.0)});
}

// Squares of these pass the largest f32 only when they are summed carelessly; those of 1e30 do
// anyway, and a card says 0 then.
TEST_F(NormTest, LargeAndSmallRowsAgree) {
  for (const float size : {1e-15f, 1e18f, 1e30f}) {
    SCOPED_TRACE(size);
    const Op op = [&](Rig& rig) -> std::vector<std::vector<float>> {
      std::vector<float> values = test::random_values(257, 1);
      for (float& v : values) v *= size;
      const Tensor y = rig.unwritten({1, 257}), x = rig.put({1, 257}, values);
      rig->rms_norm(y, {}, x, rig.put({257}, std::vector<float>(257, 1.0f)), kEps);
      return {rig.get(y)};
    };
    const bool passes = size > 1e19f;
    expect_agreement(op, {test::tolerances(on_ref(op)[0], test::roundings(257 / 2 + kFew))},
                     [&](const Rig& rig) { return !passes || rig.name().starts_with("cpu"); });
  }
}

// dx = rstd (dy w - n m) with m = mean(dy w n): the sum that makes m has D terms, at most 1 times
// the largest |n|.
TEST_F(NormTest, RmsNormBackwardAgrees) {
  for (const std::int64_t R : {1, 3, 33, 1030})
    for (const std::int64_t D : widths()) {
      if (R * D > 50'000) continue;
      SCOPED_TRACE(to_string(Shape{R, D}));
      const std::vector<float> x = test::random_values(R * D, 1), w = test::random_values(D, 2);
      const std::vector<float> rstd = on_ref([&](Rig& rig) -> std::vector<std::vector<float>> {
        const Tensor y = rig.unwritten({R, D}), scale = rig.unwritten({R});
        rig->rms_norm(y, scale, rig.put({R, D}, x), rig.put({D}, w), kEps);
        return {rig.get(scale)};
      })[0];
      const Op op = [&](Rig& rig) -> std::vector<std::vector<float>> {
        const Tensor dx = rig.begun({R, D}), dw = rig.begun({D});
        const Tensor only_dx = rig.begun({R, D}), only_dw = rig.begun({D});
        const Tensor dy = rig.put({R, D}, test::random_values(R * D, 3));
        const Tensor xs = rig.put({R, D}, x), ws = rig.put({D}, w), scale = rig.put({R}, rstd);
        rig->rms_norm_backward(dx, dw, dy, xs, ws, scale);
        rig->rms_norm_backward(only_dx, {}, dy, xs, ws, scale);
        rig->rms_norm_backward({}, only_dw, dy, xs, ws, scale);
        return {rig.get(dx), rig.get(dw), rig.get(only_dx), rig.get(only_dw)};
      };
      const double r = test::largest(rstd), n = r;  // |x| <= 1, so |n| <= rstd
      const std::vector<double> for_dx(x.size(),
                                       test::roundings(D + kFew) * (1.0 + r * (1.0 + n * n)));
      const std::vector<double> for_dw(
          w.size(), test::roundings(R + kFew) * (1.0 + n * static_cast<double>(R)));
      expect_agreement(op, {for_dx, for_dw, for_dx, for_dw});
    }
}

}  // namespace
}  // namespace r1
