// The rate that r1-bench calls a limit comes from this count of operations.
#include <gtest/gtest.h>

#include "tests/support/backends.h"

namespace r1 {
namespace {

TEST(MultiplyInRegisters, CountsOperationsOfEveryThreadAndRound) {
  for (const auto& candidate : test::backends()) {
    SCOPED_TRACE(candidate.name);
    if (!candidate.name.starts_with("cpu")) continue;
    const auto one = test::Candidate{candidate.name, 1}.open();
    for (const DType type : {DType::f32, DType::bf16, DType::q8_0, DType::q4_k}) {
      const double round = one->multiply_in_registers(type, 1);
      EXPECT_GT(round, 0);
      EXPECT_EQ(one->multiply_in_registers(type, 7), 7 * round);
    }
  }
}

TEST(MultiplyInRegisters, NarrowerNumbersAreMorePerStep) {
  for (const auto& candidate : test::backends()) {
    if (!candidate.name.starts_with("cpu")) continue;
    const auto backend = candidate.open();
    const double f32 = backend->multiply_in_registers(DType::f32, 1);
    // Others multiply 16 bits in f32.
    const bool halves = candidate.name == "cpu avx512_fp16" || candidate.name == "cpu avx512";
    for (const DType type : {DType::bf16, DType::f16})
      EXPECT_EQ(backend->multiply_in_registers(type, 1), halves ? 2 * f32 : f32);
    EXPECT_EQ(backend->multiply_in_registers(DType::q8_0, 1), 4 * f32);
  }
}

TEST(MultiplyInRegisters, RefHasNoInstructionsOfItsOwn) {
  EXPECT_EQ(open_backend("ref")->multiply_in_registers(DType::f32, 1), 0);
}

}  // namespace
}  // namespace r1
