#pragma once

#include "kernels/cpu/isa/kernels.h"

namespace r1::R1_ISA {

void turn(float* panel, float s, const float* x, std::int64_t stride, std::int64_t rows,
          std::int64_t K);
void turn_pairs(cpu::Pair* panel, const cpu::Pair* x, std::int64_t stride, std::int64_t rows,
                std::int64_t K);
void rotate(float* y, const float* x, const float* table, std::int64_t half, bool interleaved);
void rotate_backward(float* dx, const float* dy, const float* table, std::int64_t half,
                     bool interleaved);
float dot(const float* a, const float* b, std::int64_t n);
void axpy(float* y, float s, const float* x, std::int64_t n);
void blend(float* y, float a, const float* x, float b, const float* z, std::int64_t n);
void scale_by(float* y, float s, const float* a, const float* b, std::int64_t n);
void add_scaled_by(float* y, float s, const float* a, const float* b, std::int64_t n);
void rms_norm_backward(float* dx, const float* dy, const float* x, const float* w, float rstd,
                       std::int64_t n);
float largest(const float* x, std::int64_t n);
float exp_sum(float* y, const float* x, float shift, std::int64_t n);
void softmax_backward(float* p, float* dp, float* dA, float scale, std::int64_t n);
void swiglu(float* y, const float* gate, const float* up, std::int64_t n);
void swiglu_backward(float* dgate, float* dup, const float* dy, const float* gate, const float* up,
                     std::int64_t n);
void gelu(float* y, const float* x, std::int64_t n);
void gelu_backward(float* dx, const float* dy, const float* x, std::int64_t n);
void adamw(float* w, float* m, float* v, const float* g, std::int64_t n, const cpu::Adamw& options);

}  // namespace r1::R1_ISA
