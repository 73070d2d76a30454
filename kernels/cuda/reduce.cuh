#pragma once

#include <cstdint>

#include <cuda_runtime.h>

#include "kernels/cuda/launch.cuh"

namespace r1::cuda {

inline constexpr int kWarp = 32;
inline constexpr unsigned kAllLanes = 0xffffffffu;

struct Sum {
  static constexpr float kNothing = 0.0f;
  __device__ static float of(float a, float b) { return a + b; }
};
struct Largest {
  static constexpr float kNothing = -INFINITY;
  __device__ static float of(float a, float b) { return fmaxf(a, b); }
};

// Over the warp, in every lane; the same bits in all.
template <typename Op>
__device__ inline float over_warp(float value) {
  for (int bits = kWarp / 2; bits > 0; bits /= 2)
    value = Op::of(value, __shfl_xor_sync(kAllLanes, value, bits));
  return value;
}
__device__ inline float warp_sum(float value) { return over_warp<Sum>(value); }
__device__ inline float warp_max(float value) { return over_warp<Largest>(value); }

// Over a row that kThreads threads share: a warp, or all of a block, in every thread.
template <typename Op, int kThreads>
__device__ float over_row(float value) {
  value = over_warp<Op>(value);
  if constexpr (kThreads > kWarp) {
    __shared__ float per_warp[kThreads / kWarp];
    __syncthreads();  // an earlier call may still be reading
    if (threadIdx.x % kWarp == 0) per_warp[threadIdx.x / kWarp] = value;
    __syncthreads();
    value = Op::kNothing;
    for (int i = 0; i < kThreads / kWarp; ++i) value = Op::of(value, per_warp[i]);
  }
  return value;
}

// Blocks of 256 threads over rows: a row to each warp, or to the whole block where rows are long.
inline constexpr int kRowThreads = 256;
inline constexpr std::int64_t kLongRow = 1024;

template <int kThreads>
__device__ inline std::int64_t my_row() {
  return std::int64_t{blockIdx.x} * (kRowThreads / kThreads) + threadIdx.x / kThreads;
}
template <int kThreads>
Grid grid_of_rows(std::int64_t rows) {
  return {blocks_of(rows, kRowThreads / kThreads), kRowThreads};
}

// Sums of term(r, c) over `each` rows a block, in an order that depends on `rows` alone: of block y
// they become out[y columns + c], or are added to it.
inline constexpr int kColumnParts = 8;
template <bool kAdds, typename Term>
__global__ void column_sums_kernel(float* out, std::int64_t rows, std::int64_t columns,
                                   std::int64_t each, Term term) {
  __shared__ float sums[kColumnParts][kWarp];
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  const int part = static_cast<int>(threadIdx.x) / kWarp;
  const std::int64_t c = std::int64_t{blockIdx.x} * kWarp + lane, begin = blockIdx.y * each;
  float sum = 0.0f;
  if (c < columns)
    for (std::int64_t r = begin + part; r < rows && r < begin + each; r += kColumnParts)
      sum += term(r, c);
  sums[part][lane] = sum;
  __syncthreads();
  if (part > 0 || c >= columns) return;
  for (int p = 1; p < kColumnParts; ++p) sum += sums[p][lane];
  float& to = out[blockIdx.y * columns + c];
  to = kAdds ? to + sum : sum;
}

// out[c] += the sum of term(r, c) over rows. Many rows go in pieces first, whose sums are in
// `room`, of column_sums_bytes.
inline constexpr std::int64_t kColumnRows = 512;
inline std::size_t column_sums_bytes(std::int64_t rows, std::int64_t columns) {
  return blocks_of(rows, kColumnRows) * static_cast<std::size_t>(columns) * sizeof(float);
}
template <typename Term>
void column_sums(const char* op, cudaStream_t stream, float* out, void* room, std::int64_t rows,
                 std::int64_t columns, const Term& term) {
  const unsigned pieces = blocks_of(rows, kColumnRows), wide = blocks_of(columns, kWarp);
  const Grid grid{{wide, pieces}, kColumnParts * kWarp}, last{{wide, 1}, kColumnParts * kWarp};
  if (pieces <= 1)
    return launch(op, stream, last, column_sums_kernel<true, Term>, out, rows, columns, rows, term);
  auto* sums = static_cast<float*>(room);
  launch(op, stream, grid, column_sums_kernel<false, Term>, sums, rows, columns, kColumnRows, term);
  const auto of_piece = [=] __device__(std::int64_t r, std::int64_t c) {
    return sums[r * columns + c];
  };
  launch(op, stream, last, column_sums_kernel<true, decltype(of_piece)>, out, std::int64_t{pieces},
         columns, std::int64_t{pieces}, of_piece);
}

}  // namespace r1::cuda
