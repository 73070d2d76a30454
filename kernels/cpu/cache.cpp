// The paged cache. Inside a page of one key head the keys lie element by element, [hd,
// kPageTokens], as attention reads them, the values position by position.
#include <algorithm>
#include <cmath>

#include "kernels/cpu/cpu_backend.h"
#include "kernels/cpu/rows.h"

namespace r1 {
namespace {

using cpu::page_of;
using cpu::row;

// An element of kv.decay, a row of kv.values.
std::int64_t place(const PagedKv& kv, std::int64_t s, std::int64_t h, std::int64_t j) {
  return page_of(kv, s, h, j / kPageTokens) * kPageTokens + j % kPageTokens;
}

template <typename T>
void put_key(const Tensor& keys, std::int64_t page, std::int64_t position, const T* key,
             std::int64_t hd) {
  T* to = keys.as<T>() + page * hd * kPageTokens + position;
  for (std::int64_t d = 0; d < hd; ++d) to[d * kPageTokens] = key[d];
}

}  // namespace

// Heads are dealt out: all positions of a page go through one thread, in order.
void CpuBackend::kv_store(const PagedKv& kv, const Tensor& k, const Tensor& v, const Tensor& A,
                          const Tensor& sequence, const Tensor& position) {
  const std::int64_t T = k.shape[0], KV = k.shape[1], hd = k.shape[2];
  const auto one = [&](std::int64_t t, std::int64_t h, std::vector<std::uint16_t>& halves) {
    const std::int64_t s = sequence.as<std::int32_t>()[t], j = position.as<std::int32_t>()[t];
    const std::int64_t page = page_of(kv, s, h, j / kPageTokens), to = place(kv, s, h, j);
    const float *key = row(k, t * KV + h), *value = row(v, t * KV + h);
    if (kv.keys.dtype == DType::f32) {
      put_key(kv.keys, page, j % kPageTokens, key, hd);
      std::copy(value, value + hd, row(kv.values, to));
    } else {
      kernels_.to_bf16(halves.data(), key, hd);
      put_key(kv.keys, page, j % kPageTokens, halves.data(), hd);
      kernels_.to_bf16(kv.values.as<std::uint16_t>() + to * hd, value, hd);
    }
    if (!A.empty()) kv.decay.as<float>()[to] = row(A, t)[h];
    if (kv.longest.empty()) return;
    float& longest = kv.longest.as<float>()[page];
    constexpr float kRounded = 1.0f + 0x1p-8f;  // what bf16 may add to a key
    const float length = kRounded * std::sqrt(kernels_.dot(key, key, hd));
    longest = j % kPageTokens == 0 ? length : std::max(longest, length);
  };
  for_rows(KV, T * hd, [&](std::int64_t begin, std::int64_t end) {
    std::vector<std::uint16_t> halves(static_cast<std::size_t>(hd));
    for (std::int64_t h = begin; h < end; ++h)
      for (std::int64_t t = 0; t < T; ++t) one(t, h, halves);
  });
}

void CpuBackend::kv_load_decay(const Tensor& base, const PagedKv& kv, const Tensor& sequence,
                               const Tensor& position) {
  for (std::int64_t t = 0; t < base.rows(); ++t)
    for (std::int64_t h = 0; h < base.cols(); ++h) {
      const std::int64_t s = sequence.as<std::int32_t>()[t], j = position.as<std::int32_t>()[t];
      row(base, t)[h] = j == 0 ? 0.0f : kv.decay.as<float>()[place(kv, s, h, j - 1)];
    }
}

}  // namespace r1
