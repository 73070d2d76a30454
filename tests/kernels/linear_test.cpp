#include <algorithm>
#include <array>
#include <cmath>
#include <span>

#include "tests/kernels/weight_form.h"
#include "tests/support/kernel_test.h"

namespace r1 {
namespace {

using test::Form;
using test::forms;
using test::inner_sizes;
using test::Op;
using test::Rig;

// The weights as the types hold them, on [-1, 1]; and x.
struct Product {
  std::int64_t T, N, K;
  std::vector<float> x, w;  // [T, K], [N, K]
};

Product random_product(std::int64_t T, std::int64_t N, std::int64_t K) {
  return {T, N, K, test::random_values(T * K, 1), test::random_values(N * K, 2)};
}

// What the type makes of w.
std::vector<float> stored(const std::vector<float>& w, DType dtype) {
  const auto n = static_cast<std::int64_t>(w.size());
  const Tensor t{nullptr, {n}, dtype};
  std::vector<std::byte> bytes(t.bytes());
  pack(bytes.data(), w, dtype);
  std::vector<float> values(w.size());
  unpack(values, bytes.data(), dtype);
  return values;
}

float most_of(std::span<const float> x) {
  float most = 0.0f;
  for (const float value : x) most = std::max(most, std::abs(value));
  return most;
}

// Types whose values are d q less a minimum m.
bool has_minimum(DType dtype) { return dtype == DType::q4_k || dtype == DType::q5_k; }

// Every element becomes half a step of its block of 32, the rounding of x to 8 bits. The step is
// that of all of x that share one: max|x| / 127, itself off by a few roundings that count 127 times
// at the block's end; among 256 it is halved as often as the block has room. Sums of x,
// which meet minima there, are rounded too: to a 16th of the largest step.
std::vector<float> half_steps(const Product& p, DType dtype) {
  std::vector<float> error = p.x;
  const std::size_t shared = block_elements(dtype) == 256 ? 256 : 32;
  for (std::size_t i = 0; i < error.size(); i += 32) {
    const auto x = std::span(p.x);
    const float most = most_of(x.subspan(i / shared * shared, shared));
    double step = most / 127.0;
    for (double own = most_of(x.subspan(i, 32)); own > 0 && 2 * own <= most; own *= 2) step /= 2;
    const double sum = has_minimum(dtype) ? most / 127.0 / 16 / 32 : 0.0;
    std::fill_n(error.begin() + static_cast<std::ptrdiff_t>(i), 32,
                static_cast<float>(step * (0.5 + 127.0 * 4.0 * test::kF32) + sum));
  }
  return error;
}

struct Ending {
  bool bias, residual;
  Activation activation;
};
constexpr Ending kEpilogues[] = {{true, false, Activation::none},
                                 {false, true, Activation::none},
                                 {true, true, Activation::none},
                                 {false, false, Activation::gelu},
                                 {true, false, Activation::gelu}};

class LinearTest : public test::KernelTest {
 protected:
  static std::vector<std::vector<float>> run(Rig& rig, const Product& p, const Form& form) {
    const Tensor y = rig.unwritten({p.T, p.N}), x = rig.put({p.T, p.K}, p.x);
    rig->linear(y, x, form.make(rig, {p.N, p.K}, p.w), {});
    return {rig.get(y)};
  }

  // sum of |x||w| by element of y. Types with a minimum add d q and m apart, which are each up to 2
  // larger than their difference.
  std::vector<float> sizes(const Product& p, const Form& form, std::vector<float> x) {
    std::vector<float> w = test::magnitudes(stored(p.w, form.dtype));
    if (has_minimum(form.dtype))
      for (float& value : w) value += 2.0f;
    const Product all{p.T, p.N, p.K, test::magnitudes(std::move(x)), std::move(w)};
    return on_ref([&](Rig& rig) { return run(rig, all, {DType::f32}); })[0];
  }

  std::vector<double> tolerance(const Product& p, const Form& form, bool x_is_rounded) {
    const double share = test::roundings(p.K + 8) + form.bf16_roundings() * test::kBf16 * 1.01;
    std::vector<double> all = test::tolerances(sizes(p, form, p.x), share);
    if (!x_is_rounded || !is_quantized(form.dtype)) return all;
    const std::vector<float> rounding = sizes(p, form, half_steps(p, form.dtype));
    for (std::size_t i = 0; i < all.size(); ++i) all[i] += rounding[i];
    return all;
  }
};

TEST_F(LinearTest, AgreesForEveryTypeAndSize) {
  for (const Form& form : forms())
    for (const std::int64_t T : {1, 3, 8, 16, 33})
      for (const std::int64_t N : {1, 15, 16, 17, 33})
        for (const std::int64_t K : inner_sizes(form.dtype)) {
          SCOPED_TRACE(to_string(form) + " " + to_string(Shape{T, N, K}));
          const Product p = random_product(T, N, K);
          expect_agreement([&](Rig& rig) { return run(rig, p, form); }, {tolerance(p, form, true)});
        }
}

// Blocks of x around a large one keep steps of their own: where the weights that meet it are zero,
// nothing is lost.
TEST_F(LinearTest, AgreesBesideLargeNumbers) {
  for (const Form& form : forms())
    for (const std::int64_t T : {1, 9}) {
      Product p = random_product(T, 33, 512);
      const auto is_large = [](std::size_t i) { return i / 32 % 5 == 2; };
      for (std::size_t i = 0; i < p.x.size(); ++i)
        if (is_large(i % 512)) p.x[i] *= 1e4f;
      for (std::size_t i = 0; i < p.w.size(); ++i)
        if (is_large(i % 512)) p.w[i] = 0.0f;
      SCOPED_TRACE(to_string(form) + " " + std::to_string(T));
      expect_agreement([&](Rig& rig) { return run(rig, p, form); }, {tolerance(p, form, true)});
    }
}

// One number a row, hardly large enough to be rounded in steps.
TEST_F(LinearTest, ASmallNumberAmongZerosIsNotLost) {
  for (const Form& form : forms())
    for (const std::int64_t T : {1, 9}) {
      if (!is_quantized(form.dtype)) continue;
      Product p = random_product(T, 33, 512);
      for (std::size_t i = 0; i < p.x.size(); ++i) p.x[i] = i % 512 == i / 512 * 40 ? 1e-30f : 0.0f;
      SCOPED_TRACE(to_string(form) + " " + std::to_string(T));
      expect_agreement([&](Rig& rig) { return run(rig, p, form); }, {tolerance(p, form, true)});
    }
}

// Rows far from one another in size: halves, where a kernel makes them, have not that range.
TEST_F(LinearTest, RowsOfAnySizeKeepTheirBits) {
  for (const Form& form : forms()) {
    if (form.dtype != DType::f32 && form.dtype != DType::bf16) continue;
    Product p = random_product(9, 33, 129);
    for (std::size_t i = 0; i < p.x.size(); ++i)
      p.x[i] = std::ldexp(p.x[i], 10 * static_cast<int>(i / 129) - 60);
    for (std::size_t i = 0; i < p.w.size(); ++i)
      p.w[i] = std::ldexp(p.w[i], 40 - 2 * static_cast<int>(i / 129));
    SCOPED_TRACE(to_string(form));
    expect_agreement([&](Rig& rig) { return run(rig, p, form); }, {tolerance(p, form, true)});
  }
}

// Also where x is rounded to 8 bits, at every level of instructions; no other row is the worse for
// it.
TEST_F(LinearTest, WhatIsNotFiniteShowsInItsRowAlone) {
  for (const test::Candidate& candidate : test::backends()) {
    if (!candidate.name.starts_with("cpu")) continue;
    Rig rig(candidate);
    for (const Form& form : forms())
      for (const float odd : {std::nanf(""), INFINITY, -INFINITY})
        for (const std::size_t at : {3u, 255u}) {
          SCOPED_TRACE(rig.name() + " " + to_string(form) + " " + std::to_string(odd));
          Product p = random_product(2, 17, 256);
          p.x[at] = odd;
          const std::vector<float> y = run(rig, p, form)[0];
          for (std::size_t n = 0; n < 17; ++n) {
            EXPECT_FALSE(std::isfinite(y[n])) << n;
            EXPECT_TRUE(std::isfinite(y[17 + n])) << n;
          }
        }
  }
}

// More than one tile each way, and a rest.
TEST_F(LinearTest, AgreesBeyondOneTile) {
  for (const Form& form : forms()) {
    for (const std::int64_t K : {77, 136, 256}) {
      if (K % block_elements(form.dtype) != 0) continue;
      const Product p = random_product(K == 136 ? 130 : 67, 131, K);
      SCOPED_TRACE(to_string(form) + " " + std::to_string(K));
      expect_agreement([&](Rig& rig) { return run(rig, p, form); }, {tolerance(p, form, true)});
    }
  }
}

// Where cuda leaves the product to a library: many rows of plain weights, very many of quantized
// ones, outputs in whole fours; and next to it.
TEST_F(LinearTest, AgreesForManyRows) {
  for (const Form& form : forms())
    for (const auto& [T, N] : {std::array{64, 36}, {65, 36}, {65, 35}, {1024, 4}}) {
      const std::int64_t K = is_quantized(form.dtype) ? 256 : 72;
      const Product p = random_product(T, N, K);
      SCOPED_TRACE(to_string(form) + " " + to_string(Shape{T, N, K}));
      expect_agreement([&](Rig& rig) { return run(rig, p, form); }, {tolerance(p, form, true)});
    }
}

// x x^T, of which half may be made and mirrored: the bits of the product with another copy of x.
TEST_F(LinearTest, AMatrixTimesItselfHasTheSameBits) {
  for (const auto& [T, K] : {std::array{1, 5}, {15, 40}, {16, 7}, {33, 200}, {131, 64}, {300, 96}})
    for (const int threads : {1, 2, 3}) {
      SCOPED_TRACE(fmt::format("{} x {}, {} threads", T, K, threads));
      Rig rig({"cpu", threads});
      const std::vector<float> values = test::random_values(std::int64_t{T} * K, 3);
      const Tensor x = rig.put({T, K}, values), again = rig.put({T, K}, values);
      const Tensor square = rig.unwritten({T, T}), product = rig.unwritten({T, T});
      rig->linear(square, x, x, {});
      rig->linear(product, x, again, {});
      EXPECT_EQ(rig.get(square), rig.get(product));
      const Factor rounded{rig.plain_weight({T, K}, values, DType::bf16)};
      const Factor other{rig.plain_weight({T, K}, values, DType::bf16)};
      rig->multiply(square, rounded, rounded, {});
      rig->multiply(product, rounded, other, {});
      EXPECT_EQ(rig.get(square), rig.get(product));
    }
}

// Neighbours of one type share what they need of x, and threads part their panels anywhere.
TEST_F(LinearTest, SeveralProductsOfOneXHaveTheBitsOfEach) {
  constexpr std::int64_t kInner = 512;
  for (const test::Candidate& candidate : test::backends_and_ref())
    for (const std::int64_t T : {1, 9, 41}) {
      SCOPED_TRACE(fmt::format("{}, {} rows", candidate.name, T));
      Rig rig(candidate);
      const Tensor x = rig.put({T, kInner}, test::random_values(T * kInner, 1));
      std::vector<Projection> all;
      for (const DType dtype : test::kWeightTypes)
        for (const std::int64_t N : {33, 1, 48}) {
          const std::vector<float> w = test::random_values(N * kInner, 2 + all.size());
          const Form form{dtype, rig.name() != "ref", DType::bf16};
          const Tensor bias = N == 48 ? rig.put({N}, test::random_values(N, 3)) : Tensor{};
          all.push_back({rig.unwritten({T, N}), form.make(rig, {N, kInner}, w), {.bias = bias}});
        }
      rig->linear_all(x, all);
      for (const auto& [y, w, then] : all) {
        const Tensor alone = rig.unwritten(y.shape);
        rig->linear(alone, x, w, then);
        EXPECT_EQ(rig.get(y), rig.get(alone)) << to_string(w.dtype) << " " << to_string(y.shape);
      }
    }
}

// Whole numbers that reach 127 in each block are their own 8-bit and bf16 form, also when a block
// is halved: nothing but the sums may round. Finds wrong nibbles and scales that the rounding of x
// would hide. Tensor cores, which cuda uses beyond 8 rows, and always where rows may not depend on
// the batch, round quantized weights to bf16; sums of halves round.
TEST_F(LinearTest, WholeNumbersAreNotRounded) {
  for (const Form& form : forms())
    for (const std::int64_t T : {8, 9}) {
      const bool quants = is_quantized(form.dtype);
      const std::int64_t K = quants ? 512 : 300;
      Product p = random_product(T, 35, K);
      for (std::size_t i = 0; i < p.x.size(); ++i)
        p.x[i] = std::ldexp(i % 32 == 5 ? 127.0f : std::nearbyint(127.0f * p.x[i]),
                            -static_cast<int>(i / 32 % 4));
      if (!quants)
        for (float& w : p.w) w = std::nearbyint(100.0f * w) / 64.0f;
      SCOPED_TRACE(to_string(form));
      Form exact = form;
      exact.compute = DType::f32;
      expect_agreement([&](Rig& rig) { return run(rig, p, form); }, {tolerance(p, exact, false)},
                       [&](const Rig& rig) {
                         if (!quants)
                           return form.compute != DType::bf16 || !rig.name().ends_with("fp16");
                         const bool cuda = rig.name().starts_with("cuda");
                         return !cuda || (T == 8 && !rig.name().ends_with("invariant"));
                       });
    }
}

// No sum of 64 products rounds here, not even in halves.
TEST_F(LinearTest, SmallWholeNumbersComeOutExactly) {
  for (const Form& form : forms())
    for (const std::int64_t T : {1, 8, 9}) {
      if (is_quantized(form.dtype)) continue;
      for (const std::int64_t K : {1, 63, 128, 129, 2050}) {
        Product p = random_product(T, 35, K);
        for (auto* values : {&p.x, &p.w})
          for (float& v : *values) v = std::nearbyint(3.0f * v);
        SCOPED_TRACE(to_string(form) + " " + to_string(Shape{T, K}));
        const std::vector<double> none(static_cast<std::size_t>(T * p.N));
        expect_agreement([&](Rig& rig) { return run(rig, p, form); }, {none});
      }
    }
}

// Sums as large as they can be: every x 127, or every one -127, and every weight but one of 32 at
// the far end of its type. Finds a sum that does not fit where a kernel keeps it.
TEST_F(LinearTest, TheLargestSumsFit) {
  for (const Form& form : forms()) {
    if (!is_quantized(form.dtype)) continue;
    for (const std::int64_t T : {1, 2, 4, 8}) {
      Product p = random_product(T, 18, 256);
      for (std::size_t i = 0; i < p.x.size(); ++i) p.x[i] = i / 256 % 2 == 0 ? 127.0f : -127.0f;
      for (std::size_t i = 0; i < p.w.size(); ++i)
        p.w[i] = (i % 32 == 7) == (i / 256 % 2 == 0) ? 1.0f : -1.0f;
      SCOPED_TRACE(to_string(form) + " " + std::to_string(T));
      Form exact = form;
      exact.compute = DType::f32;
      expect_agreement([&](Rig& rig) { return run(rig, p, form); }, {tolerance(p, exact, false)},
                       [&](const Rig& rig) { return !rig.name().ends_with("invariant"); });
    }
  }
}

// Each row of x is 127 at one place: y is that column of the weight, rounded once or twice. Finds a
// weight that is read in the place of another.
TEST_F(LinearTest, EveryWeightIsInItsPlace) {
  for (const Form& form : forms())
    for (const std::int64_t N : {17, 130}) {
      const std::int64_t K = is_quantized(form.dtype) ? 256 : 72;
      Product p = random_product(K, N, K);
      for (std::int64_t i = 0; i < K * K; ++i)
        p.x[static_cast<std::size_t>(i)] = i % (K + 1) == 0 ? 127.0f : 0.0f;
      SCOPED_TRACE(to_string(form) + " " + std::to_string(N));
      const double share = 16 * test::kF32 + 2 * test::kBf16;
      expect_agreement([&](Rig& rig) { return run(rig, p, form); },
                       {test::tolerances(sizes(p, form, p.x), share)});
    }
}

// cuda multiplies weights of f16 by f16: all 11 bits of them count, and what of x is beyond f16 is
// its largest number, not infinite.
TEST_F(LinearTest, HalvesStayHalves) {
  const Form form{DType::f16, true, DType::bf16};
  constexpr std::size_t N = 40, K = 72;
  const std::vector<float> w = test::random_values(N * K, 2), kept = stored(w, DType::f16);
  for (const std::size_t T : {9u, 130u})
    for (const float size : {3.0f, 1e6f}) {
      std::vector<float> x(T * K, 0.0f);  // one number a row
      for (std::size_t t = 0; t < T; ++t) x[t * K + t % K] = t % 2 == 0 ? size : -size;
      const Product p{static_cast<std::int64_t>(T), N, K, x, w};
      for (const test::Candidate& candidate : test::backends()) {
        if (!candidate.name.starts_with("cuda")) continue;
        Rig rig(candidate);
        const std::vector<float> y = run(rig, p, form)[0];
        for (std::size_t i = 0; i < T * N; ++i) {
          const std::size_t t = i / N, n = i % N, k = t % K;
          const float held = std::clamp(x[t * K + k], -65504.0f, 65504.0f);
          ASSERT_EQ(y[i], held * kept[n * K + k]) << candidate.name;
        }
      }
    }
}

TEST_F(LinearTest, AnInputOfZerosGivesZeros) {
  for (const Form& form : forms()) {
    SCOPED_TRACE(to_string(form));
    Product p = random_product(2, 17, 256);
    p.x.assign(p.x.size(), 0.0f);
    expect_agreement([&](Rig& rig) { return run(rig, p, form); },
                     {std::vector<double>(static_cast<std::size_t>(p.T * p.N), 0.0)});
  }
}

// The epilogue is the ops after one another; on "cpu" to the bit. gelu's slope is below 1.13, and
// what it adds of its own is below its value's share.
TEST_F(LinearTest, TheEpilogueIsTheOperationsAfterOneAnother) {
  for (const Form& form : forms())
    for (const std::int64_t T : {1, 8, 33, 67})
      for (const auto& [bias, residual, activation] : kEpilogues) {
        const std::int64_t N = T == 67 ? 36 : 35, K = is_quantized(form.dtype) ? 256 : 76;
        SCOPED_TRACE(to_string(form) + " " + to_string(Shape{T, N, K}) + (bias ? " bias" : "") +
                     (residual ? " residual" : "") +
                     (activation == Activation::gelu ? " gelu" : ""));
        const Product p = random_product(T, N, K);
        const auto op = [&, bias = bias, residual = residual, activation = activation](Rig& rig) {
          Epilogue then{.activation = activation};
          if (bias) then.bias = rig.put({N}, test::random_values(N, 3));
          if (residual) then.residual = rig.put({T, N}, test::random_values(T * N, 4));
          const Tensor x = rig.put({T, K}, p.x), w = form.make(rig, {N, K}, p.w);
          const Tensor y = rig.unwritten({T, N});
          rig->linear(y, x, w, then);
          Tensor apart = rig.unwritten({T, N});
          rig->linear(apart, x, w, {});
          const auto next = [&](auto run) {
            const Tensor z = rig.unwritten({T, N});
            run(z);
            apart = z;
          };
          if (bias) next([&](const Tensor& z) { rig->add_bias(z, apart, then.bias); });
          if (activation == Activation::gelu) next([&](const Tensor& z) { rig->gelu(z, apart); });
          if (residual) next([&](const Tensor& z) { rig->add(z, apart, then.residual); });
          if (!rig.name().starts_with("cuda")) {
            EXPECT_EQ(rig.get(y), rig.get(apart));
          }
          return std::vector<std::vector<float>>{rig.get(y)};
        };
        std::vector<double> allowed = tolerance(p, form, true);
        for (double& a : allowed)
          a = 1.13 * a + test::roundings(2) * (2.0 + static_cast<double>(K)) +
              4.0 * test::kFunction * (1.0 + static_cast<double>(K));
        expect_agreement(op, {allowed});
      }
}

// dx += dy w with the weight in every form; 1,025 rows are more than a processor unpacks at once.
TEST_F(LinearTest, TheGradientOfTheInputAgreesForEveryType) {
  for (const Form& form : forms())
    for (const std::int64_t T : {1, 7})
      for (const std::int64_t N : {1, 16, 33, 1025}) {
        const std::int64_t K = is_quantized(form.dtype) ? 512 : 37;
        SCOPED_TRACE(to_string(form) + " " + to_string(Shape{T, N, K}));
        const Product p = random_product(T, N, K);
        const std::vector<float> dy = test::random_values(T * N, 3);
        const auto op = [&](const std::vector<float>& d, const std::vector<float>& w,
                            const Form& f) {
          return [&, f](Rig& rig) -> std::vector<std::vector<float>> {
            const Tensor dx = rig.begun({T, K});
            rig->linear_backward(dx, {}, rig.put({T, N}, d), rig.put({T, K}, p.x),
                                 f.make(rig, {N, K}, w));
            return {rig.get(dx)};
          };
        };
        const std::vector<float> size = on_ref(
            op(test::magnitudes(dy), test::magnitudes(stored(p.w, form.dtype)), {DType::f32}))[0];
        const auto allowed = [&](double roundings_to_bf16) {
          const double share = test::roundings(N + 8) + roundings_to_bf16 * test::kBf16 * 1.01;
          return std::vector<std::vector<double>>{test::tolerances(size, share, 2.0 * share)};
        };
        // Where x is rounded on the way there, dy may be, and what blocks say.
        const auto rounds = [&](const Rig& rig) {
          const bool cpu = rig.name().ends_with("avx512") || rig.name().ends_with("fp16");
          return rig.name().starts_with("cuda") || (form.loaded && cpu);
        };
        const double there = form.bf16_roundings(), back = is_quantized(form.dtype) ? 2 : there;
        const auto takes = [&](const Rig& rig) {
          return N < 1025 || rig.name().starts_with("cpu");
        };
        expect_agreement(op(dy, p.w, form), allowed(there),
                         [&](auto& rig) { return takes(rig) && !rounds(rig); });
        expect_agreement(op(dy, p.w, form), allowed(back),
                         [&](auto& rig) { return takes(rig) && rounds(rig); });
      }
}

// dw += dy^T x, and dx beside it or left out.
TEST_F(LinearTest, TheGradientOfTheWeightAgrees) {
  const auto agree = [&](std::int64_t T, std::int64_t N, std::int64_t K, const auto& on) {
    SCOPED_TRACE(to_string(Shape{T, N, K}));
    const Product p = random_product(T, N, K);
    const std::vector<float> dy = test::random_values(T * N, 3);
    const auto op = [&](bool with_dx) {
      return [&, with_dx](Rig& rig) -> std::vector<std::vector<float>> {
        const Tensor dx = rig.begun({T, K}), dw = rig.begun({N, K});
        rig->linear_backward(with_dx ? dx : Tensor{}, dw, rig.put({T, N}, dy), rig.put({T, K}, p.x),
                             rig.put({N, K}, p.w));
        return {rig.get(dx), rig.get(dw)};
      };
    };
    const auto share = [](std::int64_t n) {
      return test::roundings(n + 2) * static_cast<double>(n + 1);  // of terms up to 1
    };
    const std::vector<double> for_dx(p.x.size(), share(N)), for_dw(p.w.size(), share(T));
    expect_agreement(op(true), {for_dx, for_dw}, on);
    expect_agreement(op(false), {std::vector<double>(p.x.size(), 0.0), for_dw}, on);
  };
  for (const std::int64_t T : {1, 3, 8, 67})
    for (const std::int64_t N : {1, 16, 17, 66})
      for (const std::int64_t K : test::kAwkward) agree(T, N, K, [](const Rig&) { return true; });
  agree(2055, 5, 21, [](const Rig&) { return true; });  // few sums of many terms
  // More than what a processor takes at once, of each.
  for (const Shape& s : {Shape{530, 133, 21}, Shape{130, 530, 21}, Shape{30, 40, 1050}})
    agree(s[0], s[1], s[2], [](const Rig& rig) { return !rig.name().starts_with("cuda"); });
}

TEST_F(LinearTest, BiasAgrees) {
  for (const std::int64_t T : {1, 3, 33})
    for (const std::int64_t N : test::kAwkward) {
      SCOPED_TRACE(to_string(Shape{T, N}));
      const auto elements = static_cast<std::size_t>(T * N);
      const Op op = [&](Rig& rig) -> std::vector<std::vector<float>> {
        const Tensor y = rig.unwritten({T, N}), x = rig.put({T, N}, test::random_values(T * N, 1));
        const Tensor b = rig.put({N}, test::random_values(N, 2));
        rig->add_bias(y, x, b);
        const Tensor dx = rig.begun({T, N}), db = rig.begun({N}), only_db = rig.begun({N});
        rig->add_bias_backward(dx, db, x);
        rig->add_bias_backward({}, only_db, x);
        return {rig.get(y), rig.get(dx), rig.get(db), rig.get(only_db)};
      };
      const std::vector<double> sum(static_cast<std::size_t>(N),
                                    test::roundings(T + 1) * static_cast<double>(T + 1));
      const std::vector<double> exact(elements, 0.0);
      expect_agreement(op, {exact, exact, sum, sum});
    }
}

// m / d, the product, and a term more for each row of the sum.
TEST_F(LinearTest, ScaledColumnsAgreeBothWays) {
  for (const std::int64_t T : {1, 7})
    for (const std::int64_t N : test::kAwkward) {
      SCOPED_TRACE(to_string(Shape{T, N}));
      const Op op = [&](Rig& rig) -> std::vector<std::vector<float>> {
        const Tensor y = rig.unwritten({T, N}), x = rig.put({T, N}, test::random_values(T * N, 1));
        const Tensor m = rig.put({N}, test::random_values(N, 2));
        const Tensor d = rig.put({N}, test::random_values(N, 3, 0.5f, 2.0f));
        rig->scale_columns(y, x, m, d);
        const Tensor dx = rig.begun({T, N}), dm = rig.begun({N}), only_dm = rig.begun({N});
        const Tensor dy = rig.put({T, N}, test::random_values(T * N, 4));
        rig->scale_columns_backward(dx, dm, dy, x, m, d);
        rig->scale_columns_backward({}, only_dm, dy, x, m, d);
        return {rig.get(y), rig.get(dx), rig.get(dm), rig.get(only_dm)};
      };
      const std::vector<double> each(static_cast<std::size_t>(T * N), test::roundings(3) * 3.0);
      const std::vector<double> sum(static_cast<std::size_t>(N),
                                    test::roundings(T + 2) * static_cast<double>(2 * T + 1));
      expect_agreement(op, {each, each, sum, sum});
    }
}

TEST_F(LinearTest, EmbeddingRowsAgreeForEveryType) {
  const std::vector<std::int32_t> ids = {3, 0, 18, 3, 16, 7, 15};
  const auto T = static_cast<std::int64_t>(ids.size());
  for (const Form& form : forms())
    for (const std::int64_t D : inner_sizes(form.dtype)) {
      SCOPED_TRACE(to_string(form) + " " + to_string(Shape{19, D}));
      const std::vector<float> w = test::random_values(19 * D, 1);
      const Op op = [&](Rig& rig) -> std::vector<std::vector<float>> {
        const Tensor y = rig.unwritten({T, D});
        rig->embedding(y, form.make(rig, {19, D}, w), rig.put(ids));
        return {rig.get(y)};
      };
      const bool exact = !is_quantized(form.dtype) && form.bf16_roundings() < 2;
      const double share = exact ? 0.0 : is_quantized(form.dtype) ? 2.0 * test::kF32 : test::kBf16;
      expect_agreement(op, {test::tolerances(on_ref(op)[0], share)});
    }
}

TEST_F(LinearTest, TheGradientOfAnEmbeddingAddsUpRepeatedIds) {
  for (const std::int64_t D : test::kAwkward) {
    const Op op = [&](Rig& rig) -> std::vector<std::vector<float>> {
      const Tensor dw = rig.begun({5, D}), dy = rig.put({4, D}, test::random_values(4 * D, 1));
      rig->embedding_backward(dw, dy, rig.put(std::vector<std::int32_t>{2, 0, 2, 2}));
      rig->embedding_backward({}, dy, rig.put(std::vector<std::int32_t>{2, 0, 2, 2}));
      return {rig.get(dw)};
    };
    expect_agreement(
        op, {std::vector<double>(static_cast<std::size_t>(5 * D), test::roundings(4) * 4.0)});
  }
}

}  // namespace
}  // namespace r1
