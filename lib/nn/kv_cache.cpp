#include "lib/nn/kv_cache.h"

#include <cassert>
#include <numeric>

namespace r1 {

std::size_t KvShape::page_bytes() const {
  const Tensor keys{nullptr, {layers, kv_heads, kPageTokens, head_dim}, dtype};
  const std::int64_t decays = layers * kv_heads * (kPageTokens + 1);  // and the longest key
  return 2 * keys.bytes() + (decay ? static_cast<std::size_t>(decays) * sizeof(float) : 0);
}

KvCache::KvCache(Backend& backend, const KvShape& shape, std::int64_t pages)
    : shape_(shape), users_(static_cast<std::size_t>(pages), 0) {
  const auto take = [&](const Shape& dims, DType dtype) {
    Tensor t{nullptr, dims, dtype, backend.device()};
    t.data = memory_.emplace_back(backend, t.bytes()).data();
    return t;
  };
  for (std::int64_t l = 0; l < shape.layers; ++l) {
    const Shape dims = {pages, shape.kv_heads, kPageTokens, shape.head_dim};
    PagedKv kv{.keys = take(dims, shape.dtype),
               .values = take(dims, shape.dtype),
               .decay = {},
               .longest = {},
               .table = {}};
    if (shape.decay) {
      kv.decay = take({pages, shape.kv_heads, kPageTokens}, DType::f32);
      kv.longest = take({pages, shape.kv_heads}, DType::f32);
    }
    layers_.push_back(kv);
  }
  free_.resize(static_cast<std::size_t>(pages));
  std::iota(free_.rbegin(), free_.rend(), 0);  // low numbers are taken first
}

std::int32_t KvCache::take() {
  assert(!free_.empty());
  const std::int32_t page = free_.back();
  free_.pop_back();
  users_[static_cast<std::size_t>(page)] = 1;
  return page;
}

void KvCache::share(std::int32_t page) {
  assert(users_[static_cast<std::size_t>(page)] > 0);
  ++users_[static_cast<std::size_t>(page)];
}

void KvCache::give_back(std::int32_t page) {
  assert(users_[static_cast<std::size_t>(page)] > 0);
  if (--users_[static_cast<std::size_t>(page)] == 0) free_.push_back(page);
}

PagedKv KvCache::layer(std::int64_t l, const Tensor& table) const {
  PagedKv kv = layers_[static_cast<std::size_t>(l)];
  kv.table = table;
  return kv;
}

}  // namespace r1
