// Attention of each row over the stored pages of its sequence: which kernel, in what tiles and
// parts, and how the parts are put together. Pages of bf16, f16 and q8_0 go through tensor cores
// (paged_mma.cuh; a prefill on Hopper: paged_wgmma.cuh), those of f32, and heads that are not whole
// pieces of 16 bytes, through plain f32 (paged_part.cuh).
//   Split along the past: FlashDecoding, pytorch.org/blog/flash-decoding.
#include <algorithm>
#include <cstdint>
#include <type_traits>

#include "kernels/cuda/check.h"
#include "kernels/cuda/cuda_backend.h"
#include "kernels/cuda/page.cuh"
#include "kernels/cuda/paged_mma.cuh"
#include "kernels/cuda/paged_part.cuh"
#include "kernels/cuda/paged_wgmma.cuh"
#include "kernels/cuda/parts.cuh"
#include "kernels/cuda/reduce.cuh"

namespace r1 {
namespace {

using cuda::kPagedThreads;
using cuda::Paged;

// y of one row and head from its parts. A block each, a thread an element. Parts are read several
// at a time, for the time it takes, and joined in order.
constexpr int kTogether = 8;
__global__ void merge_kernel(float* y, const float* parts, int splits, int hd) {
  cuda::wait_for_earlier();
  const std::int64_t r = blockIdx.x;
  const int width = hd + 2;
  parts += r * splits * width;
  for (int d = static_cast<int>(threadIdx.x); d < hd; d += kPagedThreads) {
    cuda::Joined joined;
    float sum = 0.0f;
    for (int first = 0; first < splits; first += kTogether) {
      float largest[kTogether], total[kTogether], value[kTogether];
#pragma unroll
      for (int i = 0; i < kTogether; ++i) {
        const float* part = parts + (first + i < splits ? first + i : first) * width;
        largest[i] = part[0];
        total[i] = first + i < splits ? part[1] : 0.0f;
        value[i] = part[2 + d];
      }
#pragma unroll
      for (int i = 0; i < kTogether; ++i)
        sum = cuda::join_sums(joined.add(largest[i], total[i]), sum, value[i]);
    }
    y[r * hd + d] = 1.0f / joined.total * sum;
  }
}

// --- plain f32 -----------------------------------------------------------------------------------

template <typename Type, int kElements, int kHeads>
void run(float* parts, const Paged& s, std::int64_t T, cudaStream_t stream) {
  const int group = s.H / s.KV, chunks = (group + kHeads - 1) / kHeads;
  const auto shared = cuda::paged_shared_floats(kHeads, s.hd) * sizeof(float);
  cuda::launch_early("attention_paged", stream,
                     {{cuda::blocks_of(T, 1), static_cast<unsigned>(s.KV * chunks),
                       static_cast<unsigned>(s.splits)},
                      kPagedThreads,
                      shared},
                     cuda::paged_kernel<Type, kElements, kHeads>, parts, s);
}

template <int kElements>
void f32_for_group(float* parts, const Paged& s, std::int64_t T, cudaStream_t stream) {
  if (s.H == s.KV) return run<cuda::F32, kElements, 1>(parts, s, T, stream);
  if (s.H <= 4 * s.KV) return run<cuda::F32, kElements, 4>(parts, s, T, stream);
  run<cuda::F32, kElements, 8>(parts, s, T, stream);
}

void f32_for_head(float* parts, const Paged& s, std::int64_t T, cudaStream_t stream) {
  if (s.hd <= 64) return f32_for_group<2>(parts, s, T, stream);
  if (s.hd <= 128) return f32_for_group<4>(parts, s, T, stream);
  f32_for_group<8>(parts, s, T, stream);
}

// --- tensor cores --------------------------------------------------------------------------------

// Tiles of 16 rows for tokens that stand alone, else of the most rows that registers and shared
// memory hold: a warp that has 16 rows of 256 elements to itself would keep 128 sums a thread.
enum class Tiles { low, high, hopper };

// Whether the card runs what was compiled for sm_90a.
bool has_warp_groups() {
  static const bool has = [] {
    cudaFuncAttributes code{};
    cuda::check(cudaFuncGetAttributes(&code, cuda::hopper_kernel<cuda::Bf16, 64>),
                "ask what code a card runs");
    return code.binaryVersion == 90 && code.ptxVersion == 90;
  }();
  return has;
}

Tiles tiles_for(const Paged& s, DType pages, std::int64_t longest_run, bool batch_invariant) {
  const std::int64_t rows = longest_run * (s.H / s.KV);
  const bool fits = (s.hd <= 64 || (96 < s.hd && s.hd <= 128)) && pages != DType::q8_0;
  if (rows > 64 && fits && !batch_invariant && has_warp_groups()) return Tiles::hopper;
  return rows <= 16 ? Tiles::low : Tiles::high;
}

int rows_of(Tiles tiles, const Paged& s) {
  return tiles == Tiles::low ? 16 : tiles == Tiles::hopper ? 128 : s.hd <= 128 ? 64 : 32;
}

cuda::Tiling tiling_of(const Paged& s, std::int64_t T, std::int64_t longest_run, int rows) {
  constexpr std::int64_t kMostLanes = 8;
  const int heads = std::min(s.H / s.KV, rows);
  const std::int64_t tokens = std::min<std::int64_t>(longest_run, rows / heads);
  const std::int64_t lanes = std::min({tokens, T - longest_run + 1, kMostLanes});
  return {T, static_cast<int>(tokens), heads, static_cast<int>(lanes), 0};
}

dim3 blocks_of(const Paged& s, const cuda::Tiling& t) {
  const int chunks = (s.H / s.KV + t.heads - 1) / t.heads;
  return {cuda::blocks_of(t.T, t.tokens), static_cast<unsigned>(s.KV * chunks),
          static_cast<unsigned>(s.splits * t.lanes)};
}

template <typename Type, int kHead, int kRowWarps>
void run_tiles(float* y, float* parts, const Paged& s, const cuda::Tiling& tiling,
               cudaStream_t stream) {
  cuda::launch_early(
      "attention_paged", stream,
      {blocks_of(s, tiling), cuda::kTileThreads, sizeof(cuda::TileMemory<kHead, kRowWarps>)},
      cuda::tile_kernel<Type, kHead, kRowWarps>, y, parts, s, tiling);
}

template <typename Type, int kHead>
void run_hopper(float* y, float* parts, const Paged& s, const cuda::Tiling& tiling,
                cudaStream_t stream) {
  cuda::launch("attention_paged", stream,
               {blocks_of(s, tiling), cuda::kHopperThreads, sizeof(cuda::HopperMemory<kHead>)},
               cuda::hopper_kernel<Type, kHead>, y, parts, s, tiling);
}

template <typename Type>
void for_tile(float* y, float* parts, const Paged& s, const cuda::Tiling& t, Tiles tiles,
              cudaStream_t stream) {
  const auto run = [&](auto low, auto high) {
    (tiles == Tiles::low ? low : high)(y, parts, s, t, stream);
  };
  if constexpr (!std::is_same_v<Type, cuda::Q8>)
    if (tiles == Tiles::hopper)
      return (s.hd <= 64 ? run_hopper<Type, 64> : run_hopper<Type, 128>)(y, parts, s, t, stream);
  if (s.hd <= 64) return run(run_tiles<Type, 64, 1>, run_tiles<Type, 64, 4>);
  if (s.hd <= 96) return run(run_tiles<Type, 128, 1>, run_tiles<Type, 96, 4>);
  if (s.hd <= 128) return run(run_tiles<Type, 128, 1>, run_tiles<Type, 128, 4>);
  run(run_tiles<Type, 256, 1>, run_tiles<Type, 256, 2>);
}

auto for_tile_of(DType pages) {
  return pages == DType::f16    ? for_tile<cuda::F16>
         : pages == DType::q8_0 ? for_tile<cuda::Q8>
                                : for_tile<cuda::Bf16>;
}

// Halves come here with heads alone that are not whole pieces of 16 bytes, which no large model
// has: one kernel serves them all.
auto for_head_of(DType pages) {
  return pages == DType::f32   ? f32_for_head
         : pages == DType::f16 ? run<cuda::F16, 8, 8>
                               : run<cuda::Bf16, 8, 8>;
}

Paged paged_of(const Tensor& q, const PagedKv& kv, const Tensor& A, const Tensor& sequence,
               const Tensor& position, const AttentionOptions& options) {
  Paged s;
  s.q = q.as<float>();
  s.keys = kv.keys.data;
  s.values = kv.values.data;
  s.A = A.as<float>();
  s.decay = kv.decay.as<float>();
  s.longest = kv.longest.as<float>();
  s.sequence = sequence.as<std::int32_t>();
  s.position = position.as<std::int32_t>();
  s.table = cuda::page_table(kv);
  s.H = static_cast<int>(q.shape[1]);
  s.KV = static_cast<int>(kv.keys.shape[1]);
  s.hd = static_cast<int>(q.shape[2]);
  s.splits = 1;
  s.scale = options.scale;
  s.step = A.empty() ? s.scale * cuda::kLog2E : 1.0f;
  s.window = options.window;
  s.skip = A.empty() || kv.longest.empty() ? 0.0f : options.skip;
  return s;
}

}  // namespace

// The past is split into enough parts to keep the card busy, by sizes that do not depend on
// positions: those are on the device, and a step waits for nothing. Where a row may not depend on
// the batch, plain f32 has one part, and tiles have parts of fixed length; a block goes through all
// of them where there are blocks enough, or their sums would take too much memory.
void CudaBackend::attention_paged(const Tensor& y, const Tensor& q, const PagedKv& kv,
                                  const Tensor& A, const Tensor& sequence, const Tensor& position,
                                  const AttentionOptions& options) {
  constexpr std::int64_t kLargestHead = 256, kMostSplits = 64;
  constexpr std::int64_t kLeastPages = 2, kPartPages = 8, kMostPartsBytes = 64 << 20;
  const std::int64_t T = q.shape[0], H = q.shape[1], hd = q.shape[2];
  if (hd > kLargestHead) cuda::fail_unsupported("attention", "heads are wider than 256");
  Paged s = paged_of(q, kv, A, sequence, position, options);
  const auto parts_of = [&](std::int64_t pages) { return (s.table.pages + pages - 1) / pages; };
  const auto bytes_of = [&](std::int64_t splits) {
    return T * H * splits * (hd + 2) * static_cast<std::int64_t>(sizeof(float));
  };
  const bool in_tiles = kv.keys.dtype != DType::f32 && hd % 8 == 0;
  const std::int64_t longest_run = std::clamp<std::int64_t>(options.longest_run, 1, T);
  const Tiles tiles = tiles_for(s, kv.keys.dtype, longest_run, batch_invariant_);
  cuda::Tiling tiling = tiling_of(s, T, longest_run, rows_of(tiles, s));
  const dim3 blocks = blocks_of(s, tiling);
  const std::int64_t blocks_per_processor = tiles == Tiles::hopper ? 2 : 4;
  const std::int64_t wanted = blocks_per_processor * processors_ /
                                  (in_tiles ? std::int64_t{blocks.x} * blocks.y : T * s.KV) +
                              1;
  if (!batch_invariant_) {
    s.splits = static_cast<int>(std::min({wanted, parts_of(kLeastPages), kMostSplits}));
  } else if (in_tiles) {
    tiling.part_pages = kPartPages;
    const std::int64_t parts = parts_of(kPartPages);
    if (wanted > 1 && bytes_of(parts) <= kMostPartsBytes) s.splits = static_cast<int>(parts);
  }
  const bool whole = in_tiles && s.splits == 1;
  float* parts =
      whole ? nullptr : static_cast<float*>(scratch(static_cast<std::size_t>(bytes_of(s.splits))));
  if (in_tiles)
    for_tile_of(kv.keys.dtype)(y.as<float>(), parts, s, tiling, tiles, stream_);
  else
    for_head_of(kv.keys.dtype)(parts, s, T, stream_);
  if (whole) return;
  cuda::launch_early("attention_paged", stream_, {cuda::blocks_of(T * H, 1), kPagedThreads},
                     merge_kernel, y.as<float>(), parts, s.splits, s.hd);
}

}  // namespace r1
