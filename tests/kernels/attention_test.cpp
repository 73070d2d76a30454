#include <algorithm>
#include <cmath>

#include "tests/kernels/attention_scene.h"
#include "tests/support/kernel_test.h"

namespace r1 {
namespace {

using test::documents;
using test::Floats;
using test::Ints;
using test::largest_score;
using test::mean_error;
using test::Op;
using test::Rig;
using test::scene;
using test::Scene;
using test::weight_error;

std::vector<Scene> scenes() {
  std::vector<Scene> all;
  for (const bool daw : {false, true}) {
    all.push_back(scene(documents({1}), 1, 1, 8, daw));
    all.push_back(scene(documents({2, 1, 4}), 2, 2, 16, daw));
    all.push_back(scene(documents({15, 16, 2}), 4, 2, 33, daw));
    all.push_back(scene(documents({17, 33}), 6, 1, 64, daw));
    all.push_back(scene(documents({130}), 3, 3, 5, daw));
    all.push_back(scene(documents({65, 31}), 2, 1, 128, daw));
    all.push_back(scene(documents({3, 34}), 2, 2, 200, daw));
    for (const std::int64_t window : {1, 3, 16, 64}) {
      all.push_back(scene(documents({40, 33}), 4, 2, 16, daw));
      all.back().options.window = window;
    }
  }
  return all;
}

Floats in_bf16(Floats values) {
  for (float& x : values) x = bf16_to_f32(f32_to_bf16(x));
  return values;
}

// What is given needs no rounding, times the scale neither.
std::vector<Scene> scenes_in_bf16() {
  std::vector<Scene> all = scenes();
  all.push_back(scene(documents({150, 9}), 4, 2, 32, true));
  all.push_back(scene(documents({11, 140}), 2, 1, 64, false));
  all.back().options.window = 70;
  for (Scene& s : all) {
    s.q = in_bf16(s.q), s.k = in_bf16(s.k), s.v = in_bf16(s.v);
    s.options.scale = 0.25f;
    s.options.products = DType::bf16;
  }
  return all;
}

struct Inputs {
  Tensor q, k, v, A, start;
};

Inputs put(Rig& rig, const Scene& s) {
  return {rig.put({s.T, s.H, s.hd}, s.q), rig.put({s.T, s.KV, s.hd}, s.k),
          rig.put({s.T, s.KV, s.hd}, s.v), s.A.empty() ? Tensor{} : rig.put({s.T, s.KV}, s.A),
          rig.put(s.start)};
}

Floats attend(Rig& rig, const Scene& s) {
  const Inputs in = put(rig, s);
  const Tensor y = rig.unwritten({s.T, s.H, s.hd});
  rig->attention(y, {}, in.q, in.k, in.v, in.A, in.start, s.options);
  return rig.get(y);
}

struct AttentionTest : test::KernelTest {
  using Where = std::function<bool(const Rig&)>;
  void forward_agrees(const Scene& s);
  void backward_agrees(const Scene& s, const Where& on);
};

// What scores are off by where the CPU sums up to 64 products of even and of odd elements in
// halves: each of n additions by u / sqrt 3 of sqrt j / 3, the sum of j products that are 1/3, so
// that the sum of two is off by sqrt 2 n u / sqrt 6 / 3, with n of hd / 2; and six times as much is
// next to never exceeded.
double score_error_in_halves(const Scene& s) {
  return 6 * std::sqrt(2.0) / 2 / std::sqrt(6.0) / 3 * test::kF16 * largest_score(s);
}

void AttentionTest::forward_agrees(const Scene& s) {
  SCOPED_TRACE(to_string(s));
  const Op op = [&](Rig& rig) -> std::vector<Floats> {
    const Inputs in = put(rig, s);
    const Tensor y = rig.unwritten({s.T, s.H, s.hd}), lse = rig.unwritten({s.T, s.H});
    rig->attention(y, lse, in.q, in.k, in.v, in.A, in.start, s.options);
    return {rig.get(y), rig.get(lse), attend(rig, s)};
  };
  const std::vector<double> mean(s.queries(), mean_error(s, 1.0));
  const double sum = weight_error(s) + test::roundings(s.T + 8) +
                     8.0 * test::kF32 * (largest_score(s) + std::log(static_cast<double>(s.T)));
  const auto allowed = [&](double more) {
    const std::vector<double> sums(static_cast<std::size_t>(s.T * s.H), sum + more);
    return std::vector<std::vector<double>>{mean, sums, mean};
  };
  const auto halves = [&](const Rig& rig) {
    return s.options.products == DType::bf16 && rig.name().ends_with("fp16");
  };
  expect_agreement(op, allowed(0), [&](const Rig& rig) { return !halves(rig); });
  expect_agreement(op, allowed(score_error_in_halves(s)), halves);
}

TEST_F(AttentionTest, ForwardAgrees) {
  for (const Scene& s : scenes()) forward_agrees(s);
}

TEST_F(AttentionTest, ForwardAgreesInBf16) {
  for (const Scene& s : scenes_in_bf16()) forward_agrees(s);
}

// How much weight each key row gets from all rows and heads together: dv when every dy is 1.
Floats weight_of_keys(Rig& rig, const Scene& s) {
  const Inputs in = put(rig, s);
  const Tensor dv = rig.put({s.T, s.KV, s.hd}, Floats(s.keys(), 0.0f));
  const Tensor ones = rig.put({s.T, s.H, s.hd}, Floats(s.queries(), 1.0f));
  const Tensor y = rig.unwritten({s.T, s.H, s.hd}), lse = rig.unwritten({s.T, s.H});
  rig->attention(y, lse, in.q, in.k, in.v, in.A, in.start, s.options);
  rig->attention_backward({}, {}, dv, {}, ones, y, lse, in.q, in.k, in.v, in.A, in.start,
                          s.options);
  return rig.get(dv);
}

// With G = hd the largest |dy·v|, dz = p (dp - D) is off by p times E: p may be off by twice the
// error of a weight (it is made from lse, which is rounded), dp - D is at most 2 G, and both its
// parts are sums of hd products. In bf16, p and dz are rounded, and D is made of what comes of
// that. Then a key's gradient adds up its weight's worth of those.
void AttentionTest::backward_agrees(const Scene& s, const Where& on) {
  SCOPED_TRACE(to_string(s));
  const Floats dy = in_bf16(test::random_values(static_cast<std::int64_t>(s.queries()), 4));
  const Op op = [&](Rig& rig) -> std::vector<Floats> {
    const Inputs in = put(rig, s);
    const Tensor y = rig.unwritten({s.T, s.H, s.hd}), lse = rig.unwritten({s.T, s.H});
    rig->attention(y, lse, in.q, in.k, in.v, in.A, in.start, s.options);
    const Tensor dq = rig.begun({s.T, s.H, s.hd}), dk = rig.begun({s.T, s.KV, s.hd});
    const Tensor dv = rig.begun({s.T, s.KV, s.hd}), dA = rig.begun({s.T, s.KV});
    const Tensor only_dk = rig.begun({s.T, s.KV, s.hd});
    const Tensor d = rig.put({s.T, s.H, s.hd}, dy);
    rig->attention_backward(dq, dk, dv, s.A.empty() ? Tensor{} : dA, d, y, lse, in.q, in.k, in.v,
                            in.A, in.start, s.options);
    rig->attention_backward({}, only_dk, {}, {}, d, y, lse, in.q, in.k, in.v, in.A, in.start,
                            s.options);
    return {rig.get(dq), rig.get(dk), rig.get(dv), rig.get(dA), rig.get(only_dk)};
  };
  const double G = static_cast<double>(s.hd), group = static_cast<double>(s.H / s.KV);
  const double lse = largest_score(s) + std::log(static_cast<double>(s.T));
  const double p = 2.0 * weight_error(s) + 4.0 * test::kF32 * lse;
  const double E =
      G * (4.0 * p + 2.0 * test::roundings(2 * s.hd + s.T + 16) + 3.0 * test::factor_error(s));
  const double sums = test::roundings(s.T * s.H / s.KV + 4) * 2.0 * G;
  const Floats weight =
      on_ref([&](Rig& rig) { return std::vector<Floats>{weight_of_keys(rig, s)}; })[0];
  const double last = 2.0 * test::kF32 * (1.0 + 2.0 * G * group);  // adding to what was there
  const auto for_k = test::tolerances(weight, s.options.scale * (E + sums), last);
  std::vector<double> for_A;
  for (std::size_t i = 0; i < weight.size(); i += static_cast<std::size_t>(s.hd))
    for_A.push_back(s.A.empty() ? 0.0 : weight[i] * (E + sums) + last);
  expect_agreement(
      op,
      {std::vector<double>(s.queries(), s.options.scale * (E + sums) + last), for_k,
       test::tolerances(weight, 2.0 * p + sums + test::factor_error(s), last), for_A, for_k},
      on);
}

TEST_F(AttentionTest, BackwardAgrees) {
  for (const Scene& s : scenes()) backward_agrees(s, [](const Rig&) { return true; });
}

TEST_F(AttentionTest, BackwardAgreesInBf16) {
  for (const Scene& s : scenes_in_bf16()) backward_agrees(s, [](const Rig&) { return true; });
}

// A processor takes those of few key heads in parts.
TEST_F(AttentionTest, BackwardAgreesOverLongDocuments) {
  const auto on = [](const Rig& rig) { return rig.name().starts_with("cpu"); };
  for (const std::int64_t window : {0, 300})
    for (const Ints& start : {documents({700}), documents({40, 560})}) {
      Scene s = scene(start, 2, 1, 16, window == 0);
      s.options.window = window;
      backward_agrees(s, on);
    }
}

TEST(Attention, BackwardHasTheSameBitsOnAnyNumberOfThreads) {
  Scene s = scene(documents({600, 70}), 3, 1, 16, true);
  for (const DType products : {DType::f32, DType::bf16}) {
    s.options.products = products;
    std::vector<Floats> first;
    for (const int threads : {1, 2, 5}) {
      Rig rig({"cpu", threads});
      const Inputs in = put(rig, s);
      const Tensor y = rig.unwritten({s.T, s.H, s.hd}), lse = rig.unwritten({s.T, s.H});
      rig->attention(y, lse, in.q, in.k, in.v, in.A, in.start, s.options);
      const Tensor dq = rig.begun({s.T, s.H, s.hd}), dk = rig.begun({s.T, s.KV, s.hd});
      const Tensor dv = rig.begun({s.T, s.KV, s.hd}), dA = rig.begun({s.T, s.KV});
      rig->attention_backward(dq, dk, dv, dA, in.q, y, lse, in.q, in.k, in.v, in.A, in.start,
                              s.options);
      const std::vector<Floats> got = {rig.get(dq), rig.get(dk), rig.get(dv), rig.get(dA)};
      if (first.empty()) first = got;
      EXPECT_EQ(got, first) << threads;
    }
  }
}

// The rest holds on `ref` as well.

bool same(const test::Candidate& candidate, const Floats& got, const Floats& want,
          double tolerance) {
  return candidate.exact() ? got == want : bool{test::close(got, want, tolerance)};
}

TEST(Attention, AWindowIsALaterStart) {
  for (const test::Candidate& candidate : test::backends_and_ref())
    for (const std::int64_t window : {1, 2, 16, 17, 64}) {
      Scene s = scene(documents({40, 33}), 4, 2, 16, true);
      Scene later = s;
      s.options.window = window;
      // Key j is seen when i - j < window.
      for (std::int32_t i = 0; i < s.T; ++i) {
        std::int32_t& start = later.start[static_cast<std::size_t>(i)];
        start = std::max(start, i - static_cast<std::int32_t>(window) + 1);
      }
      Rig rig(candidate), ref({"ref"});  // a start amid a document is for ref alone
      EXPECT_TRUE(test::close(attend(rig, s), attend(ref, later), mean_error(s, 1.0)))
          << candidate.name << ", window " << window;
    }
}

TEST(Attention, DocumentsTogetherAreEachAlone) {
  const std::initializer_list<std::int32_t> lengths = {5, 17, 1, 64, 16};
  Scene s = scene(documents(lengths), 4, 2, 16, true);
  for (const test::Candidate& candidate : test::backends_and_ref())
    for (const DType products : {DType::f32, DType::bf16}) {
      s.options.products = products;
      Rig rig(candidate);
      const Floats together = attend(rig, s);
      std::ptrdiff_t first = 0;
      for (const std::int32_t n : lengths) {
        const auto cut = [&](const Floats& all, std::int64_t width) {
          return Floats(all.begin() + first * width, all.begin() + (first + n) * width);
        };
        Scene alone = s;
        alone.T = n;
        alone.start = documents({n});
        alone.q = cut(s.q, s.H * s.hd);
        alone.k = cut(s.k, s.KV * s.hd);
        alone.v = cut(s.v, s.KV * s.hd);
        alone.A = cut(s.A, s.KV);
        EXPECT_TRUE(same(candidate, attend(rig, alone), cut(together, s.H * s.hd),
                         2.0 * mean_error(s, 1.0)))
            << candidate.name << ", document of " << n << " at " << first;
        first += n;
      }
    }
}

// log f = -40 a row: all before is e^-40 of it and less, and A reaches -12,000 without overflow.
TEST(Attention, GatesNearlyShutGiveTheRowsOwnValue) {
  Scene s = scene(documents({300}), 4, 2, 16, false);
  for (std::int64_t i = 0; i < s.T * s.KV; ++i)
    s.A.push_back(-40.0f * static_cast<float>(i / s.KV + 1));
  Floats own;
  for (std::int64_t r = 0; r < s.T * s.H; ++r) {
    const auto from = s.v.begin() + (r / s.H * s.KV + r % s.H / (s.H / s.KV)) * s.hd;
    own.insert(own.end(), from, from + s.hd);
  }
  const double rest = 2.0 * std::exp(-40.0 + 2.0 * largest_score(s)) + test::kFunction;
  for (const test::Candidate& candidate : test::backends_and_ref()) {
    Rig rig(candidate);
    EXPECT_TRUE(test::close(attend(rig, s), own, rest)) << candidate.name;
  }
}

// b = 60: log f is -1e-26, and A with it.
TEST(Attention, GatesWideOpenArePlainAttention) {
  const Scene plain = scene(documents({50, 23}), 4, 2, 16, false);
  for (const test::Candidate& candidate : test::backends_and_ref()) {
    Rig rig(candidate);
    const Tensor A = rig.unwritten({plain.T, plain.KV});
    const Tensor a =
        rig.put({plain.T, plain.KV}, Floats(static_cast<std::size_t>(plain.T * plain.KV)));
    rig->daw_decay(A, a, rig.put({2}, {60.0f, 60.0f}), {}, {}, rig.put(plain.start), {});
    Scene open = plain;
    open.A = rig.get(A);
    EXPECT_TRUE(test::close(attend(rig, open), attend(rig, plain), test::kFunction))
        << candidate.name;
  }
}

// What is left out is at most `skip` of the mass kept, so the mean moves by at most twice
// that times the largest value.
TEST(Attention, SkippingMovesTheResultByNoMoreThanItsBound) {
  Scene s = scene(documents({400, 90}), 4, 2, 16, true);
  Rig ref({"ref"});
  const Floats want = attend(ref, s);
  for (const float skip : {1e-4f, 1e-2f}) {
    s.options.skip = skip;
    for (const test::Candidate& candidate : test::backends_and_ref()) {
      Rig rig(candidate);
      EXPECT_TRUE(test::close(attend(rig, s), want, 2.0 * skip + mean_error(s, 1.0)))
          << candidate.name;
    }
  }
}

}  // namespace
}  // namespace r1
