#include <array>
#include <cmath>
#include <utility>

#include <fmt/format.h>

#include "lib/tensor/float8.h"
#include "tests/support/kernel_test.h"

namespace r1 {
namespace {

using test::Op;
using test::Rig;
using Floats = std::vector<float>;

constexpr DType kEightBits[] = {DType::f8_e4m3, DType::f8_e5m2};
constexpr DType kSixteenBits[] = {DType::f16, DType::bf16};

class RoundedTest : public test::KernelTest {
 protected:
  // x [R, C] as a factor of 16 or 8 bits, whose K runs along its rows or along its columns.
  static Factor factor(Rig& rig, const Shape& shape, const Floats& x, DType dtype, bool along_k) {
    const Tensor from = rig.put(shape, x), y = rig.arena().take(shape, dtype);
    if (!is_float8(dtype)) {
      rig->round(y, from);
      return {y, along_k, {}};
    }
    const Tensor scale = rig.unwritten({1});
    rig->round_to_fp8(y, {}, scale, from);
    return {y, along_k, scale};
  }
  static Floats numbers(Rig& rig, const Tensor& t) {
    Floats values(test::count(t.shape));
    const Tensor bytes{t.data, {static_cast<std::int64_t>(t.bytes())}, DType::f8_e4m3, t.device};
    unpack(values, rig.get<std::uint8_t>(bytes).data(), t.dtype);
    return values;
  }
  // The numbers that round_to_fp8 makes of x, without the scale; and the scale.
  static std::vector<Floats> round(Rig& rig, const Floats& x, DType dtype) {
    const Factor f = factor(rig, {static_cast<std::int64_t>(x.size())}, x, dtype, true);
    return {numbers(rig, f.values), rig.get(f.scale)};
  }
  // y = a b^T of whole numbers from -4 to 4 in 16 or 8 bits, which no sum here rounds, and y += it,
  // with every way that factors may lie.
  void expect_exact(std::int64_t M, std::int64_t N, std::int64_t K, DType a_type, DType b_type);
};

void RoundedTest::expect_exact(std::int64_t M, std::int64_t N, std::int64_t K, DType a_type,
                               DType b_type) {
  const auto whole = [](std::int64_t n, std::int64_t step) {
    Floats values;
    for (std::int64_t i = 0; i < n; ++i) values.push_back(static_cast<float>(i * step % 9 - 4));
    return values;
  };
  const auto made = [&](Rig& rig, std::int64_t R, std::int64_t step, DType dtype, bool along_k) {
    const Shape shape = along_k ? Shape{R, K} : Shape{K, R};
    const bool scaled = is_float8(dtype);
    return Factor{rig.plain_weight(shape, whole(R * K, step), dtype), along_k,
                  scaled ? rig.put({1}, {step == 5 ? 0.5f : 8.0f}) : Tensor{}};
  };
  for (const bool a_along : {true, false})
    for (const bool b_along : {true, false}) {
      SCOPED_TRACE(fmt::format("{} {} {} {} {}", to_string(Shape{M, N, K}), to_string(a_type),
                               to_string(b_type), a_along, b_along));
      const Op op = [&](Rig& rig) -> std::vector<Floats> {
        const Factor a = made(rig, M, 5, a_type, a_along), b = made(rig, N, 7, b_type, b_along);
        const Tensor plain = rig.unwritten({M, N}), sum = rig.put({M, N}, whole(M * N, 2));
        const Tensor finished = rig.unwritten({M, N});
        rig->multiply(plain, a, b, {});
        rig->multiply(sum, a, b, {.residual = sum});
        rig->multiply(
            finished, a, b,
            {.bias = rig.put({N}, whole(N, 4)), .residual = rig.put({M, N}, whole(M * N, 5))});
        return {rig.get(plain), rig.get(sum), rig.get(finished)};
      };
      const std::vector<double> exact(static_cast<std::size_t>(M * N), 0.0);
      expect_agreement(op, {exact, exact, exact});
    }
}

// Ties, both zeros, numbers too small and too large, infinity.
TEST_F(RoundedTest, SixteenBitsAreTheSameToTheBit) {
  for (const DType dtype : kSixteenBits)
    for (const std::int64_t n : {1, 3, 4, 257, 4099}) {
      SCOPED_TRACE(std::string(to_string(dtype)) + " " + std::to_string(n));
      Floats x = test::random_values(n, 1, -70000.0f, 70000.0f);
      const float awkward[] = {0.0f,  -0.0f, 1.00390625f, 1.01171875f, 65519.0f, 65520.0f,
                               3e-8f, 2e-8f, 1e-41f,      3.4e38f,     INFINITY};
      for (std::size_t i = 0; i < x.size() && i < std::size(awkward); ++i) x[i] = awkward[i];
      const std::vector<double> exact(x.size(), 0.0);
      expect_agreement(
          [&](Rig& rig) -> std::vector<Floats> {
            const auto bits = rig.get<std::uint16_t>(factor(rig, {n}, x, dtype, true).values);
            return {Floats(bits.begin(), bits.end())};
          },
          {exact});
    }
}

TEST_F(RoundedTest, TheTransposeHasTheSameNumbers) {
  for (const DType dtype : kEightBits)
    for (const auto& [R, C] : {std::pair{1, 1}, {3, 70}, {64, 64}, {130, 33}}) {
      SCOPED_TRACE(to_string(Shape{R, C}));
      const Floats x = test::random_values(R * C, 1);
      expect_agreement(
          [&, R = R, C = C](Rig& rig) -> std::vector<Floats> {
            const Tensor y = rig.arena().take({R, C}, dtype),
                         turned = rig.arena().take({C, R}, dtype);
            const Tensor scale = rig.unwritten({1});
            rig->round_to_fp8(y, turned, scale, rig.put({R, C}, x));
            const Floats values = numbers(rig, y), other = numbers(rig, turned);
            for (std::int64_t i = 0; i < R * C; ++i)
              EXPECT_EQ(other[static_cast<std::size_t>(i % C * R + i / C)],
                        values[static_cast<std::size_t>(i)])
                  << rig.name();
            return {values, rig.get(scale)};
          },
          {std::vector<double>(x.size(), 0.0), {0.0}});
    }
}

TEST_F(RoundedTest, RoundingIsTheSameToTheBit) {
  for (const DType dtype : kEightBits)
    for (const std::int64_t n : {1, 31, 257, 4096, 4097, 9001})
      for (const float size : {1e-30f, 1.0f, 3e30f}) {
        SCOPED_TRACE(std::string(to_string(dtype)) + " " + std::to_string(n));
        const Floats x = test::random_values(n, 1, -size, size);
        expect_agreement([&](Rig& rig) { return round(rig, x, dtype); },
                         {std::vector<double>(x.size(), 0.0), {0.0}});
      }
}

// Of all sizes side by side: denormal, as large as can be, and too large for f16.
TEST_F(RoundedTest, SixteenBitsAreTheNearest) {
  constexpr float kSizes[] = {1e-44f, 1e-40f, 1e-38f, 1e-6f, 1.0f, 3e4f, 3e38f};
  Floats x = test::random_values(7 * 41, 1);
  for (std::size_t i = 0; i < x.size(); ++i) x[i] *= kSizes[i / 3 % std::size(kSizes)];
  for (const DType dtype : kSixteenBits) {
    Floats nearest;
    for (const float v : x)
      nearest.push_back(dtype == DType::f16 ? f16_to_f32(f32_to_f16(v))
                                            : bf16_to_f32(f32_to_bf16(v)));
    for (const test::Candidate& candidate : test::backends_and_ref()) {
      Rig rig(candidate);
      const auto n = static_cast<std::int64_t>(x.size());
      EXPECT_EQ(numbers(rig, factor(rig, {1, n}, x, dtype, true).values), nearest)
          << candidate.name << ' ' << to_string(dtype);
    }
  }
}

TEST_F(RoundedTest, TheLargestElementBecomesTheLargestNumber) {
  for (const test::Candidate& candidate : test::backends_and_ref()) {
    Rig rig(candidate);
    EXPECT_EQ(round(rig, {7.0f, -14.0f, 0.0f, 3.5f}, DType::f8_e4m3),
              (std::vector<Floats>{{224.0f, -448.0f, 0.0f, 112.0f}, {0.03125f}}))
        << candidate.name;
    EXPECT_EQ(round(rig, {7.0f, -14.0f, 0.0f, 3.5f}, DType::f8_e5m2),
              (std::vector<Floats>{{28672.0f, -57344.0f, 0.0f, 14336.0f}, {0x1p-12f}}))
        << candidate.name;
  }
}

TEST_F(RoundedTest, ZerosStayZerosWithTheScaleOne) {
  for (const test::Candidate& candidate : test::backends_and_ref()) {
    Rig rig(candidate);
    for (const DType dtype : kEightBits)
      EXPECT_EQ(round(rig, {0.0f, 0.0f, 1e-44f}, dtype), (std::vector<Floats>{{0, 0, 0}, {1}}))
          << candidate.name;
  }
}

// What is written may not depend on what the scale was before: it begins as NaN. And of two calls
// one after another the second sees its own largest alone.
TEST_F(RoundedTest, ASmallerTensorAfterALargerOneHasItsOwnScale) {
  for (const test::Candidate& candidate : test::backends_and_ref()) {
    Rig rig(candidate);
    round(rig, {448.0f}, DType::f8_e4m3);
    EXPECT_EQ(round(rig, {1.75f}, DType::f8_e4m3)[1], Floats{0x1p-8f}) << candidate.name;
  }
}

TEST_F(RoundedTest, ProductsOfWholeNumbersAreExact) {
  for (const auto& [M, N, K] :
       {std::array{1, 1, 1}, {3, 4, 16}, {9, 36, 48}, {17, 33, 31}, {70, 40, 24}}) {
    for (const DType type : kSixteenBits) expect_exact(M, N, K, type, type);
    for (const DType a : kEightBits)
      for (const DType b : kEightBits) expect_exact(M, N, K, a, b);
  }
}

// Beyond every block of `cpu`, with an even K and with an odd one.
TEST_F(RoundedTest, LargeProductsOfWholeNumbersAreExact) {
  for (const auto& [M, N, K] :
       {std::array{131, 40, 1090}, {131, 40, 1091}, {3, 1060, 33}, {4100, 70, 3}})
    expect_exact(M, N, K, DType::bf16, DType::bf16);
}

TEST_F(RoundedTest, NothingBehindAColumnCounts) {
  for (const test::Candidate& candidate : test::backends_and_ref()) {
    Rig rig(candidate);
    Tensor a = rig.plain_weight({4, 1}, {1.0f, 2.0f, 3.0f, NAN}, DType::bf16);
    a.shape = {3, 1};
    const Tensor b = rig.plain_weight({3, 2}, {1.0f, -1.0f, 2.0f, -2.0f, 4.0f, -4.0f}, DType::bf16);
    const Tensor y = rig.unwritten({1, 2});
    rig->multiply(y, {a, false}, {b, false}, {});
    EXPECT_EQ(rig.get(y), (Floats{17.0f, -17.0f})) << candidate.name;
  }
}

// Sums of |x||w| are K at most. A card's tensor cores keep fewer bits of a partial sum than f32
// (arXiv:2412.19437, 3.3.2, has 14 for sm_90): its share. Where the CPU sums 64 terms in halves,
// each of n additions is off by u / sqrt 3 of what has been summed, which of random terms of 1/3 is
// sqrt j / 3 after j of them: n u / sqrt 6 / 3 in all. Of 144 terms these are 64 twice, and less
// than that once: 13 u, and six times as much is next to never exceeded.
TEST_F(RoundedTest, ProductsOfRoundedTensorsAgree) {
  constexpr std::int64_t M = 33, N = 68, K = 144;
  std::vector<std::pair<DType, DType>> types;
  for (const DType type : kSixteenBits) types.emplace_back(type, type);
  for (const DType a : kEightBits)
    for (const DType b : kEightBits) types.emplace_back(a, b);
  for (const auto& [a_type, b_type] : types) {
    SCOPED_TRACE(std::string(to_string(a_type)) + " " + std::string(to_string(b_type)));
    const Op op = [&, a_type = a_type, b_type = b_type](Rig& rig) -> std::vector<Floats> {
      const Factor a = factor(rig, {M, K}, test::random_values(M * K, 1), a_type, true);
      const Factor b = factor(rig, {N, K}, test::random_values(N * K, 2), b_type, true);
      const Tensor y = rig.unwritten({M, N});
      rig->multiply(y, a, b, {});
      return {rig.get(y)};
    };
    const double share = test::roundings(K + 4) + (is_float8(a_type) ? 0x1p-14 : 0);
    const auto sums_halves = [](const Rig& rig) { return rig.name().ends_with("fp16"); };
    const auto apart = [&](double more) {
      return std::vector(1, std::vector(static_cast<std::size_t>(M * N), share * K + more));
    };
    expect_agreement(op, apart(0), [&](const Rig& rig) { return !sums_halves(rig); });
    expect_agreement(op, apart(a_type == DType::bf16 ? 6 * 13 * test::kF16 : 0), sums_halves);
  }
}

// Rows far from one another in size, however they lie: a sum keeps the bits of its own terms.
TEST_F(RoundedTest, RowsOfAnySizeKeepTheirBits) {
  constexpr std::int64_t M = 20, N = 85, K = 131;
  const auto scaled = [](std::int64_t R, std::uint64_t seed, int first, int step, bool along_k) {
    Floats x = test::random_values(R * K, seed);
    for (std::int64_t i = 0; i < R * K; ++i) {
      const auto r = static_cast<int>(along_k ? i / K : i % R);
      float& value = x[static_cast<std::size_t>(i)];
      value = std::ldexp(value, first + r * step);
    }
    return x;
  };
  for (const bool a_along : {true, false})
    for (const bool b_along : {true, false}) {
      SCOPED_TRACE(fmt::format("{} {}", a_along, b_along));
      const Op op = [&](Rig& rig) -> std::vector<Floats> {
        const Factor a = factor(rig, a_along ? Shape{M, K} : Shape{K, M},
                                scaled(M, 1, -60, 5, a_along), DType::bf16, a_along);
        const Factor b = factor(rig, b_along ? Shape{N, K} : Shape{K, N},
                                scaled(N, 2, 40, -1, b_along), DType::bf16, b_along);
        const Tensor y = rig.unwritten({M, N});
        rig->multiply(y, a, b, {});
        return {rig.get(y)};
      };
      std::vector<double> allowed;  // with the sums of halves above
      const double share = test::roundings(K + 4) * K + 6 * 13 * test::kF16;
      for (int m = 0; m < M; ++m)
        for (int n = 0; n < N; ++n) allowed.push_back(std::ldexp(share, 5 * m - 20 - n));
      expect_agreement(op, {allowed});
    }
}

// Widths that are no whole fours, too.
TEST_F(RoundedTest, NormsAndGatesRoundWhatTheyGive) {
  for (const DType dtype : kSixteenBits)
    for (const std::int64_t D : {1, 3, 8, 33, 1030}) {
      SCOPED_TRACE(std::string(to_string(dtype)) + " " + std::to_string(D));
      constexpr std::int64_t T = 3;
      const auto op = [&](DType type) {
        return [&, type](Rig& rig) -> std::vector<Floats> {
          const Tensor x = rig.put({T, D}, test::random_values(T * D, 1));
          const Tensor up = rig.put({T, D}, test::random_values(T * D, 2));
          const Tensor w = rig.put({D}, test::random_values(D, 3));
          const Tensor norm = rig.arena().take({T, D}, type), gate = rig.arena().take({T, D}, type);
          rig->rms_norm(norm, {}, x, w, 1e-6f);
          rig->swiglu(gate, x, up);
          return {numbers(rig, norm), numbers(rig, gate)};
        };
      };
      // One rounding to 16 bits more than in f32, of numbers that are apart by that.
      const double half = dtype == DType::f16 ? 0x1p-10 : 0x1p-7;
      std::vector<std::vector<double>> allowed;
      for (const Floats& values : on_ref(op(DType::f32)))
        allowed.push_back(test::tolerances(test::magnitudes(values), half, 1e-6));
      expect_agreement(op(dtype), allowed);
    }
}

}  // namespace
}  // namespace r1
