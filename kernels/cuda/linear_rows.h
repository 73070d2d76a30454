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

// How their work is divided: kSharers threads, a warp or the block, make kOutputs of all rows, and
// each has kAhead pieces of each output's weights under way. kBlocks on a processor at least, which
// says how many registers a thread may have.
inline constexpr int kShareThreads = 128;
template <int kSharers_, int kOutputs_, int kAhead_, int kBlocks_ = 4>
struct Share {
  static constexpr int kSharers = kSharers_, kOutputs = kOutputs_, kAhead = kAhead_;
  static constexpr int kBlocks = kBlocks_, kPerBlock = kShareThreads / kSharers * kOutputs;
};

// Whether w is as `load_weight` made it, so that no kernel in flight writes it: it may be read
// before `wait_for_earlier`. What is trained is not packed.
inline bool is_constant(const Tensor& w) { return w.packed || is_quantized(w.dtype); }

// y [T, N] = finish(x [T, K] w [N, K]^T) for T <= kFewRows; w f32, f16 or bf16.
void linear_rows(const Tensor& y, const Tensor& x, const Tensor& w, const Finish& finish,
                 cudaStream_t stream);

// The same for a quantized w with fields at multiples of 16 (quant_layout.h). x is rounded to 8
// bits in blocks of 32, into `room` of rounded_rows_bytes.
void linear_quant(const Tensor& y, const Tensor& x, const Tensor& w, void* room,
                  const Finish& finish, cudaStream_t stream);
std::size_t rounded_rows_bytes(std::int64_t T, std::int64_t K);

}  // namespace r1::cuda
