#pragma once

#include <cstdint>

#include <cuda_runtime.h>

#include "kernels/cuda/intrinsics.cuh"
#include "kernels/cuda/mma.cuh"
#include "kernels/cuda/paged_tile.cuh"
#include "kernels/cuda/parts.cuh"
#include "kernels/cuda/reduce.cuh"

namespace r1::cuda {

// What a thread has of a tile's rows, in the layout in which tensor cores leave their sums: rows
// row0 and row0 + 8; of a page's scores two neighbours in each 8 positions, of kKeyTiles * 8, which
// are column `column` of the page; of a head likewise, of kWidthTiles * 8 elements.
//   Online softmax: Milakov and Gimelshein, arXiv:1805.02867; in tiles: FlashAttention-2,
//   arXiv:2307.08691.
template <typename Tile_, int kKeyTiles, int kWidthTiles>
struct TileRows {
  using Tile = Tile_;
  using Half = Multiplied<typename Tile::Type>;
  using Memory = typename Tile::Memory;
  using Scores = float[kKeyTiles][4];
  static constexpr int kColumns = kPage / 8 / kKeyTiles;

  Tile& tile;
  Memory& memory;
  const int lane, row0, column;
  float largest[2], total[2], sums[kWidthTiles][4];

  // As many warps as there are columns share 16 rows.
  __device__ explicit TileRows(Tile& t)
      : tile(t),
        memory(t.memory),
        lane(t.lane()),
        row0(t.warp() / kColumns * 16 + lane / 4),
        column(t.warp() % kColumns) {}

  __device__ int first_key() const { return column * kKeyTiles * 8; }
  __device__ int first_element() const { return column * kWidthTiles * 8; }

  // The sums of other rows come to nothing, and rows beyond the tile's belong to nobody.
  __device__ bool in_run(int h) const {
    const int r = row0 + 8 * h;
    return r < Tile::kRows && tile.begin_row <= r && r < tile.end_row && memory.rows[r].last >= 0;
  }

  __device__ void begin() {
    for (int h = 0; h < 2; ++h) {
      largest[h] = -INFINITY;
      total[h] = 0.0f;
    }
#pragma unroll
    for (int n = 0; n < kWidthTiles; ++n)
      for (float& sum : sums[n]) sum = 0.0f;
  }

  // From products to scores: with decay, and -inf where a row does not look. Finds the largest of
  // each row, times s.step. Scores are times log2 e; options.scale is above 0.
  __device__ void finish_scores(Scores& z, float (&most)[2], const ListedPage& page,
                                const float* decay) const {
    const float scale = tile.s.scale * kLog2E;
#pragma unroll
    for (int h = 0; h < 2; ++h) {
      const TileRow row = memory.rows[row0 + 8 * h];  // not kept: registers are few
      if (tile.s.A != nullptr)
        each_score(h, [&](int n, int i, int j) {
          z[n][i] = fmaf(z[n][i], scale, (row.own - decay[j]) * kLog2E);
        });
      const bool skipped = tile.skips(row, page.from, page.longest, decay[kPage - 1]);
      const int first = row.first - page.from, last = skipped ? -1 : row.last - page.from;
      const bool whole = first <= first_key() && first_key() + 8 * kKeyTiles - 1 <= last;
      if (__any_sync(kAllLanes, !whole))
        each_score(h, [&](int n, int i, int j) {
          if (j < first || last < j) z[n][i] = -INFINITY;
        });
      most[h] = -INFINITY;
      each_score(h, [&](int n, int i, int) { most[h] = fmaxf(most[h], z[n][i]); });
      most[h] = fmaxf(most[h], __shfl_xor_sync(kAllLanes, most[h], 1));
      most[h] = fmaxf(most[h], __shfl_xor_sync(kAllLanes, most[h], 2)) * tile.s.step;
    }
  }

  // From scores to weights, over the largest score so far, which `most` joins. Returns what the
  // sums of the pages before are to be multiplied by. A page that a row does not see leaves all of
  // it as it was: weights are 0, and it shrinks by 1.
  __device__ float2 weigh(Scores& z, const float (&most)[2]) {
    float shrink[2];
#pragma unroll
    for (int h = 0; h < 2; ++h) {
      const float now = fmaxf(most[h], largest[h]);
      const float base = now == -INFINITY ? 0.0f : now;  // -inf - -inf is NaN
      shrink[h] = power_of_two(largest[h] - base);
      largest[h] = now;
      each_score(
          h, [&](int n, int i, int) { z[n][i] = power_of_two(fmaf(z[n][i], tile.s.step, -base)); });
    }
    return {shrink[0], shrink[1]};
  }

  __device__ void shrink_sums(float2 by) {
    if (!__any_sync(kAllLanes, by.x != 1.0f || by.y != 1.0f)) return;
#pragma unroll
    for (int n = 0; n < kWidthTiles; ++n)
#pragma unroll
      for (int i = 0; i < 4; ++i) sums[n][i] *= i < 2 ? by.x : by.y;
  }

  // run(n, i, j) for the scores z[n][i] of row row0 + 8 h, of position j of the page.
  template <typename Run>
  __device__ void each_score(int h, const Run& run) const {
#pragma unroll
    for (int n = 0; n < kKeyTiles; ++n)
#pragma unroll
      for (int i = 0; i < 2; ++i) run(n, 2 * h + i, first_key() + 8 * n + lane % 4 * 2 + i);
  }

  // run(d, sums of elements d and d + 1) for all that this thread has of row row0 + 8 h.
  template <typename Run>
  __device__ void each_pair(int h, const Run& run) const {
#pragma unroll
    for (int n = 0; n < kWidthTiles; ++n) {
      const int d = first_element() + 8 * n + lane % 4 * 2;
      if (d < tile.s.hd) run(d, sums[n][2 * h], sums[n][2 * h + 1]);
    }
  }

  // As one of s.splits parts, for merge_kernel.
  __device__ void store_part(float* parts, int split) const {
#pragma unroll
    for (int h = 0; h < 2; ++h) {
      if (!in_run(h)) continue;
      float* part = parts + (tile.row_of(row0 + 8 * h) * tile.s.splits + split) *
                                static_cast<std::int64_t>(tile.s.hd + 2);
      if (first_element() == 0 && lane % 4 == 0)
        *reinterpret_cast<float2*>(part) = {largest[h], total[h]};
      if (total[h] == 0.0f) continue;
      each_pair(h, [&](int d, float a, float b) {
        *reinterpret_cast<float2*>(part + 2 + d) = {a, b};
      });
    }
  }

  // Joins what `walk` found to y, as merge_kernel would; after the last part, y is their mean.
  __device__ void join(float* y, Joined (&joined)[2], bool last) const {
#pragma unroll
    for (int h = 0; h < 2; ++h) {
      const float2 weight = joined[h].add(largest[h], total[h]);
      const float share = last ? 1.0f / joined[h].total : 1.0f;
      if (!in_run(h)) continue;
      float* row = y + tile.row_of(row0 + 8 * h) * tile.s.hd;
      each_pair(h, [&](int d, float a, float b) {
        float2* at = reinterpret_cast<float2*>(row + d);
        *at = {share * join_sums(weight, at->x, a), share * join_sums(weight, at->y, b)};
      });
    }
  }
};

// What a block does: parts [T, H, splits, 2 + hd] as paged_kernel gives them, a block each; or
// null: y [T, H, hd], and a block goes through all parts.
template <typename Attention>
__device__ void attend(Attention& attention, float* y, float* parts) {
  const auto& tile = attention.tile;
  const Paged& s = tile.s;
  const Tiling& tiling = tile.tiling;
  const int split = static_cast<int>(blockIdx.z) % s.splits;
  for (int begin = 0, end = 0; begin < tile.tokens; begin = end) {
    end = tile.end_of_run(begin);
    const int block = begin % tiling.lanes * s.splits + split;  // that has this run and part
    if (block != static_cast<int>(blockIdx.z)) continue;
    attention.tile.enter_run(begin, end);
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
