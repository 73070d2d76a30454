#pragma once

#include "kernels/cpu/isa/kernels.h"

namespace r1::R1_ISA {

void add_product(float* y, std::int64_t stride, const float* panel, const cpu::Strided<float>& x,
                 cpu::Range rows, std::int64_t K, std::int64_t n);

#if defined(__AVX512BF16__)
void add_product_of_pairs(float* y, std::int64_t stride, const cpu::Pair* panel,
                          const cpu::Strided<cpu::Pair>& x, cpu::Range rows, std::int64_t K,
                          std::int64_t n);
#else
inline constexpr decltype(cpu::Kernels::add_product_of_pairs) add_product_of_pairs = nullptr;
#endif

}  // namespace r1::R1_ISA
