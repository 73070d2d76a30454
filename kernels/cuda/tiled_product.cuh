#pragma once

#include <cstdint>

#include <cuda_runtime.h>

#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/reduce.cuh"
#include "kernels/cuda/weight_source.cuh"

namespace r1::cuda {

// C [M, N] = the sum over K of A(m, k) B(n, k), in f32. A block makes 64 x 64 elements, a thread 4
// x 4 of them, from tiles of 16 k in shared memory: 16 operations for a float read. Any size, any
// weight type: the definition that tensor-core products are measured against, and what training in
// f32 uses.

inline constexpr int kTile = 64, kStep = 16, kProductThreads = 256;
inline constexpr int kPitch = kTile + 4;  // a multiple of 16 bytes, and off the banks

// A source as an operand: kAlongK: k runs along its rows, as in x and w of x w^T; else its rows are
// numbered by k.
template <bool kAlongK, typename Source>
struct Operand {
  Source source;

  // tile[k][i] = operand(first + i, k0 + k), zero outside.
  __device__ void fill(float (&tile)[kStep][kPitch], std::int64_t first, std::int64_t k0) const {
    const int thread = static_cast<int>(threadIdx.x);
    const int row = kAlongK ? thread / 4 : thread / 16;
    const int column = kAlongK ? thread % 4 * 4 : thread % 16 * 4;
    const std::int64_t r = (kAlongK ? first : k0) + row, c = (kAlongK ? k0 : first) + column;
    float values[4] = {};
    if (r < source.rows && c < source.cols) source.four(values, r, c);
    for (int i = 0; i < 4; ++i) {
      if constexpr (kAlongK)
        tile[column + i][row] = values[i];
      else
        tile[row][column + i] = values[i];
    }
  }
};

template <bool kAlongK, typename Source>
Operand<kAlongK, Source> operand(const Source& source) {
  return {source};
}

// kAdd: C += instead of C =. Block z sums `each` of the k, and its C is that of number z.
template <bool kAdd, typename A, typename B>
__global__ void __launch_bounds__(kProductThreads)
    product_kernel(float* C, std::int64_t M, std::int64_t N, std::int64_t K, std::int64_t each, A a,
                   B b) {
  __shared__ float a_tile[kStep][kPitch];
  __shared__ float b_tile[kStep][kPitch];
  const int row = static_cast<int>(threadIdx.x) / 16 * 4;
  const int column = static_cast<int>(threadIdx.x) % 16 * 4;
  const std::int64_t m0 = std::int64_t{blockIdx.y} * kTile, n0 = std::int64_t{blockIdx.x} * kTile;
  float sums[4][4] = {};
  const std::int64_t begin = blockIdx.z * each, end = begin + each < K ? begin + each : K;
  C += blockIdx.z * M * N;
  for (std::int64_t k0 = begin; k0 < end; k0 += kStep) {
    a.fill(a_tile, m0, k0);
    b.fill(b_tile, n0, k0);
    __syncthreads();
#pragma unroll
    for (int k = 0; k < kStep; ++k)
      for (int i = 0; i < 4; ++i)
        for (int j = 0; j < 4; ++j) sums[i][j] += a_tile[k][row + i] * b_tile[k][column + j];
    __syncthreads();
  }
  for (int i = 0; i < 4; ++i)
    for (int j = 0; j < 4; ++j) {
      const std::int64_t m = m0 + row + i, n = n0 + column + j;
      if (m >= M || n >= N) continue;
      if constexpr (kAdd)
        C[m * N + n] += sums[i][j];
      else
        C[m * N + n] = sums[i][j];
    }
}

template <bool kAdd, typename A, typename B>
void tiled_product(const char* op, cudaStream_t stream, float* C, std::int64_t M, std::int64_t N,
                   std::int64_t K, const A& a, const B& b) {
  launch(op, stream, {{blocks_of(N, kTile), blocks_of(M, kTile)}, kProductThreads},
         product_kernel<kAdd, A, B>, C, M, N, K, K, a, b);
}

// The same, C += it, of few elements that are long sums: a card is filled by pieces of these, which
// are added up in `room`, of split_product_bytes. How they are cut depends on the shape alone.
inline constexpr std::int64_t kPieceTerms = 512;  // whole steps
inline bool is_split(std::int64_t M, std::int64_t N, std::int64_t K) {
  constexpr unsigned kFewBlocks = 64;
  return blocks_of(M, kTile) * blocks_of(N, kTile) <= kFewBlocks && K >= 4 * kPieceTerms;
}
inline std::size_t split_product_bytes(std::int64_t M, std::int64_t N, std::int64_t K) {
  if (!is_split(M, N, K)) return 0;
  const std::size_t pieces = blocks_of(K, kPieceTerms);
  return pieces * static_cast<std::size_t>(M * N) * sizeof(float) +
         column_sums_bytes(static_cast<std::int64_t>(pieces), M * N);
}
template <typename A, typename B>
void split_product(const char* op, cudaStream_t stream, float* C, void* room, std::int64_t M,
                   std::int64_t N, std::int64_t K, const A& a, const B& b) {
  if (!is_split(M, N, K)) return tiled_product<true>(op, stream, C, M, N, K, a, b);
  const std::int64_t pieces = blocks_of(K, kPieceTerms), elements = M * N;
  auto* parts = static_cast<float*>(room);
  launch(
      op, stream,
      {{blocks_of(N, kTile), blocks_of(M, kTile), static_cast<unsigned>(pieces)}, kProductThreads},
      product_kernel<false, A, B>, parts, M, N, K, kPieceTerms, a, b);
  column_sums(op, stream, C, parts + pieces * elements, pieces, elements,
              [=] __device__(std::int64_t p, std::int64_t i) { return parts[p * elements + i]; });
}

}  // namespace r1::cuda
