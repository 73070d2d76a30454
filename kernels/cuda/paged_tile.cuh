#pragma once

#include <cstdint>
#include <type_traits>

#include <cuda_runtime.h>

#include "kernels/cuda/intrinsics.cuh"
#include "kernels/cuda/mma.cuh"
#include "kernels/cuda/page.cuh"
#include "kernels/cuda/paged_part.cuh"
#include "kernels/cuda/parts.cuh"
#include "kernels/cuda/reduce.cuh"

namespace r1::cuda {

// What a block of paged_mma.cuh or paged_wgmma.cuh works on: a tile of query rows of one key head,
// the runs of rows of one sequence in it, and which pages a run looks at.

// How the rows of a step are cut into tiles. No row's bits depend on it, but on part_pages.
struct Tiling {
  std::int64_t T;
  int tokens, heads;  // of a tile: row r is token r / heads and head r % heads
  int lanes;          // blocks that share the runs of a tile, by the token each begins with
  int part_pages;     // a part begins at each multiple of so many pages; 0: s.splits even parts
};

// What a row may see: positions first … last, none if last is -1; and, with DAW, what it skips.
struct TileRow {
  int first, last;
  float own;            // A of the row
  float length, least;  // |q| scale, and the least score that matters, both times log2 e
};

struct ListedPage {
  std::int64_t number;  // PageTable::of
  int from;             // its first position
  float longest;        // key
};

// What tensor cores multiply over pages of Type: bytes are widened on their way.
template <typename Type>
using Multiplied = std::conditional_t<std::is_same_v<Type, Q8>, F16, Type>;

// Memory: the block's shared memory, of kThreads threads and kRows rows of kHead elements, hd of
// them and zeros; query(r, d) is where elements d … d + 7 of row r lie. kListed pages are looked up
// at a time.
template <typename Type_, typename Memory_>
struct Tile {
  using Type = Type_;
  using Memory = Memory_;
  static constexpr int kRows = Memory::kRows, kThreads = Memory::kThreads;
  static constexpr int kWarps = kThreads / kWarp, kPieces = Memory::kHead / 8;

  const Paged& s;
  const Tiling& tiling;
  Memory& memory;
  std::int64_t first_token;
  int tokens, kv, first_head;  // the head: of the group
  // Of the run at hand: its rows are begin_row … end_row - 1, and see first … last at most.
  int begin_row = 0, end_row = 0, first = 0, last = -1;
  std::int32_t sequence = 0;

  // The last tiles see most pages of a prefill: they begin first.
  __device__ Tile(const Paged& paged, const Tiling& t)
      : s(paged),
        tiling(t),
        memory(*dynamic_shared<Memory>()),
        first_token(std::int64_t{gridDim.x - 1 - blockIdx.x} * t.tokens),
        tokens(static_cast<int>(t.T - first_token < t.tokens ? t.T - first_token : t.tokens)),
        kv(static_cast<int>(blockIdx.y) % s.KV),
        first_head(static_cast<int>(blockIdx.y) / s.KV * t.heads) {}

  __device__ static int thread() { return static_cast<int>(threadIdx.x); }
  __device__ static int lane() { return thread() % kWarp; }
  __device__ static int warp() { return thread() / kWarp; }

  __device__ std::int64_t token_of(int r) const { return first_token + r / tiling.heads; }
  // Of [T, H].
  __device__ std::int64_t row_of(int r) const {
    return token_of(r) * s.H + kv * (s.H / s.KV) + first_head + r % tiling.heads;
  }
  __device__ bool there(int r) const {
    return r < tokens * tiling.heads && first_head + r % tiling.heads < s.H / s.KV;
  }

  __device__ void load_rows() {
    for (int r = thread(); r < kRows; r += kThreads) {
      TileRow row{0, -1, 0.0f, 0.0f, 0.0f};
      if (there(r)) {
        row.last = s.position[token_of(r)];
        if (s.window > 0 && row.last >= s.window)
          row.first = row.last - static_cast<int>(s.window) + 1;
        if (s.A != nullptr) row.own = s.A[token_of(r) * s.KV + kv];
      }
      memory.rows[r] = row;
    }
    for (int i = thread(); i < kRows * kPieces; i += kThreads) {
      const int r = i / kPieces, d = i % kPieces * 8;
      uint4 piece{0, 0, 0, 0};
      if (there(r) && d < s.hd) {
        const auto* q = reinterpret_cast<const float4*>(s.q + row_of(r) * s.hd + d);
        const float4 a = q[0], b = q[1];
        piece = {pack<Multiplied<Type>>(a.x, a.y), pack<Multiplied<Type>>(a.z, a.w),
                 pack<Multiplied<Type>>(b.x, b.y), pack<Multiplied<Type>>(b.z, b.w)};
      }
      *reinterpret_cast<uint4*>(memory.query(r, d)) = piece;
    }
  }

  // What DAW lets rows skip; all of them have been loaded.
  __device__ void bound_rows() {
    if (s.skip == 0.0f) return;
    for (int r = warp(); r < kRows; r += kWarps)
      if (there(r)) bound(memory.rows[r], r);
    __syncthreads();
  }

  // Elements d … d + 7 of the key at `position`.
  __device__ void load_key(float (&key)[8], const typename Type::Bits* page, int position, int d) {
    const typename Type::Bits* from = page + key_place<Type>(position, d, s.hd);
    if constexpr (std::is_same_v<Type, Q8>) {
      const float scale = half_to_float(*scale_at(page, position, d, s.hd));
      for (int i = 0; i < 8; ++i) key[i] = scale * static_cast<float>(from[i]);
    } else {
      load16<Type>(key, from);
    }
  }

  // The least score that matters to a row, by a warp. The largest of all its scores is not below
  // its own; a position that is less than skip / n of that is not missed by n positions together.
  __device__ void bound(TileRow& row, int r) {
    const std::int64_t page = s.table.of(s.sequence[token_of(r)], row.last, kv);
    const int at = row.last % kPage, d = lane() * 8;
    float z = 0.0f, squares = 0.0f;
    if (d < s.hd) {
      float q[8], key[8];
      load16<Multiplied<Type>>(q, memory.query(r, d));
      load_key(key, page_at<Type>(s.keys, page, s.hd), at, d);
      for (int i = 0; i < 8; ++i) {
        z = fmaf(q[i], key[i], z);
        squares = fmaf(q[i], q[i], squares);
      }
    }
    z = warp_sum(z);
    squares = warp_sum(squares);
    if (lane() > 0) return;
    const float decay = (row.own - s.decay[page * kPage + at]) * kLog2E;
    const auto seen = static_cast<float>(row.last - row.first + 1);
    row.length = sqrtf(squares) * s.scale * kLog2E;
    row.least = fmaf(z, s.scale * kLog2E, decay) + log2f(s.skip / seen);
  }

  // Whether a page that the row sees whole holds no score that matters. decay: A of its last
  // position. By the row's own numbers alone, so that no other row of the tile has a say.
  __device__ bool skips(const TileRow& row, int from, float longest, float decay) const {
    return s.skip > 0.0f && row.last >= from + kPage - 1 &&
           fmaf(row.length, longest, (row.own - decay) * kLog2E) < row.least;
  }

  // By each warp, 32 tokens at a time.
  __device__ int end_of_run(int begin) const {
    const std::int32_t own = s.sequence[first_token + begin];
    for (int from = begin; from < tokens; from += kWarp) {
      const int token = from + lane();
      const bool inside = token < tokens && s.sequence[first_token + token] == own;
      const unsigned others = ~__ballot_sync(kAllLanes, inside);
      if (others != 0) return from + __ffs(static_cast<int>(others)) - 1;
    }
    return tokens;
  }

  __device__ void enter_run(int begin, int end) {
    begin_row = begin * tiling.heads;
    end_row = end * tiling.heads;
    sequence = s.sequence[first_token + begin];
    first = memory.rows[begin_row].first;
    last = memory.rows[begin_row].last;
    for (int t = begin + lane(); t < end; t += kWarp)
      look_from_to(memory.rows[t * tiling.heads].first, memory.rows[t * tiling.heads].last);
    for (int bits = kWarp / 2; bits > 0; bits /= 2)
      look_from_to(__shfl_xor_sync(kAllLanes, first, bits), __shfl_xor_sync(kAllLanes, last, bits));
  }
  __device__ void look_from_to(int from, int to) {
    first = from < first ? from : first;
    last = to > last ? to : last;
  }

  // Whether some row of the run may look there: what lies elsewhere may be anything, and 0 NaN is
  // NaN.
  __device__ bool sees(int position) const { return first <= position && position <= last; }

  // Lists those of pages begin … end - 1, Memory::kListed at most, that some row wants. Returns how
  // many.
  __device__ int list_pages(int begin, int end) {
    __syncthreads();  // those listed before have been read
    if (s.skip > 0.0f) {
      int n = 0;
      for (int from = begin; from < end; from += kWarp) n += list_wanted(from, end, n);
      return n;
    }
    for (int i = begin + thread(); i < end; i += kThreads)
      memory.listed[i - begin] = {s.table.of(sequence, i * kPage, kv), i * kPage, 0.0f};
    __syncthreads();
    return end - begin;
  }

  // Of the 32 pages from `begin` on: those that DAW does not let all rows skip, behind `listed`.
  __device__ int list_wanted(int begin, int end, int listed) {
    const int from = (begin + lane()) * kPage;
    ListedPage page{0, from, 0.0f};
    bool wanted = false;
    if (begin + lane() < end) {
      page.number = s.table.of(sequence, from, kv);
      page.longest = s.longest[page.number];
      const float decay = s.decay[page.number * kPage + kPage - 1];
      for (int r = begin_row + warp(); r < end_row; r += kWarps) {
        const TileRow& row = memory.rows[r];
        wanted = wanted || (from <= row.last && row.first < from + kPage &&
                            !skips(row, from, page.longest, decay));
      }
    }
    const unsigned votes = __ballot_sync(kAllLanes, wanted);
    if (lane() == 0) memory.wanted[warp()] = votes;
    __syncthreads();
    unsigned all = 0;
    for (int w = 0; w < kWarps; ++w) all |= memory.wanted[w];
    const unsigned mine = 1u << lane();
    if (warp() == 0 && (all & mine) != 0) memory.listed[listed + __popc(all & (mine - 1))] = page;
    __syncthreads();
    return __popc(all);
  }
};

}  // namespace r1::cuda
