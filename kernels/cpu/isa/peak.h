#pragma once

#include "kernels/cpu/isa/kernels.h"

namespace r1::R1_ISA {

double multiply_in_registers(cpu::PanelType type, std::int64_t rounds);

}  // namespace r1::R1_ISA
