#pragma once

#include "kernels/cpu/isa/kernels.h"

namespace r1::R1_ISA {

void product(cpu::PanelType type, float* y, std::int64_t stride, const void* panels,
             const cpu::Rows& x, cpu::Range rows, std::int64_t K, std::int64_t n);
void product_spread(cpu::PanelType type, float* y, std::int64_t stride, const void* panels,
                    const cpu::Rows& x, cpu::Range rows, std::int64_t K, std::int64_t n);
void spread(cpu::PanelType type, void* to, const void* panel, std::int64_t K);
void quantize(cpu::PanelType type, cpu::XBlock* to, const float* x, std::int64_t K);
#if defined(__AVX512FP16__)
void add_product_of_halves(float* y, std::int64_t stride, const cpu::HalfPanels& panels,
                           const cpu::Rows& x, cpu::Range rows, std::int64_t pairs, std::int64_t n);
void scale_to_f16(cpu::Pair* to, const float* x, std::int64_t K, int below);
void scale_bf16_to_f16(cpu::Pair* to, const std::uint16_t* x, std::int64_t K, int below);
void columns_to_f16(cpu::Pair* panels, const float* x, std::int64_t stride, std::int64_t K,
                    std::int64_t n);
void columns_of_bf16_to_f16(cpu::Pair* panels, const std::uint16_t* x, std::int64_t stride,
                            std::int64_t K, std::int64_t n);
void to_f16(std::uint16_t* y, const float* x, std::int64_t n);
#else
inline constexpr decltype(cpu::Kernels::add_product_of_halves) add_product_of_halves = nullptr;
inline constexpr decltype(cpu::Kernels::scale_to_f16) scale_to_f16 = nullptr;
inline constexpr decltype(cpu::Kernels::scale_bf16_to_f16) scale_bf16_to_f16 = nullptr;
inline constexpr decltype(cpu::Kernels::columns_to_f16) columns_to_f16 = nullptr;
inline constexpr decltype(cpu::Kernels::columns_of_bf16_to_f16) columns_of_bf16_to_f16 = nullptr;
inline constexpr decltype(cpu::Kernels::to_f16) to_f16 = nullptr;
#endif
void to_bf16(std::uint16_t* y, const float* x, std::int64_t n);
void round_to_bf16(float* y, const float* x, std::int64_t n);

}  // namespace r1::R1_ISA
