#pragma once

#include <cstddef>
#include <cstdint>

#include <cuda_runtime.h>

#include "kernels/cuda/intrinsics.cuh"
#include "kernels/cuda/page.cuh"
#include "kernels/cuda/parts.cuh"
#include "kernels/cuda/reduce.cuh"

namespace r1::cuda {

// One part of the past of one row, for some of the query heads of a key head: attention_paged.cu.

inline constexpr int kPagedThreads = 128, kPagedWarps = kPagedThreads / kWarp;

struct Paged {
  const float* q;                    // [T, H, hd]
  const void *keys, *values;         // pages
  const float *A, *decay, *longest;  // null without DAW
  const std::int32_t *sequence, *position;
  PageTable table;
  int H, KV, hd, splits;
  float scale, skip;
  float step;  // tiles: what products of bare scores are multiplied by, scale log2 e; with DAW 1
  std::int64_t window;
};

// Rows of q begin at multiples of 16 bytes.
__host__ __device__ inline int query_pitch(int hd) { return (hd + 3) / 4 * 4; }

// Queries [heads, pitch]; weights [warps, heads, 64]; at the end what each warp found, [warps,
// heads, hd + 2].
inline std::size_t paged_shared_floats(int heads, int hd) {
  return static_cast<std::size_t>(heads) *
         static_cast<std::size_t>(query_pitch(hd) + kPagedWarps * (kPage + hd + 2));
}

// kHeads queries times the key of one position; `key` is its first piece.
template <typename Type, int kHeads>
__device__ void scores_of(float (&z)[kHeads], const float* queries, const typename Type::Bits* page,
                          int position, int hd) {
  constexpr int kPiece = kPerLoad<Type>;
  const int pitch = query_pitch(hd), whole = hd / kPiece * kPiece;
  for (float& sum : z) sum = 0.0f;
#pragma unroll 4
  for (int d = 0; d < whole; d += kPiece) {
    float key[kPiece];
    load16<Type>(key, page + d * kPage + position * kPiece);
#pragma unroll
    for (int g = 0; g < kHeads; ++g)
#pragma unroll
      for (int i = 0; i < kPiece; i += 4) {
        const float4 q = *reinterpret_cast<const float4*>(queries + g * pitch + d + i);
        z[g] += q.x * key[i] + q.y * key[i + 1] + q.z * key[i + 2] + q.w * key[i + 3];
      }
  }
  for (int d = whole; d < hd; ++d) {
    const float key = Type::widen(page[key_place<Type>(position, d, hd)]);
    for (int g = 0; g < kHeads; ++g) z[g] += queries[g * pitch + d] * key;
  }
}

// Elements kElements lane … of the value at `position`; zeros beyond the head.
template <typename Type, int kElements>
__device__ void load_value(float (&values)[kElements], const typename Type::Bits* page,
                           int position, int hd) {
  const int first = static_cast<int>(threadIdx.x) % kWarp * kElements;
  const typename Type::Bits* from = page + position * hd + first;
  for (int i = 0; i < kElements; ++i) values[i] = 0.0f;
  if (hd % kElements != 0) {  // rows are not aligned
    for (int i = 0; i < kElements && first + i < hd; ++i) values[i] = Type::widen(from[i]);
  } else if (first < hd) {
    struct alignas(sizeof(typename Type::Bits) * kElements > 16
                       ? 16
                       : sizeof(typename Type::Bits) * kElements) Row {
      typename Type::Bits bits[kElements];
    };
    const Row row = *reinterpret_cast<const Row*>(from);
    for (int i = 0; i < kElements; ++i) values[i] = Type::widen(row.bits[i]);
  }
}

// What a warp has found so far, by head: the largest score, the sum of weights, and the sum of
// weighted values, kElements of them a lane.
template <int kElements, int kHeads>
struct Found {
  float largest[kHeads], total[kHeads] = {}, sums[kHeads][kElements] = {};
};

// Positions begin … end - 1 of a page join what a warp has found. z: scores of positions lane and
// lane + 32, -inf outside.
template <typename Type, int kElements, int kHeads>
__device__ void take_page(Found<kElements, kHeads>& found, const float (&z)[2][kHeads],
                          float* weights, const typename Type::Bits* values, int begin, int end,
                          int hd) {
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
#pragma unroll
  for (int g = 0; g < kHeads; ++g) {
    const float most = fmaxf(found.largest[g], warp_max(fmaxf(z[0][g], z[1][g])));
    const float first = expf(z[0][g] - most), second = expf(z[1][g] - most);
    const float shrink = expf(found.largest[g] - most);
    found.largest[g] = most;
    found.total[g] = found.total[g] * shrink + warp_sum(first + second);
    for (float& sum : found.sums[g]) sum *= shrink;
    weights[g * kPage + lane] = first;
    weights[g * kPage + lane + kWarp] = second;
  }
  __syncwarp();
  for (int j = begin / 4 * 4; j < end; j += 4) {  // weights outside are 0, values are not read
    float value[4][kElements] = {};
#pragma unroll
    for (int i = 0; i < 4; ++i)
      if (begin <= j + i && j + i < end) load_value<Type>(value[i], values, j + i, hd);
#pragma unroll
    for (int g = 0; g < kHeads; ++g) {
      const float4 p = *reinterpret_cast<const float4*>(weights + g * kPage + j);
#pragma unroll
      for (int d = 0; d < kElements; ++d)
        found.sums[g][d] +=
            p.x * value[0][d] + p.y * value[1][d] + p.z * value[2][d] + p.w * value[3][d];
    }
  }
  __syncwarp();
}

// The row's own scores and |q|, from which it follows what pages cannot matter: no score
// of a page is above |q| longest scale + A_i - A of its last position, and the largest of all
// scores is not below the row's own.
template <int kHeads>
struct Bound {
  float length[kHeads], least[kHeads];

  template <typename Type>
  __device__ void prepare(const Paged& s, const float* queries, const typename Type::Bits* page,
                          int position, float own, float own_decay, std::int64_t seen) {
    float z[kHeads];
    scores_of<Type, kHeads>(z, queries, page, position, s.hd);
    for (int g = 0; g < kHeads; ++g) {
      const float* q = queries + g * query_pitch(s.hd);
      float squares = 0.0f;
      for (int d = 0; d < s.hd; ++d) squares += q[d] * q[d];
      length[g] = sqrtf(squares);
      least[g] = z[g] + own - own_decay + logf(s.skip / static_cast<float>(seen));
    }
  }
  __device__ bool negligible(float longest, float decay) const {
    for (int g = 0; g < kHeads; ++g)
      if (!(length[g] * longest + decay < least[g])) return false;
    return true;
  }
};

// Blocks on a processor at least, which says how many registers a thread may have.
template <int kHeads>
inline constexpr int kPagedBlocks = kHeads == 1 ? 4 : 2;

// parts [T, H, splits, 2 + hd]: largest score times log2 e, sum of weights, sum of weighted values.
template <typename Type, int kElements, int kHeads>
__global__ void __launch_bounds__(kPagedThreads, kPagedBlocks<kHeads>)
    paged_kernel(float* parts, Paged s) {
  wait_for_earlier();
  const int thread = static_cast<int>(threadIdx.x), lane = thread % kWarp, warp = thread / kWarp;
  const std::int64_t t = blockIdx.x, sequence = s.sequence[t];
  const int kv = static_cast<int>(blockIdx.y) % s.KV, group = s.H / s.KV;
  const int first_head = static_cast<int>(blockIdx.y) / s.KV * kHeads;  // of the group
  const int heads = group - first_head < kHeads ? group - first_head : kHeads;
  const std::int64_t row = t * s.H + kv * group + first_head;  // of [T, H]
  const int hd = s.hd, pitch = query_pitch(hd);

  float* queries = dynamic_shared<float>();                 // [kHeads, pitch], times scale
  float* weights = queries + kHeads * pitch;                // [warps, kHeads, 64]
  float* results = weights + kPagedWarps * kHeads * kPage;  // [warps, kHeads, 2 + hd]
  for (int i = thread; i < kHeads * hd; i += kPagedThreads) {
    const int g = i / hd < heads ? i / hd : 0;  // heads that are not there repeat the first
    queries[i / hd * pitch + i % hd] = s.scale * s.q[(row + g) * hd + i % hd];
  }
  __syncthreads();

  const std::int64_t last = s.position[t];
  const std::int64_t first = s.window > 0 && last >= s.window ? last - s.window + 1 : 0;
  const std::int64_t first_page = first / kPage, pages = last / kPage - first_page + 1;
  const std::int64_t split = blockIdx.z, each = (pages + s.splits - 1) / s.splits;
  const std::int64_t end_page = (split + 1) * each < pages ? (split + 1) * each : pages;
  const float own = s.A == nullptr ? 0.0f : s.A[t * s.KV + kv];
  const auto page_of = [&](const void* all, std::int64_t page) {
    return page_at<Type>(all, page, hd);
  };
  Bound<kHeads> bound{};
  if (s.skip > 0.0f) {
    const std::int64_t page = s.table.of(sequence, last, kv);
    const int at = static_cast<int>(last % kPage);
    bound.template prepare<Type>(s, queries, page_of(s.keys, page), at, own,
                                 s.decay[page * kPage + at], last - first + 1);
  }

  Found<kElements, kHeads> found;
  for (float& z : found.largest) z = -INFINITY;
  for (std::int64_t p = split * each + warp; p < end_page; p += kPagedWarps) {
    const std::int64_t from = (first_page + p) * kPage;  // the page's first position
    const int begin = first > from ? static_cast<int>(first - from) : 0;
    const int end = last + 1 - from < kPage ? static_cast<int>(last + 1 - from) : kPage;
    const std::int64_t page = s.table.of(sequence, from, kv);
    if (s.skip > 0.0f && end == kPage &&
        bound.negligible(s.longest[page], own - s.decay[(page + 1) * kPage - 1]))
      continue;
    float z[2][kHeads];
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const int j = lane + kWarp * half;
      if (begin <= j && j < end) {
        scores_of<Type, kHeads>(z[half], queries, page_of(s.keys, page), j, hd);
        const float decay = s.A == nullptr ? 0.0f : own - s.decay[page * kPage + j];
        for (float& score : z[half]) score += decay;
      } else {
        for (float& score : z[half]) score = -INFINITY;
      }
    }
    take_page<Type>(found, z, weights + warp * kHeads * kPage, page_of(s.values, page), begin, end,
                    hd);
  }

  const int width = hd + 2;
#pragma unroll
  for (int g = 0; g < kHeads; ++g) {
    float* result = results + (warp * kHeads + g) * width;
    if (lane == 0) {
      result[0] = found.largest[g];
      result[1] = found.total[g];
    }
    for (int d = 0; d < kElements; ++d)
      if (lane * kElements + d < hd) result[2 + lane * kElements + d] = found.sums[g][d];
  }
  __syncthreads();
  for (int i = thread; i < heads * width; i += kPagedThreads) {
    const int g = i / width;
    float largest = -INFINITY, sum = 0.0f;
    for (int w = 0; w < kPagedWarps; ++w)
      largest = fmaxf(largest, results[(w * kHeads + g) * width]);
    for (int w = 0; w < kPagedWarps; ++w) {
      const float* result = results + (w * kHeads + g) * width;
      if (result[0] > -INFINITY) sum += expf(result[0] - largest) * result[i % width];
    }
    parts[((row + g) * s.splits + split) * width + i % width] =
        i % width == 0 ? largest * kLog2E : sum;
  }
}

}  // namespace r1::cuda
