#pragma once

#include "kernels/cpu/isa/kernels.h"

namespace r1::R1_ISA {

void attend_f32(cpu::AttendRow* const* rows, int count, const cpu::PastPage& page);
void attend_f16(cpu::AttendRow* const* rows, int count, const cpu::PastPage& page);
void attend_bf16(cpu::AttendRow* const* rows, int count, const cpu::PastPage& page);
void attend_q8_0(cpu::AttendRow* const* rows, int count, const cpu::PastPage& page);
float to_whole(std::int16_t* y, const float* x, std::int64_t n);

}  // namespace r1::R1_ISA
