#pragma once

#include <cstdint>

#include <cuda_runtime.h>

#include "kernels/cuda/barrier.cuh"
#include "kernels/cuda/intrinsics.cuh"
#include "kernels/cuda/mma.cuh"
#include "kernels/cuda/paged_rows.cuh"
#include "kernels/cuda/paged_tile.cuh"
#include "kernels/cuda/reduce.cuh"
#include "kernels/cuda/wgmma.cuh"

namespace r1::cuda {

// Attention of 128 rows over pages of 16-bit numbers on Hopper's tensor cores: two groups of four
// warps with 64 rows each, which run apart, and a group that brings keys and values to both. Those
// lie in a ring of slots, keys and values of a page in turn.
//   Warps of different work, and products beside the softmax: FlashAttention-3, arXiv:2407.08608.

inline constexpr int kGroups = 2, kHopperThreads = (kGroups + 1) * kGroupThreads;

template <int kHead_>
struct HopperMemory {
  static constexpr int kHead = kHead_, kThreads = kHopperThreads, kRows = 64 * kGroups;
  static constexpr int kSlots = 8, kSlotElements = kHead * kPage, kListed = 256;
  // In pieces of 8 elements of all rows, as keys lie in a page.
  alignas(128) std::uint16_t queries[kRows * kHead];
  std::uint16_t ring[kSlots][kSlotElements];
  float decay[kSlots / 2][kPage];
  TileRow rows[kRows];
  ListedPage listed[kListed];
  unsigned wanted[kThreads / kWarp];
  Barrier full[kSlots], empty[kSlots];

  __device__ std::uint16_t* query(int r, int d) { return queries + d * kRows + r * 8; }

  // Before the block's next __syncthreads.
  __device__ void start(int hd) {
    const int thread = static_cast<int>(threadIdx.x);
    if (thread < kSlots) {
      full[thread].start(kGroupThreads);
      empty[thread].start(kGroups * 4);
    }
    // Elements from hd on: 0 times what memory held before may be NaN.
    for (int i = hd * kPage / 8 + thread; i < kSlotElements / 8; i += kThreads)
      for (auto& slot : ring) *reinterpret_cast<uint4*>(slot + i * 8) = {0, 0, 0, 0};
    show_to_tensor_cores();  // the queries too
  }
};

template <typename Type, int kHead>
using HopperRows = TileRows<Tile<Type, HopperMemory<kHead>>, kPage / 8, kHead / 8>;

// kMultiplies: what the groups with rows do; else what the group does that copies.
template <typename Type, int kHead, bool kMultiplies>
struct HopperAttention : HopperRows<Type, kHead> {
  using Memory = HopperMemory<kHead>;
  using Rows = HopperRows<Type, kHead>;
  using Rows::lane, Rows::memory, Rows::row0, Rows::sums, Rows::tile, Rows::total;
  using typename Rows::Scores;
  using Weights = unsigned[kPage / 16][4];  // as `multiply_add` wants them
  static constexpr int kSlots = Memory::kSlots, kPieceBytes = 8 * 2;

  const int group;
  unsigned pages = 0;  // whose keys and values have gone through the ring

  __device__ explicit HopperAttention(Tile<Type, Memory>& t)
      : Rows(t), group(t.thread() / kGroupThreads) {}

  // Number `u` to go through the ring: the keys of page u / 2, or its values.
  __device__ static int slot(unsigned u) { return static_cast<int>(u % kSlots); }
  __device__ void wait_until_full(unsigned u) {
    memory.full[slot(u)].wait(u / kSlots);
    show_to_tensor_cores();
  }
  __device__ void release(unsigned u) {
    __syncwarp();
    if (lane == 0) memory.empty[slot(u)].arrive();
  }
  __device__ float* decay_of(unsigned u) { return memory.decay[slot(u) / 2]; }

  // --- the group that copies -------------------------------------------------------------------

  __device__ int mine() const { return tile.thread() % kGroupThreads; }

  // Of few instructions: a warp makes hundreds of copies while the others multiply.
  __device__ void copy_keys(unsigned u, const ListedPage& page) {
    const Paged& s = tile.s;
    const auto* from = page_at<Type>(s.keys, page.number, s.hd) + mine() * 8;
    std::uint16_t* to = memory.ring[slot(u)] + mine() * 8;
#pragma unroll
    for (int i = 0; i < kHead / 16; ++i)
      if (16 * i + mine() / kPage * 8 < s.hd)
        copy16_async(to + i * kGroupThreads * 8, from + i * kGroupThreads * 8);
    if (s.A != nullptr && mine() < kPage / 4)
      copy16_async(decay_of(u) + mine() * 4, s.decay + page.number * kPage + mine() * 4);
  }

  // A warp copies eight positions of four pieces at a time: whole sectors of memory, and all banks.
  __device__ void copy_values(unsigned u, const ListedPage& page) {
    constexpr int kAcross = kHead / 32, kDown = 4 / kAcross;  // warps
    const Paged& s = tile.s;
    const int warp = tile.warp() % 4, piece = warp % kAcross * 4 + lane / 8;
    const int j = warp / kAcross * 8 + lane % 8;
    if (piece * 8 >= s.hd) return;
    const auto* from = page_at<Type>(s.values, page.number, s.hd) + j * s.hd + piece * 8;
    std::uint16_t* to = memory.ring[slot(u)] + (piece * kPage + j) * 8;
    const auto copy = [&](const auto& seen) {
#pragma unroll
      for (int i = 0; i < kPage / 8; i += kDown)
        copy16_async(to + i * 64, from + i * 8 * s.hd, !seen(page.from + j + i * 8));
    };
    if (tile.sees(page.from) && tile.sees(page.from + kPage - 1))
      copy([](int) { return true; });
    else
      copy([&](int position) { return tile.sees(position); });
  }

  __device__ void copy_pages(int n) {
    for (int i = 0; i < 2 * n; ++i) {
      const unsigned u = 2 * pages + static_cast<unsigned>(i);
      const ListedPage& page = memory.listed[i / 2];
      memory.empty[slot(u)].wait(u / kSlots - 1);
      i % 2 == 0 ? copy_keys(u, page) : copy_values(u, page);
      memory.full[slot(u)].arrive_when_copied();
    }
  }

  // --- a group that multiplies -----------------------------------------------------------------

  // z = q k of 64 rows and 64 positions.
  __device__ void multiply_keys(Scores& z, unsigned u) const {
    constexpr unsigned kRowsBytes = Memory::kRows * kPieceBytes, kKeysBytes = kPage * kPieceBytes;
    const SharedPieces q{memory.queries + group * 64 * 8, kRowsBytes, 8 * kPieceBytes};
    const SharedPieces k{memory.ring[slot(u)], kKeysBytes, 8 * kPieceBytes};
    begin_products();
#pragma unroll
    for (int d = 0; d < kHead; d += 16)
      multiply_shared<Type>(z, q.at(d * Memory::kRows), k.at(d * kPage), d > 0);
    commit_products();
  }

  // sums += weights v of 64 rows, 64 positions and all elements.
  __device__ void multiply_values(const Weights& weights, unsigned u) {
    constexpr unsigned kValuesBytes = kPage * kPieceBytes;
    const SharedPieces v{memory.ring[slot(u)], 8 * kPieceBytes, kValuesBytes};
    begin_products();
#pragma unroll
    for (int k = 0; k < kPage / 16; ++k) {
      multiply_registers<Type, 0>(sums, weights[k], v.at(16 * k * 8));
      if constexpr (kHead > 64)
        multiply_registers<Type, 8>(sums, weights[k], v.at(16 * k * 8 + 64 * kPage));
    }
    commit_products();
  }

  // From products to weights, rounded; `wait` is for what may still read the weights before, and
  // add to the sums.
  template <typename Wait>
  __device__ void take_scores(Scores& z, Weights& weights, int i, unsigned u, const Wait& wait) {
    float most[2];
    this->finish_scores(z, most, memory.listed[i], decay_of(u));
    release(u);
    const float2 shrink = this->weigh(z, most);
    total[0] *= shrink.x;
    total[1] *= shrink.y;
    this->each_score(0, [&](int m, int j, int) { total[0] += z[m][j]; });
    this->each_score(1, [&](int m, int j, int) { total[1] += z[m][j]; });
    make_first(total[0] + total[1]);
    wait();
    this->shrink_sums(shrink);
#pragma unroll
    for (int k = 0; k < kPage / 16; ++k)
      for (int j = 0; j < 4; ++j)
        weights[k][j] = pack<Type>(z[2 * k + j / 2][j % 2 * 2], z[2 * k + j / 2][j % 2 * 2 + 1]);
  }

  // While the weighted values of a page are summed, the next one's scores become weights.
  __device__ void attend_pages(int n) {
    Weights weights;
    unsigned u = 2 * pages;
    {
      Scores z;
      wait_until_full(u);
      multiply_keys(z, u);
      wait_for_products<0>(z);
      take_scores(z, weights, 0, u, [] {});
    }
    for (int i = 1; i < n; ++i, u += 2) {
      Scores z;
      wait_until_full(u + 2);
      multiply_keys(z, u + 2);
      wait_until_full(u + 1);
      multiply_values(weights, u + 1);
      wait_for_products<1>(z);
      take_scores(z, weights, i, u + 2, [&] {
        wait_for_products<0>(sums);
        release(u + 1);
      });
    }
    wait_until_full(u + 1);
    multiply_values(weights, u + 1);
    wait_for_products<0>(sums);
    release(u + 1);
  }

  // The largest score, total and sums over pages begin … end - 1 of the run.
  __device__ void walk(int begin, int end) {
    this->begin();
    for (int from = begin; from < end; from += Memory::kListed) {
      const int n =
          tile.list_pages(from, end - from < Memory::kListed ? end : from + Memory::kListed);
      if (n == 0) continue;
      if constexpr (kMultiplies)
        attend_pages(n);
      else
        copy_pages(n);
      pages += static_cast<unsigned>(n);
    }
    for (float& sum : total) {
      sum += __shfl_xor_sync(kAllLanes, sum, 1);
      sum += __shfl_xor_sync(kAllLanes, sum, 2);
    }
  }
};

// The groups that multiply take registers from the one that copies.
template <typename Type, int kHead>
__global__ void __launch_bounds__(kHopperThreads, 1)
    hopper_kernel(float* y, float* parts, Paged s, Tiling tiling) {
  if constexpr (kHasWarpGroups) {
    Tile<Type, HopperMemory<kHead>> tile(s, tiling);
    tile.load_rows();
    tile.memory.start(s.hd);
    __syncthreads();
    tile.bound_rows();
    if (tile.thread() < kGroups * kGroupThreads) {
      take_registers<208>();
      HopperAttention<Type, kHead, true> attention(tile);
      attend(attention, y, parts);
    } else {
      leave_registers<88>();
      HopperAttention<Type, kHead, false> attention(tile);
      attend(attention, y, parts);
    }
  }
}

}  // namespace r1::cuda
