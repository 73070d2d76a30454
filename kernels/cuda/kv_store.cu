// Keys, values and decays to their places in the cache. A warp a row of one key head.
#include <cstdint>
#include <type_traits>

#include "kernels/cuda/cuda_backend.h"
#include "kernels/cuda/page.cuh"
#include "kernels/cuda/reduce.cuh"

namespace r1 {
namespace {

using cuda::kPage;
using cuda::kWarp;

struct Store {
  void *keys, *values;
  float *decay, *longest;  // may be null
  const float *k, *v, *A;  // [T, KV, hd], [T, KV, hd], [T, KV] or null
  const std::int32_t *sequence, *position;
  cuda::PageTable table;
  std::int64_t T;
  int hd;
};

// Element d of the row at `position`, as `pack` rounds it, at `place` of the page. A warp has 32
// neighbours: a block of q8_0.
template <typename Type>
__device__ void put(typename Type::Bits* page, int place, int position, int d, int hd, float x) {
  if constexpr (std::is_same_v<Type, cuda::Q8>) {
    const std::uint16_t scale = cuda::float_to_half(cuda::warp_max(fabsf(x)) / 127.0f);
    const float step = cuda::half_to_float(scale), inverse = step > 0.0f ? 1.0f / step : 0.0f;
    page[place] = static_cast<std::int8_t>(fminf(fmaxf(rintf(x * inverse), -127.0f), 127.0f));
    if (d % kWarp == 0) *cuda::scale_at(page, position, d, hd) = scale;
  } else {
    page[place] = Type::round(x);
  }
}

template <typename Type>
__global__ void store_kernel(Store s) {
  const std::int64_t r = cuda::my_row<kWarp>(), KV = s.table.KV;
  cuda::wait_for_earlier();
  if (r >= s.T * KV) return;
  const std::int64_t t = r / KV;
  const std::int64_t page = s.table.of(s.sequence[t], s.position[t], r % KV);
  const int position = s.position[t] % kPage, lane = static_cast<int>(threadIdx.x) % kWarp;
  auto* keys = cuda::page_at<Type>(s.keys, page, s.hd);
  auto* values = cuda::page_at<Type>(s.values, page, s.hd);
  float squares = 0.0f;
  for (int d = lane; d < s.hd; d += kWarp) {
    const float key = s.k[r * s.hd + d];
    put<Type>(keys, cuda::key_place<Type>(position, d, s.hd), position, d, s.hd, key);
    put<Type>(values, position * s.hd + d, position, d, s.hd, s.v[r * s.hd + d]);
    squares += key * key;
  }
  squares = cuda::warp_sum(squares);
  if (lane > 0) return;
  if (s.A != nullptr) s.decay[page * kPage + position] = s.A[r];
  if (s.longest == nullptr) return;
  // What rounding may add to a key's length, and more than f32 sums do. Of a block of q8_0, 32
  // halves of a step that is the largest / 127; of 16 bits, more than there is.
  constexpr float kRounded = 1.0f + (std::is_same_v<Type, cuda::Q8> ? 0x1p-5f : 0x1p-8f);
  const float length = kRounded * sqrtf(squares);
  atomicMax(reinterpret_cast<int*>(s.longest + page), __float_as_int(length));  // both >= 0
}

auto store_kernel_of(DType dtype) {
  return dtype == DType::f32    ? store_kernel<cuda::F32>
         : dtype == DType::f16  ? store_kernel<cuda::F16>
         : dtype == DType::q8_0 ? store_kernel<cuda::Q8>
                                : store_kernel<cuda::Bf16>;
}

// A page begins with its first position: what it held before is forgotten.
__global__ void begin_pages_kernel(Store s) {
  const std::int64_t r = std::int64_t{blockIdx.x} * blockDim.x + threadIdx.x, KV = s.table.KV;
  cuda::wait_for_earlier();
  if (r >= s.T * KV) return;
  const std::int64_t t = r / KV;
  if (s.position[t] % kPage == 0)
    s.longest[s.table.of(s.sequence[t], s.position[t], r % KV)] = 0.0f;
}

}  // namespace

void CudaBackend::kv_store(const PagedKv& kv, const Tensor& k, const Tensor& v, const Tensor& A,
                           const Tensor& sequence, const Tensor& position) {
  const Store s{kv.keys.data,
                kv.values.data,
                kv.decay.as<float>(),
                kv.longest.as<float>(),
                k.as<float>(),
                v.as<float>(),
                A.as<float>(),
                sequence.as<std::int32_t>(),
                position.as<std::int32_t>(),
                cuda::page_table(kv),
                k.shape[0],
                static_cast<int>(k.shape[2])};
  if (s.longest != nullptr)
    cuda::launch_early("kv_store", stream_,
                       {cuda::blocks_of(k.rows(), cuda::kRowThreads), cuda::kRowThreads},
                       begin_pages_kernel, s);
  cuda::launch_early("kv_store", stream_, cuda::grid_of_rows<kWarp>(k.rows()),
                     store_kernel_of(kv.keys.dtype), s);
}

void CudaBackend::kv_load_decay(const Tensor& base, const PagedKv& kv, const Tensor& sequence,
                                const Tensor& position) {
  float* to = base.as<float>();
  const float* decay = kv.decay.as<float>();
  const std::int32_t *s = sequence.as<std::int32_t>(), *j = position.as<std::int32_t>();
  const cuda::PageTable table = cuda::page_table(kv);
  cuda::each("kv_load_decay", stream_, base.shape.elements(), [=] __device__(std::int64_t i) {
    const std::int64_t t = i / table.KV, before = j[t] - 1;
    to[i] =
        before < 0 ? 0.0f : decay[table.of(s[t], before, i % table.KV) * kPage + before % kPage];
  });
}

}  // namespace r1
