// y = x w^T for up to 8 rows of x and a quantized weight. x is rounded to 8 bits in blocks of 32,
// so that products are of whole numbers, four at a time. A warp makes a few outputs of all rows; a
// lane reads 16 bytes of quants (a piece: 16 or 32 elements) of each weight row at a time. Moves
// the weight's bytes once, and x, a quarter of its f32 size, from the L1 cache.
#include "kernels/cuda/epilogue.cuh"
#include "kernels/cuda/intrinsics.cuh"
#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/linear_rows.h"
#include "kernels/cuda/quant_piece.cuh"
#include "kernels/cuda/reduce.cuh"

namespace r1::cuda {
namespace {

constexpr int kThreads = 128;
constexpr int kRounded = 32;  // elements of x that share a scale

struct RoundedRows {
  std::int8_t* q;  // [T, K]
  float* scale;    // [T, K / 32]
  int T, K;        // T K is below 2^31: T is 8 at most
};

// Of the scales, so that the numbers behind them begin at a multiple of 16 bytes.
std::int64_t scale_floats(std::int64_t T, std::int64_t K) { return (T * K / kRounded + 3) / 4 * 4; }

RoundedRows rounded_rows(void* room, std::int64_t T, std::int64_t K) {
  auto* scale = static_cast<float*>(room);
  auto* q = reinterpret_cast<std::int8_t*>(scale + scale_floats(T, K));
  return {q, scale, static_cast<int>(T), static_cast<int>(K)};
}

// A warp a block of 32.
__global__ void round_kernel(RoundedRows to, const float* x, std::int64_t blocks) {
  const std::int64_t b = std::int64_t{blockIdx.x} * (kThreads / kWarp) + threadIdx.x / kWarp;
  if (b >= blocks) return;
  const std::int64_t i = b * kRounded + threadIdx.x % kWarp;
  const float most = warp_max(fabsf(x[i]));
  const float inverse = most > 0.0f ? 127.0f / most : 0.0f;
  to.q[i] = static_cast<std::int8_t>(rintf(x[i] * inverse));
  if (threadIdx.x % kWarp == 0) to.scale[b] = most / 127.0f;
}

// The products of 16 whole numbers, summed up.
__device__ inline int dot16(const int (&a)[4], const int4& b) {
  return __dp4a(a[0], b.x, __dp4a(a[1], b.y, __dp4a(a[2], b.z, __dp4a(a[3], b.w, 0))));
}

// Blocks on a processor at least, which says how many registers a thread may have.
template <int kRows>
inline constexpr int kBlocks = kRows == 1 ? 5 : 3;

// kRows >= T: rows beyond T read row 0 and are not written. kOutputs: a warp's.
template <typename Format, int kRows, int kOutputs>
__global__ void __launch_bounds__(kThreads, kBlocks<kRows>)
    quant_rows_kernel(float* y, RoundedRows x, Blocks w, std::int64_t N, Finish finish) {
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  const std::int64_t warp = std::int64_t{blockIdx.x} * (kThreads / kWarp) + threadIdx.x / kWarp;
  const std::int64_t n0 = warp * kOutputs;
  if (n0 >= N) return;
  float sums[kOutputs][kRows] = {};
  std::int64_t first[kOutputs];  // blocks
  for (int o = 0; o < kOutputs; ++o) first[o] = (n0 + o < N ? n0 + o : N - 1) * w.per_row;
  const int pieces = static_cast<int>(w.per_row) * Format::kPieces;
#pragma unroll 1
  for (int c = lane; c < pieces; c += kWarp) {
    Piece<Format> piece[kOutputs];
#pragma unroll
    for (int o = 0; o < kOutputs; ++o) piece[o].load(w, first[o], c);
#pragma unroll
    for (int t = 0; t < kRows; ++t)
#pragma unroll
      for (int g = 0; g < Format::kGroups; ++g) {
        const int at = (t < x.T ? t : 0) * x.K + Format::first_element(c, g);
        const int4 q = *reinterpret_cast<const int4*>(x.q + at);
        const float scale = x.scale[at / kRounded];
        constexpr int kOnes[4] = {0x01010101, 0x01010101, 0x01010101, 0x01010101};
        const int total = Format::kOffset != 0 || Format::kMinimum ? dot16(kOnes, q) : 0;
#pragma unroll
        for (int o = 0; o < kOutputs; ++o) {
          const int product = dot16(piece[o].q[g], q) - Format::kOffset * total;
          float sum = piece[o].scale[g] * static_cast<float>(product);
          if constexpr (Format::kMinimum) sum -= piece[o].low[g] * static_cast<float>(total);
          sums[o][t] += scale * sum;
        }
      }
  }
#pragma unroll
  for (int o = 0; o < kOutputs; ++o)
#pragma unroll
    for (int t = 0; t < kRows; ++t) {
      const float sum = warp_sum(sums[o][t]);
      const std::int64_t n = n0 + o, i = t * N + n;
      if (lane == 0 && t < x.T && n < N) y[i] = finish(sum, i, n);
    }
}

template <typename Format, int kRows, int kOutputs>
void run(const Tensor& y, const RoundedRows& x, const Tensor& w, const Finish& finish,
         cudaStream_t stream) {
  launch("linear", stream, {blocks_of(w.rows(), kThreads / kWarp * kOutputs), kThreads},
         quant_rows_kernel<Format, kRows, kOutputs>, y.as<float>(), x, blocks_of(w), w.rows(),
         finish);
}

template <typename Format>
void choose(const Tensor& y, const RoundedRows& x, const Tensor& w, const Finish& finish,
            cudaStream_t stream) {
  if (x.T == 1) return run<Format, 1, 2>(y, x, w, finish, stream);
  if (x.T <= 4) return run<Format, 4, 2>(y, x, w, finish, stream);
  run<Format, 8, 2>(y, x, w, finish, stream);
}

}  // namespace

std::size_t rounded_rows_bytes(std::int64_t T, std::int64_t K) {
  return static_cast<std::size_t>(scale_floats(T, K)) * sizeof(float) +
         static_cast<std::size_t>(T * K);
}

void linear_quant(const Tensor& y, const Tensor& x, const Tensor& w, void* room,
                  const Finish& finish, cudaStream_t stream) {
  const RoundedRows rows = rounded_rows(room, x.rows(), x.cols());
  const std::int64_t blocks = x.shape.elements() / kRounded;
  launch("linear", stream, {blocks_of(blocks, kThreads / kWarp), kThreads}, round_kernel, rows,
         x.as<float>(), blocks);
  switch (w.dtype) {
    case DType::q8_0:
      return choose<PieceQ8_0>(y, rows, w, finish, stream);
    case DType::q4_0:
      return choose<PieceQ4_0>(y, rows, w, finish, stream);
    case DType::q4_k:
      return choose<PieceK<false>>(y, rows, w, finish, stream);
    case DType::q5_k:
      return choose<PieceK<true>>(y, rows, w, finish, stream);
    case DType::q6_k:
      return choose<PieceQ6_K>(y, rows, w, finish, stream);
    case DType::iq4_nl:
      return choose<PieceIQ4<false>>(y, rows, w, finish, stream);
    case DType::iq4_xs:
      return choose<PieceIQ4<true>>(y, rows, w, finish, stream);
    default:
      fail_unsupported("linear", "no quantized weight");
  }
}

}  // namespace r1::cuda
