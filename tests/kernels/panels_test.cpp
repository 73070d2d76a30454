#include "kernels/cpu/panels.h"

#include <gtest/gtest.h>

#include "lib/tensor/quant_block.h"

namespace r1 {
namespace {

// A model in memory is to be hardly larger than its file.
TEST(Panels, TakeLittleMoreThanTheFile) {
  constexpr std::int64_t kRowElements = 512;
  for (const DType dtype : {DType::q8_0, DType::q4_0, DType::q4_k, DType::q5_k, DType::q6_k,
                            DType::iq4_nl, DType::iq4_xs}) {
    const auto blocks = static_cast<std::size_t>(kRowElements / block_elements(dtype));
    const std::size_t of_file = cpu::kPanelRows * blocks * block_bytes(dtype);
    const std::size_t size = cpu::panel_size(cpu::panel_type(dtype), kRowElements);
    EXPECT_LE(static_cast<double>(size), 1.03 * static_cast<double>(of_file)) << to_string(dtype);
  }
}

}  // namespace
}  // namespace r1
