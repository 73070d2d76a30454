#pragma once

#include <cstdint>
#include <type_traits>

#include <cuda_runtime.h>

#include "kernels/cuda/intrinsics.cuh"
#include "kernels/cuda/launch.cuh"
#include "kernels/cuda/mma.cuh"
#include "kernels/cuda/paged_rows.cuh"
#include "kernels/cuda/paged_tile.cuh"
#include "kernels/cuda/reduce.cuh"

namespace r1::cuda {

// Attention of a tile of rows over pages of bf16, f16 or q8_0, on tensor cores: queries and the
// weights of the softmax are rounded to the 16 bits of the pages, scores and sums are f32. Blocks
// of q8_0 become f16 on their way into shared memory.
//
// A tile is 16 kRowWarps rows, (token, query head) of one key head, so that keys and values are
// read once for all of them. Of the block's 4 warps, 4 / kRowWarps share 16 rows: each makes the
// scores of its share of a page's positions, then the sums of its share of the head's elements.
// So a row's bits are the same in a tile of any height: each score is one chain of products along
// the head, each sum one chain along the positions, page by page.
// Sums of weights come from a product with ones, in the order of the others.

inline constexpr int kTileThreads = 128, kTileWarps = kTileThreads / kWarp;

// kHead: elements of a head, filled up with zeros. Rows of `kPitch` elements are 16 bytes longer
// than a multiple of 128, so that ldmatrix finds 8 rows in different banks.
template <int kHead_, int kRowWarps>
struct TileMemory {
  static constexpr int kHead = kHead_, kThreads = kTileThreads, kListed = 32;
  static constexpr int kRows = 16 * kRowWarps, kColumns = kTileWarps / kRowWarps;
  static constexpr int kPitch = kHead + 8, kWeightPitch = kPage + 8;
  alignas(16) std::uint16_t queries[kRows * kPitch];
  std::uint16_t keys[kHead * kPage];  // as in a page
  std::uint16_t values[kPage * kPitch];
  std::uint16_t weights[kColumns > 1 ? kRows* kWeightPitch : 8];
  float decay[kPage];
  float largest[kColumns][kRows];
  TileRow rows[kRows];
  ListedPage listed[kListed];
  unsigned wanted[kTileWarps];

  __device__ std::uint16_t* query(int r, int d) { return queries + r * kPitch + d; }
};

template <typename Type, int kHead, int kRowWarps>
using TileRowsOf = TileRows<Tile<Type, TileMemory<kHead, kRowWarps>>,
                            kPage / TileMemory<kHead, kRowWarps>::kColumns / 8,
                            kHead / TileMemory<kHead, kRowWarps>::kColumns / 8>;

template <typename Type, int kHead, int kRowWarps>
struct TileAttention : TileRowsOf<Type, kHead, kRowWarps> {
  using Memory = TileMemory<kHead, kRowWarps>;
  using Rows = TileRowsOf<Type, kHead, kRowWarps>;
  using Rows::column, Rows::first_element, Rows::first_key, Rows::lane, Rows::memory, Rows::row0,
      Rows::sums, Rows::tile, Rows::total;
  using typename Rows::Half;
  static constexpr bool kBlocks = std::is_same_v<Type, Q8>;
  static constexpr int kColumns = Memory::kColumns;
  static constexpr int kKeys = kPage / kColumns, kKeyTiles = kKeys / 8;  // of a warp
  static constexpr int kWidth = kHead / kColumns, kWidthTiles = kWidth / 8;
  static_assert(sizeof(Memory) <= kSharedBytesEverywhere);
  static_assert(kKeyTiles % 2 == 0 && kWidthTiles % 2 == 0, "ldmatrix brings two tiles at once");

  float ones[4];  // products of the weights with ones

  using Rows::Rows;

  // Elements from hd on: 0 times what memory held before may be NaN.
  __device__ void clear_what_no_page_fills() {
    const int filled = tile.s.hd / 8;
    for (int i = tile.thread(); i < (kHead / 8 - filled) * kPage; i += kTileThreads) {
      const int piece = filled + i / kPage, j = i % kPage;
      *reinterpret_cast<uint4*>(memory.keys + (piece * kPage + j) * 8) = {0, 0, 0, 0};
      *reinterpret_cast<uint4*>(memory.values + j * Memory::kPitch + piece * 8) = {0, 0, 0, 0};
    }
  }

  __device__ void load_keys(const ListedPage& page) {
    const Paged& s = tile.s;
    const auto* from = page_at<Type>(s.keys, page.number, s.hd);
    if constexpr (kBlocks) {
#pragma unroll 2
      for (int i = tile.thread(); i < s.hd / 16 * kPage; i += kTileThreads) {
        const int d = i / kPage * 16, j = i % kPage;
        widen(memory.keys + (d * kPage + j * 8), 8 * kPage, from + i * 16,
              *scale_at(from, j, d, s.hd));
      }
    } else {
#pragma unroll 4
      for (int i = tile.thread(); i < s.hd / 8 * kPage; i += kTileThreads)
        copy16_async(memory.keys + i * 8, from + i * 8);
    }
    if (s.A != nullptr && tile.thread() < kPage / 4)
      copy16_async(memory.decay + tile.thread() * 4,
                   s.decay + page.number * kPage + tile.thread() * 4);
    commit_copies();
  }

  // Zeros where no row of the run looks.
  __device__ void load_values(const ListedPage& page) {
    const Paged& s = tile.s;
    constexpr int kElements = kBlocks ? 16 : 8, kLoads = kHead / kElements;  // of 16 bytes
    const auto* from = page_at<Type>(s.values, page.number, s.hd);
#pragma unroll kBlocks ? 2 : 4
    for (int i = tile.thread(); i < kPage * kLoads; i += kTileThreads) {
      const int j = i / kLoads, d = i % kLoads * kElements;
      if (d >= s.hd) continue;
      const bool seen = tile.sees(page.from + j);
      std::uint16_t* to = memory.values + j * Memory::kPitch + d;
      if constexpr (kBlocks)
        widen(to, 8, from + j * s.hd + d, seen ? *scale_at(from, j, d, s.hd) : std::uint16_t{0});
      else
        copy16_async(to, from + j * s.hd + d, !seen);
    }
    commit_copies();
  }

  // 16 bytes of a block, to 8 numbers at `to` and 8 at to + next.
  __device__ static void widen(std::uint16_t* to, int next, const std::int8_t* from,
                               std::uint16_t scale) {
    const uint4 raw = *reinterpret_cast<const uint4*>(from);
    const uint2 a = scale_bytes(raw.x, scale), b = scale_bytes(raw.y, scale);
    const uint2 c = scale_bytes(raw.z, scale), d = scale_bytes(raw.w, scale);
    *reinterpret_cast<uint4*>(to) = {a.x, a.y, b.x, b.y};
    *reinterpret_cast<uint4*>(to + next) = {c.x, c.y, d.x, d.y};
  }

  // z = q k of 16 rows and kKeys positions.
  __device__ void multiply_keys(float (&z)[kKeyTiles][4]) const {
#pragma unroll
    for (int n = 0; n < kKeyTiles; ++n)
      for (float& score : z[n]) score = 0.0f;
    const std::uint16_t* query =
        memory.queries + (row0 - lane / 4 + lane % 16) * Memory::kPitch + lane / 16 * 8;
    const std::uint16_t* key =
        memory.keys + (lane / 8 % 2 * kPage + first_key() + lane / 16 * 8 + lane % 8) * 8;
#pragma unroll
    for (int d = 0; d < kHead; d += 16) {
      unsigned a[4];
      load_matrices<false>(a, query + d);
#pragma unroll
      for (int n = 0; n < kKeyTiles; n += 2) {
        unsigned b[4];
        load_matrices<false>(b, key + d * kPage + n * 64);
        multiply_add<Half>(z[n], a, b[0], b[1]);
        multiply_add<Half>(z[n + 1], a, b[2], b[3]);
      }
    }
  }

  // What the other warps of these rows found is the largest of a page too.
  __device__ void share_largest(float (&most)[2]) {
    if constexpr (kColumns > 1) {
      for (int h = 0; h < 2; ++h)
        if (lane % 4 == 0) memory.largest[column][row0 + 8 * h] = most[h];
    }
  }
  __device__ void join_largest(float (&most)[2]) const {
    if constexpr (kColumns > 1)
      for (int h = 0; h < 2; ++h)
        for (int c = 0; c < kColumns; ++c)
          most[h] = fmaxf(most[h], memory.largest[c][row0 + 8 * h]);
  }

  // To the other warps of these rows.
  __device__ void share_weights(const float (&z)[kKeyTiles][4]) {
    if constexpr (kColumns > 1) {
#pragma unroll
      for (int n = 0; n < kKeyTiles; ++n)
#pragma unroll
        for (int h = 0; h < 2; ++h)
          *reinterpret_cast<unsigned*>(memory.weights + (row0 + 8 * h) * Memory::kWeightPitch +
                                       first_key() + 8 * n + lane % 4 * 2) =
              pack<Half>(z[n][2 * h], z[n][2 * h + 1]);
      __syncthreads();
    }
  }

  // sums += weights v of 16 rows, 64 positions and kWidth elements; ones += weights.
  __device__ void multiply_values(const float (&z)[kKeyTiles][4]) {
    constexpr unsigned kOnes = std::is_same_v<Half, F16> ? 0x3c003c00u : 0x3f803f80u;
    const std::uint16_t* value =
        memory.values + lane % 16 * Memory::kPitch + first_element() + lane / 16 * 8;
#pragma unroll
    for (int k = 0; k < kPage / 16; ++k) {
      unsigned a[4];
      if constexpr (kColumns > 1) {
        load_matrices<false>(a, memory.weights +
                                    (row0 - lane / 4 + lane % 16) * Memory::kWeightPitch + 16 * k +
                                    lane / 16 * 8);
      } else {
        for (int i = 0; i < 4; ++i)
          a[i] = pack<Half>(z[2 * k + i / 2][i % 2 * 2], z[2 * k + i / 2][i % 2 * 2 + 1]);
      }
      multiply_add<Half>(ones, a, kOnes, kOnes);
#pragma unroll
      for (int n = 0; n < kWidthTiles; n += 2) {
        unsigned b[4];
        load_matrices<true>(b, value + 16 * k * Memory::kPitch + 8 * n);
        multiply_add<Half>(sums[n], a, b[0], b[1]);
        multiply_add<Half>(sums[n + 1], a, b[2], b[3]);
      }
    }
  }

  // The largest score, total and sums over pages begin … end - 1 of the run. The values of a page
  // come while its scores are made, the keys of the next while its values are summed.
  __device__ void walk(int begin, int end) {
    this->begin();
    for (float& sum : ones) sum = 0.0f;
    for (int from = begin; from < end; from += Memory::kListed) {
      const int n =
          tile.list_pages(from, end - from < Memory::kListed ? end : from + Memory::kListed);
      if (n > 0) load_keys(memory.listed[0]);
      for (int i = 0; i < n; ++i) {
        float z[kKeyTiles][4], most[2];
        wait_for_copies();
        __syncthreads();  // the keys are here, and the values before have been summed
        load_values(memory.listed[i]);
        multiply_keys(z);
        this->finish_scores(z, most, memory.listed[i], memory.decay);
        share_largest(most);
        wait_for_copies();
        __syncthreads();  // the values are here, and the keys have been read
        if (i + 1 < n) load_keys(memory.listed[i + 1]);
        join_largest(most);
        const float2 shrink = this->weigh(z, most);
        share_weights(z);
        this->shrink_sums(shrink);
        for (int j = 0; j < 4; ++j) ones[j] *= j < 2 ? shrink.x : shrink.y;
        multiply_values(z);
      }
    }
    for (int h = 0; h < 2; ++h) total[h] = ones[2 * h];
  }
};

// Blocks on a processor at least, which says how many registers a thread may have. Code for cards
// before sm_90 needs more of them for wide heads.
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ < 900
inline constexpr int kLowTileBlocks[] = {4, 3};
#else
inline constexpr int kLowTileBlocks[] = {4, 4};
#endif
template <int kHead, int kRowWarps>
inline constexpr int kTileBlocks = kHead <= 128 && kRowWarps == 1 ? kLowTileBlocks[kHead > 64] : 2;

template <typename Type, int kHead, int kRowWarps>
__global__ void __launch_bounds__(kTileThreads, kTileBlocks<kHead, kRowWarps>)
    tile_kernel(float* y, float* parts, Paged s, Tiling tiling) {
  wait_for_earlier();
  Tile<Type, TileMemory<kHead, kRowWarps>> tile(s, tiling);
  TileAttention<Type, kHead, kRowWarps> attention(tile);
  tile.load_rows();
  attention.clear_what_no_page_fills();
  __syncthreads();
  tile.bound_rows();
  attend(attention, y, parts);
}

}  // namespace r1::cuda
