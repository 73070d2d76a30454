#pragma once

#include <cstddef>
#include <cstdint>

#include <cuda_runtime.h>

#include "lib/tensor/tensor.h"

namespace r1::cuda {

class Finish;  // epilogue.cuh

// Products of few rows of x, as decoding makes them: bound by the bytes of the weight, which are
// read once for all rows.
inline constexpr std::int64_t kFewRows = 8;

// y [T, N] = finish(x [T, K] w [N, K]^T) for T <= kFewRows; w f32, f16 or bf16.
void linear_rows(const Tensor& y, const Tensor& x, const Tensor& w, const Finish& finish,
                 cudaStream_t stream);

// The same for a quantized w with fields at multiples of 16 (quant_layout.h). x is rounded to 8
// bits in blocks of 32, into `room` of rounded_rows_bytes.
void linear_quant(const Tensor& y, const Tensor& x, const Tensor& w, void* room,
                  const Finish& finish, cudaStream_t stream);
std::size_t rounded_rows_bytes(std::int64_t T, std::int64_t K);

}  // namespace r1::cuda
