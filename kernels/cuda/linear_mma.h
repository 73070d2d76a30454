#pragma once

#include <cstddef>
#include <cstdint>

#include <cuda_runtime.h>

#include "lib/tensor/tensor.h"

namespace r1::cuda {

class Finish;  // epilogue.cuh

// Products on tensor cores for any number of rows of x: both operands in f16 where w is f16, else
// in bf16; sums in f32. The products of an output are added in order of k, 16 at a time, whatever
// the sizes: a row has the same bits in any batch.

// Is w a matrix they can read, and may they round x for it?
bool suits_tensor_cores(const Tensor& w);
DType rounded_type(const Tensor& w);  // of x for it

// y [T, N] = finish(x [T, K] w [N, K]^T). x is rounded into `room`, of half_rows_bytes.
void linear_mma(const Tensor& y, const Tensor& x, const Tensor& w, void* room, const Finish& finish,
                cudaStream_t stream);
std::size_t half_rows_bytes(std::int64_t T, std::int64_t K);

// x as f16 or bf16 with rows of rounded_pitch(K), zeros after K.
void round_rows(std::uint16_t* to, const Tensor& x, DType type, cudaStream_t stream);
std::int64_t rounded_pitch(std::int64_t K);

}  // namespace r1::cuda
