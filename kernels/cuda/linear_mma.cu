// y = x w^T on tensor cores. Up to 64 rows the bytes of w are the floor, and what counts is how
// many of them are under way: 6 to 7 tiles of 4 KiB a block of 16-bit numbers, 2 KiB a block of
// quants, several blocks a processor. Beyond, operations are. The sizes of tiles and where they
// change were chosen by arithmetic, and wait to be measured.
#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/linear_mma.h"
#include "kernels/cuda/mma_product.cuh"
#include "kernels/cuda/weight_source.cuh"

namespace r1::cuda {
namespace {

constexpr std::int64_t kDepth = 128;  // of a tile of quants; x is filled up to a multiple

template <typename Shape>
Grid grid_of(const HalfRows& x, std::int64_t N) {
  return {{blocks_of(x.rows, Shape::kRows), blocks_of(N, Shape::kColumns)},
          static_cast<unsigned>(Shape::kThreads),
          Shape::kSharedBytes};
}

template <typename Type, int kRows, int kColumns, int kRowWarps, int kColumnWarps, int kStages>
void run(const Tensor& y, const HalfRows& x, const Tensor& w, const Finish& finish,
         cudaStream_t stream) {
  using Shape = TileShape<kRows, kColumns, kRowWarps, kColumnWarps, 64, kStages>;
  launch_early("linear", stream, grid_of<Shape>(x, w.rows()), half_product_kernel<Type, Shape>,
               y.as<float>(), x, HalfRows{w.as<std::uint16_t>(), w.rows(), w.cols()}, finish);
}

template <typename Type>
void half_product(const Tensor& y, const HalfRows& x, const Tensor& w, const Finish& finish,
                  cudaStream_t stream) {
  if (x.rows <= 16) return run<Type, 16, 32, 1, 2, 8>(y, x, w, finish, stream);
  if (x.rows <= 32) return run<Type, 32, 32, 1, 2, 8>(y, x, w, finish, stream);
  if (x.rows <= 64) return run<Type, 64, 64, 2, 2, 4>(y, x, w, finish, stream);
  run<Type, 128, 128, 2, 4, 3>(y, x, w, finish, stream);
}

template <typename Format, int kRows, int kColumns, int kRowWarps, int kColumnWarps>
void run_quant(const Tensor& y, const HalfRows& x, const Tensor& w, const Finish& finish,
               cudaStream_t stream) {
  using Shape = TileShape<kRows, kColumns, kRowWarps, kColumnWarps, kDepth, 2>;
  launch_early("linear", stream, grid_of<Shape>(x, w.rows()), quant_product_kernel<Format, Shape>,
               y.as<float>(), x, blocks_of(w), w.rows(), finish);
}

template <typename Format>
void quant_product(const Tensor& y, const HalfRows& x, const Tensor& w, const Finish& finish,
                   cudaStream_t stream) {
  if (x.rows <= 16) return run_quant<Format, 16, 32, 1, 2>(y, x, w, finish, stream);
  if (x.rows <= 64) return run_quant<Format, 64, 64, 2, 2>(y, x, w, finish, stream);
  run_quant<Format, 128, 64, 4, 2>(y, x, w, finish, stream);
}

}  // namespace

bool suits_tensor_cores(const Tensor& w) {
  constexpr std::int64_t kPerPiece = 8;  // of 16 bytes
  if (is_quantized(w.dtype)) return w.packed == is_split(w.dtype);
  const bool half = w.dtype == DType::bf16 || w.dtype == DType::f16;
  return half && w.packed && w.cols() % kPerPiece == 0;
}

DType rounded_type(const Tensor& w) { return w.dtype == DType::f16 ? DType::f16 : DType::bf16; }

std::int64_t rounded_pitch(std::int64_t K) { return (K + kDepth - 1) / kDepth * kDepth; }

std::size_t half_rows_bytes(const Tensor& x) {
  if (x.dtype != DType::f32) return 0;
  return static_cast<std::size_t>(x.rows() * rounded_pitch(x.cols())) * sizeof(std::uint16_t);
}

namespace {

template <typename Type>
void round_rows_to(std::uint16_t* to, const Tensor& x, cudaStream_t stream) {
  const std::int64_t K = x.cols(), pairs = rounded_pitch(K) / 2;
  const float* from = x.as<float>();
  auto* out = reinterpret_cast<unsigned*>(to);
  each("linear", stream, x.rows() * pairs, [=] __device__(std::int64_t i) {
    const std::int64_t t = i / pairs, k = i % pairs * 2;
    const float low = k < K ? from[t * K + k] : 0.0f;
    const float high = k + 1 < K ? from[t * K + k + 1] : 0.0f;
    out[i] = pack<Type>(low, high);
  });
}

template <typename Source>
void round_source(uint2* to, const Source& source, cudaStream_t stream) {
  const std::int64_t fours = source.cols / 4;
  each("linear", stream, source.rows * fours, [=] __device__(std::int64_t i) {
    float v[4];
    source.four(v, i / fours, i % fours * 4);
    to[i] = {pack_bfloats(v[0], v[1]), pack_bfloats(v[2], v[3])};
  });
}

}  // namespace

const std::uint16_t* half_rows(const Tensor& x, DType type, void* room, cudaStream_t stream) {
  if (x.dtype == type) return x.as<std::uint16_t>();
  auto* to = static_cast<std::uint16_t*>(room);
  type == DType::f16 ? round_rows_to<F16>(to, x, stream) : round_rows_to<Bf16>(to, x, stream);
  return to;
}

std::size_t whole_weight_bytes(const Tensor& w) {
  return is_quantized(w.dtype) ? static_cast<std::size_t>(w.shape.elements()) * 2 : 0;
}

const std::uint16_t* whole_weight(const Tensor& w, void* room, cudaStream_t stream) {
  if (!is_quantized(w.dtype)) return w.as<std::uint16_t>();
  with_source(w, [&](auto source) { round_source(static_cast<uint2*>(room), source, stream); });
  return static_cast<const std::uint16_t*>(room);
}

void linear_mma(const Tensor& y, const Tensor& x, const Tensor& w, void* room, const Finish& finish,
                cudaStream_t stream) {
  const HalfRows rows{half_rows(x, rounded_type(w), room, stream), x.rows(),
                      rounded_pitch(x.cols())};
  switch (w.dtype) {
    case DType::f16:
      return half_product<F16>(y, rows, w, finish, stream);
    case DType::bf16:
      return half_product<Bf16>(y, rows, w, finish, stream);
    case DType::q8_0:
      return quant_product<PieceQ8_0>(y, rows, w, finish, stream);
    case DType::q4_0:
      return quant_product<PieceQ4_0>(y, rows, w, finish, stream);
    case DType::q4_k:
      return quant_product<PieceK<false>>(y, rows, w, finish, stream);
    case DType::q5_k:
      return quant_product<PieceK<true>>(y, rows, w, finish, stream);
    case DType::q6_k:
      return quant_product<PieceQ6_K>(y, rows, w, finish, stream);
    case DType::iq4_nl:
      return quant_product<PieceIQ4<false>>(y, rows, w, finish, stream);
    case DType::iq4_xs:
      return quant_product<PieceIQ4<true>>(y, rows, w, finish, stream);
    default:
      fail_unsupported("linear", "tensor cores do not read this weight");
  }
}

}  // namespace r1::cuda
