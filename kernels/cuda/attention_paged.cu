// Attention of each row over the stored pages of its sequence. A block takes one row, up to 8 query
// heads of one key head, and a part of the pages; a warp a page at a time: a lane a position (two
// of them) for scores, a lane a few elements for the sum of values. Parts are then put together.
// Moves the keys and values of a part once for all heads of the block.
//   Split along the past: FlashDecoding, pytorch.org/blog/flash-decoding.
#include <cstdint>

#include "kernels/cuda/cuda_backend.h"
#include "kernels/cuda/page.cuh"
#include "kernels/cuda/paged_part.cuh"
#include "kernels/cuda/reduce.cuh"

namespace r1 {
namespace {

using cuda::kPage;
using cuda::kPagedThreads;
using cuda::kPagedWarps;
using cuda::kWarp;
using cuda::Paged;

// y of one row and head from its parts. A block each, a thread an element.
__global__ void merge_kernel(float* y, const float* parts, int splits, int hd) {
  const std::int64_t r = blockIdx.x;
  const int width = hd + 2;
  parts += r * splits * width;
  float largest = -INFINITY;
  for (int p = 0; p < splits; ++p) largest = fmaxf(largest, parts[p * width]);
  for (int d = static_cast<int>(threadIdx.x); d < hd; d += kPagedThreads) {
    float sum = 0.0f, total = 0.0f;
    for (int p = 0; p < splits; ++p) {
      const float weight = expf(parts[p * width] - largest);
      total += weight * parts[p * width + 1];
      sum += weight * parts[p * width + 2 + d];
    }
    y[r * hd + d] = sum / total;
  }
}

template <typename Type, int kElements, int kHeads>
void run(float* parts, const Paged& s, std::int64_t T, cudaStream_t stream) {
  const int group = s.H / s.KV, chunks = (group + kHeads - 1) / kHeads;
  const auto shared = cuda::paged_shared_floats(kHeads, s.hd) * sizeof(float);
  cuda::launch("attention_paged", stream,
               {{cuda::blocks_of(T, 1), static_cast<unsigned>(s.KV * chunks),
                 static_cast<unsigned>(s.splits)},
                kPagedThreads,
                shared},
               cuda::paged_kernel<Type, kElements, kHeads>, parts, s);
}

template <typename Type, int kElements>
void for_group(float* parts, const Paged& s, std::int64_t T, cudaStream_t stream) {
  if (s.H == s.KV) return run<Type, kElements, 1>(parts, s, T, stream);
  if (s.H <= 4 * s.KV) return run<Type, kElements, 4>(parts, s, T, stream);
  run<Type, kElements, 8>(parts, s, T, stream);
}

template <typename Type>
void for_head(float* parts, const Paged& s, std::int64_t T, cudaStream_t stream) {
  if (s.hd <= 64) return for_group<Type, 2>(parts, s, T, stream);
  if (s.hd <= 128) return for_group<Type, 4>(parts, s, T, stream);
  for_group<Type, 8>(parts, s, T, stream);
}

}  // namespace

// Enough parts to keep the card busy, by sizes that do not depend on positions: those are on the
// device, and a step waits for nothing.
void CudaBackend::attention_paged(const Tensor& y, const Tensor& q, const PagedKv& kv,
                                  const Tensor& A, const Tensor& sequence, const Tensor& position,
                                  const AttentionOptions& options) {
  constexpr std::int64_t kLargestHead = 256, kMostSplits = 64, kBlocksPerProcessor = 4;
  const std::int64_t T = q.shape[0], H = q.shape[1], hd = q.shape[2], KV = kv.keys.shape[1];
  if (hd > kLargestHead) cuda::fail_unsupported("attention", "heads are wider than 256");
  const std::int64_t wanted = kBlocksPerProcessor * processors_ / (T * KV) + 1;
  const std::int64_t pages = (kv.table.shape[1] + kPagedWarps - 1) / kPagedWarps;
  const std::int64_t most = pages < kMostSplits ? pages : kMostSplits;
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
  s.H = static_cast<int>(H);
  s.KV = static_cast<int>(KV);
  s.hd = static_cast<int>(hd);
  s.splits = static_cast<int>(wanted < most ? wanted : most);
  s.scale = options.scale;
  s.window = options.window;
  s.skip = A.empty() || kv.longest.empty() ? 0.0f : options.skip;
  const std::int64_t width = s.splits * (hd + 2);
  float* parts =
      static_cast<float*>(scratch(static_cast<std::size_t>(T * H * width) * sizeof(float)));
  if (kv.keys.dtype == DType::f32)
    for_head<cuda::F32>(parts, s, T, stream_);
  else
    for_head<cuda::Bf16>(parts, s, T, stream_);
  cuda::launch("attention_paged", stream_, {cuda::blocks_of(T * H, 1), kPagedThreads}, merge_kernel,
               y.as<float>(), parts, s.splits, s.hd);
}

}  // namespace r1
