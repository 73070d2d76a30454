#include "kernels/cpu/isa/attend.h"
#include "kernels/cpu/isa/kernels.h"
#include "kernels/cpu/isa/peak.h"
#include "kernels/cpu/isa/products.h"
#include "kernels/cpu/isa/quads.h"
#include "kernels/cpu/isa/rows.h"
#include "kernels/cpu/isa/sums.h"

namespace r1::R1_ISA {

extern const cpu::Kernels kKernels;  // for others, whatever the level is called
const cpu::Kernels kKernels = {
    .name = R1_ISA_NAME,
    .has_f16 = kHasF16,
    .has_bf16 = kHasBf16,
    .product = product,
    .product_spread = product_spread,
    .spread = spread,
    .add_product = add_product,
    .add_product_of_pairs = add_product_of_pairs,
    .add_product_of_halves = add_product_of_halves,
    .quantize = quantize,
    .scale_to_f16 = scale_to_f16,
    .scale_bf16_to_f16 = scale_bf16_to_f16,
    .columns_to_f16 = columns_to_f16,
    .columns_of_bf16_to_f16 = columns_of_bf16_to_f16,
    .to_f16 = to_f16,
    .to_bf16 = to_bf16,
    .round_to_bf16 = round_to_bf16,
    .to_whole = to_whole,
    .multiply_in_registers = multiply_in_registers,
    .turn = turn,
    .turn_pairs = turn_pairs,
    .rotate = rotate,
    .rotate_backward = rotate_backward,
    .dot = dot,
    .axpy = axpy,
    .blend = blend,
    .scale_by = scale_by,
    .add_scaled_by = add_scaled_by,
    .rms_norm_backward = rms_norm_backward,
    .largest = largest,
    .exp_sum = exp_sum,
    .softmax_backward = softmax_backward,
    .swiglu = swiglu,
    .swiglu_backward = swiglu_backward,
    .gelu = gelu,
    .gelu_backward = gelu_backward,
    .adamw = adamw,
    .attend_f32 = attend_f32,
    .attend_f16 = attend_f16,
    .attend_bf16 = attend_bf16,
    .attend_q8_0 = attend_q8_0,
};

}  // namespace r1::R1_ISA
