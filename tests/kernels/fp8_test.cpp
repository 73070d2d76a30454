#include <array>
#include <utility>

#include "lib/tensor/float8.h"
#include "tests/support/kernel_test.h"

namespace r1 {
namespace {

using test::Op;
using test::Rig;
using Floats = std::vector<float>;

constexpr DType kTypes[] = {DType::f8_e4m3, DType::f8_e5m2};

class Fp8Test : public test::KernelTest {
 protected:
  // x as 8-bit floats, and their scale.
  static std::pair<Tensor, Tensor> rounded(Rig& rig, const Tensor& x, DType dtype) {
    const Tensor y = rig.arena().take(x.shape, dtype), scale = rig.unwritten({1});
    rig->round_to_fp8(y, scale, x);
    return {y, scale};
  }
  // The numbers that round_to_fp8 makes of x, without the scale; and the scale.
  static std::vector<Floats> round(Rig& rig, const Floats& x, DType dtype) {
    const auto [y, scale] = rounded(rig, rig.put({static_cast<std::int64_t>(x.size())}, x), dtype);
    Floats values(x.size());
    unpack(values, rig.get<std::uint8_t>(y).data(), dtype);
    return {values, rig.get(scale)};
  }
};

TEST_F(Fp8Test, RoundingIsTheSameToTheBit) {
  for (const DType dtype : kTypes)
    for (const std::int64_t n : {1, 31, 257, 4096, 4097, 9001})
      for (const float size : {1e-30f, 1.0f, 3e30f}) {
        SCOPED_TRACE(std::string(to_string(dtype)) + " " + std::to_string(n));
        const Floats x = test::random_values(n, 1, -size, size);
        expect_agreement([&](Rig& rig) { return round(rig, x, dtype); },
                         {std::vector<double>(x.size(), 0.0), {0.0}});
      }
}

TEST_F(Fp8Test, TheLargestElementBecomesTheLargestNumber) {
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

TEST_F(Fp8Test, ZerosStayZerosWithTheScaleOne) {
  for (const test::Candidate& candidate : test::backends_and_ref()) {
    Rig rig(candidate);
    for (const DType dtype : kTypes)
      EXPECT_EQ(round(rig, {0.0f, 0.0f, 1e-44f}, dtype), (std::vector<Floats>{{0, 0, 0}, {1}}))
          << candidate.name;
  }
}

// What is written may not depend on what the scale was before: it begins as NaN. And of two calls
// one after another the second sees its own largest alone.
TEST_F(Fp8Test, ASmallerTensorAfterALargerOneHasItsOwnScale) {
  for (const test::Candidate& candidate : test::backends_and_ref()) {
    Rig rig(candidate);
    round(rig, {448.0f}, DType::f8_e4m3);
    EXPECT_EQ(round(rig, {1.75f}, DType::f8_e4m3)[1], Floats{0x1p-8f}) << candidate.name;
  }
}

// Products of 8-bit floats have at most 8 bits: nothing rounds but the sums, and with f32 sums
// those of small whole numbers do not either.
TEST_F(Fp8Test, ProductsOfWholeNumbersAreExact) {
  for (const DType x_type : kTypes)
    for (const DType w_type : kTypes)
      for (const auto& [T, N, K] : {std::array{1, 1, 1}, {3, 4, 16}, {9, 36, 48}, {17, 33, 31}}) {
        SCOPED_TRACE(std::string(to_string(x_type)) + " " + std::string(to_string(w_type)) + " " +
                     to_string(Shape{T, N, K}));
        const auto whole = [](std::int64_t n, int step) {  // -4 … 4
          Floats values;
          for (std::int64_t i = 0; i < n; ++i)
            values.push_back(static_cast<float>(i * step % 9 - 4));
          return values;
        };
        const Floats x = whole(T * K, 5), w = whole(N * K, 7);
        const Op op = [&, T = T, N = N, K = K](Rig& rig) -> std::vector<Floats> {
          const Tensor y = rig.unwritten({T, N});
          rig->linear_fp8(y, rig.plain_weight({T, K}, x, x_type), rig.put({1}, {0.5f}),
                          rig.plain_weight({N, K}, w, w_type), rig.put({1}, {8.0f}));
          return {rig.get(y)};
        };
        expect_agreement(op, {std::vector<double>(static_cast<std::size_t>(T * N), 0.0)});
      }
}

// Sums of |x||w| are K at most. A card's tensor cores keep fewer bits of a partial sum than f32
// (arXiv:2412.19437, 3.3.2, has 14 for sm_90): its share.
TEST_F(Fp8Test, ProductsOfRoundedTensorsAgree) {
  constexpr std::int64_t T = 33, N = 68, K = 144;
  for (const DType x_type : kTypes)
    for (const DType w_type : kTypes) {
      SCOPED_TRACE(std::string(to_string(x_type)) + " " + std::string(to_string(w_type)));
      const Op op = [&](Rig& rig) -> std::vector<Floats> {
        const auto [x, x_scale] =
            rounded(rig, rig.put({T, K}, test::random_values(T * K, 1)), x_type);
        const auto [w, w_scale] =
            rounded(rig, rig.put({N, K}, test::random_values(N * K, 2)), w_type);
        const Tensor y = rig.unwritten({T, N});
        rig->linear_fp8(y, x, x_scale, w, w_scale);
        return {rig.get(y)};
      };
      const double share = test::roundings(K + 4) + 0x1p-14;
      expect_agreement(op, {std::vector<double>(static_cast<std::size_t>(T * N), share * K)});
    }
}

}  // namespace
}  // namespace r1
