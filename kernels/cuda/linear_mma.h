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

// y [T, N] = finish(x [T, K] w [N, K]^T). x as half_rows takes it.
void linear_mma(const Tensor& y, const Tensor& x, const Tensor& w, void* room, const Finish& finish,
                cudaStream_t stream);

// x as `type`, f16 or bf16, with rows of rounded_pitch(K), zeros after K: x itself where it is of
// this type already (then K has that length), else rounded into `room`, of half_rows_bytes.
const std::uint16_t* half_rows(const Tensor& x, DType type, void* room, cudaStream_t stream);
std::size_t half_rows_bytes(const Tensor& x);
std::int64_t rounded_pitch(std::int64_t K);

// w [N, K] as rounded_type(w), for products by others: w itself, or of a quantized one a copy in
// `room`, of whole_weight_bytes.
const std::uint16_t* whole_weight(const Tensor& w, void* room, cudaStream_t stream);
std::size_t whole_weight_bytes(const Tensor& w);

}  // namespace r1::cuda
