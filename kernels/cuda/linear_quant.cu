// y = x w^T for up to 8 rows of x and a quantized weight. x is rounded to 8 bits in blocks of 32,
// so that products are of whole numbers, four at a time. A warp or a block makes a
// few outputs of all rows; a lane reads 16 bytes of quants (a piece: 16 or 32 elements) of each
// weight row at a time. Moves the weight's bytes once, and x, a quarter of its f32 size, from the
// L1 cache.
#include "kernels/cuda/epilogue.cuh"
#include "kernels/cuda/intrinsics.cuh"
#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/linear_rows.h"
#include "kernels/cuda/quant_piece.cuh"
#include "kernels/cuda/reduce.cuh"

namespace r1::cuda {
namespace {

constexpr int kThreads = kShareThreads;
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
  wait_for_earlier();
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

// kRows >= T: rows beyond T read row 0 and are not written. A thread takes the same piece of each
// of its blocks.
template <typename Format, int kRows, typename Share>
__global__ void __launch_bounds__(kThreads, Share::kBlocks)
    quant_rows_kernel(float* y, RoundedRows x, Blocks w, std::int64_t N, Finish finish) {
  using Raw = typename Format::Raw;
  constexpr int kOutputs = Share::kOutputs, kAhead = Share::kAhead;
  constexpr int kStep = Share::kSharers / Format::kPieces;  // from a thread's block to its next
  constexpr int kElements = 16 * Format::kGroups * Format::kPieces;
  const int thread = static_cast<int>(threadIdx.x), mine = thread % Share::kSharers;
  const int i = mine % Format::kPieces, first = mine / Format::kPieces;
  const int blocks = static_cast<int>(w.per_row);
  const std::int64_t n0 =
      std::int64_t{blockIdx.x} * Share::kPerBlock + thread / Share::kSharers * kOutputs;
  int row[kOutputs];  // its first block
  for (int o = 0; o < kOutputs; ++o)
    row[o] = static_cast<int>((n0 + o < N ? n0 + o : N - 1) * w.per_row);
  Raw raw[kAhead][kOutputs] = {};
  const auto load = [&](Raw(&to)[kOutputs], int b) {
    if (b < blocks)
      for (int o = 0; o < kOutputs; ++o) to[o] = Format::load(w, row[o] + b, i);
  };
#pragma unroll
  for (int a = 0; a < kAhead; ++a) load(raw[a], first + a * kStep);
  wait_for_earlier();
  float sums[kOutputs][kRows] = {};
#pragma unroll 1
  for (int b0 = first; b0 < blocks; b0 += kAhead * kStep)
#pragma unroll
    for (int a = 0; a < kAhead; ++a) {
      const int b = b0 + a * kStep;
      if (b >= blocks) break;
      Piece<Format> piece[kOutputs];
#pragma unroll
      for (int o = 0; o < kOutputs; ++o) piece[o] = unpacked<Format>(raw[a][o], i);
      load(raw[a], b + kAhead * kStep);
#pragma unroll
      for (int t = 0; t < kRows; ++t)
#pragma unroll
        for (int g = 0; g < Format::kGroups; ++g) {
          const int at = (t < x.T ? t : 0) * x.K + b * kElements + Format::first_element(i, g);
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
      const float sum = over_row<Sum, Share::kSharers>(sums[o][t]);
      const std::int64_t n = n0 + o, at = t * N + n;
      if (mine == 0 && t < x.T && n < N) y[at] = finish(sum, at, n);
    }
}

template <typename Format, int kRows, typename Share>
void run(const Tensor& y, const RoundedRows& x, const Tensor& w, const Finish& finish,
         cudaStream_t stream) {
  launch_early("linear", stream, {blocks_of(w.rows(), Share::kPerBlock), kThreads},
               quant_rows_kernel<Format, kRows, Share>, y.as<float>(), x, blocks_of(w), w.rows(),
               finish);
}

// How one row of x is multiplied, as measured on an H100: outputs to a warp, and to a block. What
// is read of x serves more outputs where a piece takes long to unpack; more pieces are under way
// where it does not. Three blocks of Q5_K hold what four would spill.
template <typename Format>
struct OneRow {
  using Warp = Share<kWarp, 2, 2>;
  using Block = Share<kThreads, 2, 1, 6>;
};
template <bool kHigh>
struct OneRow<PieceK<kHigh>> {
  using Warp = Share<kWarp, 2, kHigh ? 2 : 1>;
  using Block = Share<kThreads, 4, 1, kHigh ? 3 : 4>;
};
template <>
struct OneRow<PieceQ6_K> {
  using Warp = Share<kWarp, 2, 2>;
  using Block = Share<kThreads, 4, 1>;
};
template <bool kScales>
struct OneRow<PieceIQ4<kScales>> {
  using Warp = Share<kWarp, 4, 1>;
  using Block = Share<kThreads, 4, 1>;
};

template <typename Format>
void choose(const Tensor& y, const RoundedRows& x, const Tensor& w, const Finish& finish,
            cudaStream_t stream) {
  constexpr std::int64_t kFewOutputs = 1024;  // of which warps alone leave processors idle
  const std::int64_t pieces = w.cols() / (16 * Format::kGroups);
  if (x.T == 1 && (pieces > kThreads || w.rows() <= kFewOutputs))
    return run<Format, 1, typename OneRow<Format>::Block>(y, x, w, finish, stream);
  if (x.T == 1) return run<Format, 1, typename OneRow<Format>::Warp>(y, x, w, finish, stream);
  if (x.T <= 4) return run<Format, 4, Share<kWarp, 2, 2, 3>>(y, x, w, finish, stream);
  run<Format, 8, Share<kWarp, 2, 1, 3>>(y, x, w, finish, stream);
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
  launch_early("linear", stream, {blocks_of(blocks, kThreads / kWarp), kThreads}, round_kernel,
               rows, x.as<float>(), blocks);
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
