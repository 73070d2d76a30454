#pragma once

#include "kernels/cpu/isa/kernels.h"

namespace r1::R1_ISA {

void product(cpu::PanelType type, float* y, std::int64_t stride, const void* panel,
             const cpu::Rows& x, std::int64_t rows, std::int64_t K, std::int64_t n);
void quantize(std::int8_t* q, float* scale, std::int32_t* sum, const float* x, std::int64_t K);
void to_bf16(std::uint16_t* y, const float* x, std::int64_t n);

}  // namespace r1::R1_ISA
