#pragma once

#include <cstdint>
#include <type_traits>

#include <cuda_runtime.h>

#include "kernels/cuda/intrinsics.cuh"
#include "kernels/cuda/mma.cuh"
#include "kernels/cuda/paged_tile.cuh"
#include "kernels/cuda/parts.cuh"
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
//   Online softmax: Milakov and Gimelshein, arXiv:1805.02867; in tiles: FlashAttention-2,
//   arXiv:2307.08691. Sums of weights come from a product with ones, in the order of the others.
template <typename Type, int kHead, int kRowWarps>
struct TileAttention {
  using Half = Multiplied<Type>;
  using Memory = TileMemory<kHead, kRowWarps>;
  static constexpr int kColumns = Memory::kColumns;
  static constexpr int kKeys = kPage / kColumns, kKeyTiles = kKeys / 8;  // of a warp
  static constexpr int kWidth = kHead / kColumns, kWidthTiles = kWidth / 8;
  static_assert(kKeyTiles % 2 == 0 && kWidthTiles % 2 == 0, "ldmatrix brings two tiles at once");

  Tile<Type, kHead, kRowWarps>& tile;
  Memory& memory;
  const int lane, row0, column;  // this thread has rows row0 and row0 + 8
  float largest[2], total[4], sums[kWidthTiles][4];

  __device__ explicit TileAttention(Tile<Type, kHead, kRowWarps>& t)
      : tile(t),
        memory(t.memory),
        lane(t.lane()),
        row0(t.warp() / kColumns * 16 + lane / 4),
        column(t.warp() % kColumns) {}

  // The sums of other rows come to nothing.
  __device__ bool in_run(int h) const {
    const int r = row0 + 8 * h;
    return tile.begin_row <= r && r < tile.end_row && memory.rows[r].last >= 0;
  }

  // z = q k of 16 rows and kKeys positions.
  __device__ void multiply_keys(float (&z)[kKeyTiles][4]) const {
#pragma unroll
    for (int n = 0; n < kKeyTiles; ++n)
      for (float& score : z[n]) score = 0.0f;
    const std::uint16_t* query =
        memory.queries + (row0 - lane / 4 + lane % 16) * Memory::kPitch + lane / 16 * 8;
    const std::uint16_t* key =
        memory.keys + (lane / 8 % 2 * kPage + column * kKeys + lane / 16 * 8 + lane % 8) * 8;
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

  // Scores times log2 e, with decay; -inf where a row does not look. Finds the largest of each row.
  __device__ void finish_scores(float (&z)[kKeyTiles][4], float (&most)[2],
                                const ListedPage& page) const {
    const float scale = tile.s.scale * kLog2E;
    const bool daw = tile.s.A != nullptr;
#pragma unroll
    for (int h = 0; h < 2; ++h) {
      const TileRow row = memory.rows[row0 + 8 * h];  // not kept: registers are few
      const bool skipped = tile.skips(row, page.from, page.longest, memory.decay[kPage - 1]);
      const int first = row.first - page.from;
      const int last = skipped ? -1 : row.last - page.from;
      most[h] = -INFINITY;
#pragma unroll
      for (int n = 0; n < kKeyTiles; ++n)
#pragma unroll
        for (int i = 2 * h; i < 2 * h + 2; ++i) {
          const int j = column * kKeys + 8 * n + lane % 4 * 2 + i % 2;
          const float score =
              daw ? fmaf(z[n][i], scale, (row.own - memory.decay[j]) * kLog2E) : z[n][i] * scale;
          z[n][i] = first <= j && j <= last ? score : -INFINITY;
          most[h] = fmaxf(most[h], z[n][i]);
        }
      most[h] = fmaxf(most[h], __shfl_xor_sync(kAllLanes, most[h], 1));
      most[h] = fmaxf(most[h], __shfl_xor_sync(kAllLanes, most[h], 2));
      if (kColumns > 1 && lane % 4 == 0) memory.largest[column][row0 + 8 * h] = most[h];
    }
  }

  // From scores to weights; what was summed so far is brought down to the new largest score. A page
  // that a row does not see leaves all of it as it was: weights are 0, and it shrinks by 1.
  __device__ void weigh(float (&z)[kKeyTiles][4], float (&most)[2]) {
    float shrink[2];
#pragma unroll
    for (int h = 0; h < 2; ++h) {
      if constexpr (kColumns > 1)
        for (int c = 0; c < kColumns; ++c)
          most[h] = fmaxf(most[h], memory.largest[c][row0 + 8 * h]);
      most[h] = fmaxf(most[h], largest[h]);
      const float base = most[h] == -INFINITY ? 0.0f : most[h];  // -inf - -inf is NaN
      shrink[h] = power_of_two(largest[h] - base);
      largest[h] = most[h];
#pragma unroll
      for (int n = 0; n < kKeyTiles; ++n)
#pragma unroll
        for (int i = 2 * h; i < 2 * h + 2; ++i) z[n][i] = power_of_two(z[n][i] - base);
    }
    if constexpr (kColumns > 1) {
#pragma unroll
      for (int n = 0; n < kKeyTiles; ++n)
#pragma unroll
        for (int h = 0; h < 2; ++h)
          *reinterpret_cast<unsigned*>(memory.weights + (row0 + 8 * h) * Memory::kWeightPitch +
                                       column * kKeys + 8 * n + lane % 4 * 2) =
              pack<Half>(z[n][2 * h], z[n][2 * h + 1]);
    }
    if (!__any_sync(kAllLanes, shrink[0] != 1.0f || shrink[1] != 1.0f)) return;
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      total[i] *= shrink[i / 2];
#pragma unroll
      for (int n = 0; n < kWidthTiles; ++n) sums[n][i] *= shrink[i / 2];
    }
  }

  // sums += weights v of 16 rows, 64 positions and kWidth elements; total += weights.
  __device__ void multiply_values(const float (&z)[kKeyTiles][4]) {
    constexpr unsigned kOnes = std::is_same_v<Half, F16> ? 0x3c003c00u : 0x3f803f80u;
    const std::uint16_t* value =
        memory.values + lane % 16 * Memory::kPitch + column * kWidth + lane / 16 * 8;
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
      multiply_add<Half>(total, a, kOnes, kOnes);
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
    largest[0] = largest[1] = -INFINITY;
    for (float& t : total) t = 0.0f;
#pragma unroll
    for (int n = 0; n < kWidthTiles; ++n)
      for (float& sum : sums[n]) sum = 0.0f;
    for (int from = begin; from < end; from += kListed) {
      const int n = tile.list_pages(from, end - from < kListed ? end : from + kListed);
      if (n > 0) tile.load_keys(memory.listed[0]);
      for (int i = 0; i < n; ++i) {
        float z[kKeyTiles][4], most[2];
        wait_for_copies();
        __syncthreads();  // the keys are here, and the values before have been summed
        tile.load_values(memory.listed[i]);
        multiply_keys(z);
        finish_scores(z, most, memory.listed[i]);
        wait_for_copies();
        __syncthreads();  // the values are here, and the keys have been read
        if (i + 1 < n) tile.load_keys(memory.listed[i + 1]);
        weigh(z, most);
        if constexpr (kColumns > 1) __syncthreads();
        multiply_values(z);
      }
    }
  }

  // run(h, d, sums of elements d and d + 1) for all that this thread has of rows of the run.
  template <typename Run>
  __device__ void each_pair(const Run& run) const {
#pragma unroll
    for (int h = 0; h < 2; ++h)
#pragma unroll
      for (int n = 0; n < kWidthTiles; ++n) {
        const int d = column * kWidth + 8 * n + lane % 4 * 2;
        if (in_run(h) && d < tile.s.hd) run(h, d, sums[n][2 * h], sums[n][2 * h + 1]);
      }
  }

  // As one of s.splits parts, for merge_kernel.
  __device__ void store_part(float* parts, int split) const {
    const std::int64_t width = tile.s.hd + 2;
    const auto part = [&](int h) {
      return parts + (tile.row_of(row0 + 8 * h) * tile.s.splits + split) * width;
    };
    for (int h = 0; h < 2; ++h)
      if (in_run(h) && column == 0 && lane % 4 == 0)
        *reinterpret_cast<float2*>(part(h)) = {largest[h], total[2 * h]};
    each_pair([&](int h, int d, float a, float b) {
      if (total[2 * h] != 0.0f) *reinterpret_cast<float2*>(part(h) + 2 + d) = {a, b};
    });
  }

  // Joins what `walk` found to y, as merge_kernel would; after the last part, y is their mean.
  __device__ void join(float* y, Joined (&joined)[2], bool last) const {
    float2 weight[2];
    float share[2];
    for (int h = 0; h < 2; ++h) {
      weight[h] = joined[h].add(largest[h], total[2 * h]);
      share[h] = last ? 1.0f / joined[h].total : 1.0f;
    }
    each_pair([&](int h, int d, float a, float b) {
      float2* at = reinterpret_cast<float2*>(y + tile.row_of(row0 + 8 * h) * tile.s.hd + d);
      *at = {share[h] * join_sums(weight[h], at->x, a), share[h] * join_sums(weight[h], at->y, b)};
    });
  }
};

// Blocks on a processor at least, which says how many registers a thread may have.
template <int kHead, int kRowWarps>
inline constexpr int kTileBlocks = kHead <= 128 && kRowWarps == 1 ? 4 : 2;

// parts [T, H, splits, 2 + hd] as paged_kernel gives them, a block each; or null: y [T, H, hd], and
// a block goes through all parts.
template <typename Type, int kHead, int kRowWarps>
__global__ void __launch_bounds__(kTileThreads, kTileBlocks<kHead, kRowWarps>)
    tile_kernel(float* y, float* parts, Paged s, Tiling tiling) {
  Tile<Type, kHead, kRowWarps> tile(s, tiling);
  tile.load_rows();
  TileAttention<Type, kHead, kRowWarps> attention(tile);
  const int split = static_cast<int>(blockIdx.z) % s.splits;
  int turn = static_cast<int>(blockIdx.z) / s.splits;
  for (int begin = 0, end = 0; begin < tile.tokens; begin = end) {
    end = tile.end_of_run(begin);
    if (turn-- % tiling.lanes != 0) continue;
    tile.enter_run(begin, end);
    const int first_page = tile.first / kPage, end_page = tile.last / kPage + 1;
    const bool fixed = tiling.part_pages > 0;
    const int each = fixed ? tiling.part_pages : (end_page - first_page + s.splits - 1) / s.splits;
    int from = (fixed ? 0 : first_page) + split * each;
    Joined joined[2];
    do {
      attention.walk(from > first_page ? from : first_page,
                     from + each < end_page ? from + each : end_page);
      if (parts != nullptr)
        attention.store_part(parts, split);
      else
        attention.join(y, joined, from + each >= end_page);
      from += s.splits * each;
    } while (from < end_page);
  }
}

}  // namespace r1::cuda
