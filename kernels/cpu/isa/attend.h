#pragma once

#include "kernels/cpu/isa/kernels.h"

namespace r1::R1_ISA {

void attend_f32(cpu::AttendRow* const* rows, int count, const cpu::PastPage& page);
void attend_bf16(cpu::AttendRow* const* rows, int count, const cpu::PastPage& page);

}  // namespace r1::R1_ISA
