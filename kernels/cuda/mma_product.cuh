#pragma once

#include <cstdint>

#include <cuda_runtime.h>

#include "kernels/cuda/epilogue.cuh"
#include "kernels/cuda/intrinsics.cuh"
#include "kernels/cuda/mma.cuh"
#include "kernels/cuda/quant_piece.cuh"
#include "kernels/cuda/reduce.cuh"

namespace r1::cuda {

// y [T, N] = x [T, K] w [N, K]^T on tensor cores: a block makes kRows x kColumns outputs, from
// tiles of kDepth k in shared memory. Tiles lie in a ring of kStages, so that the next ones arrive
// while one is multiplied. x has been rounded, its rows filled up with zeros to a whole number of
// tiles.

// A tile of rows of kDepth numbers. Pieces of 16 bytes change places within a row, so that the same
// piece of 8 rows, which ldmatrix reads, lies in 8 different banks.
template <int kDepth>
struct SharedTile {
  std::uint16_t* first;
  static constexpr int kPieces = kDepth / 8;

  __device__ std::uint16_t* piece(int row, int p) const {
    return first + (row * kPieces + (p ^ (row & 7))) * 8;
  }
};

// What a block of warps makes, kRowWarps x kColumnWarps of them.
template <int kRows_, int kColumns_, int kRowWarps_, int kColumnWarps_, int kDepth_, int kStages_>
struct TileShape {
  static constexpr int kRows = kRows_, kColumns = kColumns_, kRowWarps = kRowWarps_;
  static constexpr int kColumnWarps = kColumnWarps_, kDepth = kDepth_, kStages = kStages_;
  static constexpr int kThreads = kRowWarps * kColumnWarps * kWarp;
  static constexpr int kWarpRows = kRows / kRowWarps / 16;          // in mma's
  static constexpr int kWarpColumns = kColumns / kColumnWarps / 8;  // likewise
  static constexpr int kStageElements = (kRows + kColumns) * kDepth;
  static constexpr std::size_t kSharedBytes = std::size_t{2} * kStages * kStageElements;
  static_assert(kSharedBytes <= kSharedBytesEverywhere);
  static_assert(kWarpRows >= 1 && kWarpColumns % 2 == 0, "ldmatrix brings two tiles of w at once");
};

// Rows first … of a matrix of 16-bit numbers, copied without passing through registers. Rows beyond
// the last are read as the last, and not stored; numbers beyond the row's end are zeros.
struct HalfRows {
  static constexpr bool kAsync = true;
  const std::uint16_t* rows_;
  std::int64_t rows, length;  // a multiple of 8

  template <typename Shape, int kTileRows>
  __device__ void copy(const SharedTile<Shape::kDepth>& to, std::int64_t first, int k0) const {
    constexpr int kPieces = Shape::kDepth / 8;
    for (int i = static_cast<int>(threadIdx.x); i < kTileRows * kPieces; i += Shape::kThreads) {
      const int r = i / kPieces, p = i % kPieces;
      const std::int64_t row = first + r < rows ? first + r : rows - 1;
      const bool beyond = k0 + 8 * p >= length;
      const std::int64_t at = row * length + (beyond ? 0 : k0 + 8 * p);
      copy16_async(to.piece(r, p), rows_ + at, beyond);
    }
  }
};

// Rows of a quantized matrix: read into registers a tile ahead, and unpacked on the way to shared
// memory.
template <typename Format>
__device__ inline typename Format::Raw load_piece(const Blocks& w, std::int64_t row, int c) {
  const std::int64_t b = row * w.per_row + c / Format::kPieces;
  return Format::load(w, static_cast<int>(b), c % Format::kPieces);
}

template <typename Format, typename Shape>
struct QuantTile {
  static constexpr int kPerRow = Shape::kDepth / (16 * Format::kGroups);  // pieces of a tile
  static constexpr int kMine = Shape::kColumns * kPerRow / Shape::kThreads;
  static_assert(kMine * Shape::kThreads == Shape::kColumns * kPerRow);
  typename Format::Raw pieces[kMine];

  __device__ static int number(int m) {
    return m * Shape::kThreads + static_cast<int>(threadIdx.x);
  }

  __device__ void load(const Blocks& w, std::int64_t rows, std::int64_t first, int tile) {
    const int all = static_cast<int>(w.per_row) * Format::kPieces;
#pragma unroll
    for (int m = 0; m < kMine; ++m) {
      const std::int64_t n = first + number(m) / kPerRow;
      const int c = tile * kPerRow + number(m) % kPerRow;
      if (c < all)
        pieces[m] = load_piece<Format>(w, n < rows ? n : rows - 1, c);
      else
        pieces[m] = {};  // the zeros of x say what such products are, if these are numbers
    }
  }

  __device__ void store(const SharedTile<Shape::kDepth>& to, int tile) const {
#pragma unroll
    for (int m = 0; m < kMine; ++m) {
      const int c = tile * kPerRow + number(m) % kPerRow;
      const Piece<Format> piece = unpacked<Format>(pieces[m], c % Format::kPieces);
#pragma unroll
      for (int g = 0; g < Format::kGroups; ++g) {
        const int p = (Format::first_element(c, g) - tile * Shape::kDepth) / 8;
        for (int half = 0; half < 2; ++half)
          *reinterpret_cast<uint4*>(to.piece(number(m) / kPerRow, p + half)) =
              eight(piece, g, 2 * half);
      }
    }
  }

  // Elements of words j and j + 1 of group g.
  __device__ static uint4 eight(const Piece<Format>& piece, int g, int j) {
    unsigned words[4];
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      float pair[2];
      for (int b = 0; b < 2; ++b) {
        const auto word = static_cast<unsigned>(piece.q[g][j + i / 2]);
        const int q = static_cast<std::int8_t>(word >> (16 * (i % 2) + 8 * b));
        pair[b] = piece.scale[g] * static_cast<float>(q - Format::kOffset);
        if constexpr (Format::kMinimum) pair[b] -= piece.low[g];
      }
      words[i] = pack_bfloats(pair[0], pair[1]);
    }
    return {words[0], words[1], words[2], words[3]};
  }
};

// A warp's part of the block's outputs.
template <typename Shape>
struct WarpOutputs {
  float sums[Shape::kWarpRows][Shape::kWarpColumns][4] = {};
  int lane = static_cast<int>(threadIdx.x) % kWarp;
  int row0 = static_cast<int>(threadIdx.x) / kWarp / Shape::kColumnWarps * Shape::kWarpRows * 16;
  int column0 =
      static_cast<int>(threadIdx.x) / kWarp % Shape::kColumnWarps * Shape::kWarpColumns * 8;

  template <typename Type>
  __device__ void add(const SharedTile<Shape::kDepth>& x, const SharedTile<Shape::kDepth>& w) {
#pragma unroll
    for (int k = 0; k < Shape::kDepth / 8; k += 2) {
      unsigned a[Shape::kWarpRows][4];
#pragma unroll
      for (int m = 0; m < Shape::kWarpRows; ++m)
        load_matrices<false>(a[m], x.piece(row0 + 16 * m + lane % 16, k + lane / 16));
#pragma unroll
      for (int n = 0; n < Shape::kWarpColumns; n += 2) {
        unsigned b[4];
        load_matrices<false>(b,
                             w.piece(column0 + 8 * n + lane / 16 * 8 + lane % 8, k + lane / 8 % 2));
#pragma unroll
        for (int m = 0; m < Shape::kWarpRows; ++m) {
          multiply_add<Type>(sums[m][n], a[m], b[0], b[1]);
          multiply_add<Type>(sums[m][n + 1], a[m], b[2], b[3]);
        }
      }
    }
  }

  __device__ void store(float* y, std::int64_t T, std::int64_t N, std::int64_t t0, std::int64_t n0,
                        const Finish& finish) const {
#pragma unroll
    for (int m = 0; m < Shape::kWarpRows; ++m)
#pragma unroll
      for (int n = 0; n < Shape::kWarpColumns; ++n)
#pragma unroll
        for (int i = 0; i < 4; ++i) {
          const std::int64_t t = t0 + row0 + 16 * m + lane / 4 + i / 2 * 8;
          const std::int64_t c = n0 + column0 + 8 * n + lane % 4 * 2 + i % 2;
          if (t < T && c < N) y[t * N + c] = finish(sums[m][n][i], t * N + c, c);
        }
  }
};

template <typename Shape>
struct Ring {
  std::uint16_t* first = dynamic_shared<std::uint16_t>();

  __device__ SharedTile<Shape::kDepth> x(int tile) const {
    return {first + tile % Shape::kStages * Shape::kStageElements};
  }
  __device__ SharedTile<Shape::kDepth> w(int tile) const {
    return {x(tile).first + Shape::kRows * Shape::kDepth};
  }
};

// Blocks of one column of tiles of w run one after another, so that its tiles are read from memory
// once: blockIdx.x counts rows.
template <typename Type, typename Shape>
__global__ void __launch_bounds__(Shape::kThreads, 1)
    half_product_kernel(float* y, HalfRows x, HalfRows w, Finish finish) {
  const std::int64_t t0 = std::int64_t{blockIdx.x} * Shape::kRows;
  const std::int64_t n0 = std::int64_t{blockIdx.y} * Shape::kColumns;
  const int tiles = static_cast<int>(x.length / Shape::kDepth);
  const Ring<Shape> ring;
  const auto copy_w = [&](int tile) {
    if (tile < tiles)
      w.template copy<Shape, Shape::kColumns>(ring.w(tile), n0, tile * Shape::kDepth);
  };
  const auto copy_x = [&](int tile) {
    if (tile < tiles) x.template copy<Shape, Shape::kRows>(ring.x(tile), t0, tile * Shape::kDepth);
    commit_copies();  // an empty group too: the count of groups is that of tiles
  };
  for (int tile = 0; tile < Shape::kStages - 1; ++tile) copy_w(tile);  // of the first group
  wait_for_earlier();
  for (int tile = 0; tile < Shape::kStages - 1; ++tile) copy_x(tile);
  WarpOutputs<Shape> outputs;
  for (int tile = 0; tile < tiles; ++tile) {
    wait_for_copies<Shape::kStages - 2>();
    __syncthreads();  // this tile is here, and the one before has been read
    copy_w(tile + Shape::kStages - 1);
    copy_x(tile + Shape::kStages - 1);
    outputs.template add<Type>(ring.x(tile), ring.w(tile));
  }
  outputs.store(y, x.rows, w.rows, t0, n0, finish);
}

template <typename Format, typename Shape>
__global__ void __launch_bounds__(Shape::kThreads, 1)
    quant_product_kernel(float* y, HalfRows x, Blocks w, std::int64_t N, Finish finish) {
  static_assert(Shape::kStages == 2, "one tile is multiplied, one arrives");
  const std::int64_t t0 = std::int64_t{blockIdx.x} * Shape::kRows;
  const std::int64_t n0 = std::int64_t{blockIdx.y} * Shape::kColumns;
  const int tiles = static_cast<int>(x.length / Shape::kDepth);
  const Ring<Shape> ring;
  QuantTile<Format, Shape> next;
  const auto copy_x = [&](int tile) {
    x.template copy<Shape, Shape::kRows>(ring.x(tile), t0, tile * Shape::kDepth);
    commit_copies();
  };
  next.load(w, N, n0, 0);
  wait_for_earlier();
  copy_x(0);
  next.store(ring.w(0), 0);
  if (tiles > 1) next.load(w, N, n0, 1);
  WarpOutputs<Shape> outputs;
  for (int tile = 0; tile < tiles; ++tile) {
    wait_for_copies();
    __syncthreads();  // this tile is here, and the one before has been read
    if (tile + 1 < tiles) {
      copy_x(tile + 1);
      next.store(ring.w(tile + 1), tile + 1);
    }
    if (tile + 2 < tiles) next.load(w, N, n0, tile + 2);
    outputs.template add<Bf16>(ring.x(tile), ring.w(tile));
  }
  outputs.store(y, x.rows, N, t0, n0, finish);
}

}  // namespace r1::cuda
