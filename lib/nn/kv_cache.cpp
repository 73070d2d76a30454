#include "lib/nn/kv_cache.h"

#include <algorithm>
#include <cassert>

namespace r1 {
namespace {

// All from part `first` on.
Tensor parts_from(const Tensor& all, std::int64_t first, const Shape& dims) {
  const std::size_t bytes = all.bytes() / static_cast<std::size_t>(all.shape[0]);
  return {all.as<std::byte>() + static_cast<std::size_t>(first) * bytes, dims, all.dtype,
          all.device};
}

}  // namespace

std::size_t KvShape::page_bytes() const {
  const Tensor keys{nullptr, {layers, kv_heads, kPageTokens, head_dim}, dtype};
  const std::int64_t decays = layers * kv_heads * (kPageTokens + 1);  // and the longest key
  return 2 * keys.bytes() + (decay ? static_cast<std::size_t>(decays) * sizeof(float) : 0);
}

KvCache::KvCache(Backend& backend, const KvShape& shape, std::int64_t pages)
    : shape_(shape), users_(static_cast<std::size_t>(pages), 0) {
  const std::int64_t parts = pages * shape.layers, KV = shape.kv_heads, hd = shape.head_dim;
  const auto take = [&](const Shape& dims, DType dtype) {
    Tensor t{nullptr, dims, dtype, backend.device()};
    t.data = memory_.emplace_back(backend, t.bytes()).data();
    return t;
  };
  const Tensor keys = take({parts, KV, kPageTokens, hd}, shape.dtype);
  const Tensor values = take({parts, KV, kPageTokens, hd}, shape.dtype);
  Tensor decay, longest;
  if (shape.decay) {
    decay = take({parts, KV, kPageTokens}, DType::f32);
    longest = take({parts, KV}, DType::f32);
  }
  for (std::int64_t l = 0; l < shape.layers; ++l) {
    const std::int64_t P = parts - l;
    PagedKv& kv = layers_.emplace_back();
    kv.keys = parts_from(keys, l, {P, KV, kPageTokens, hd});
    kv.values = parts_from(values, l, {P, KV, kPageTokens, hd});
    if (!shape.decay) continue;
    kv.decay = parts_from(decay, l, {P, KV, kPageTokens});
    kv.longest = parts_from(longest, l, {P, KV});
  }
  free_ = numbers();
  std::reverse(free_.begin(), free_.end());  // low ones come first
}

std::vector<std::int32_t> KvCache::numbers() const {
  std::vector<std::int32_t> all;
  for (std::int64_t page = 0; page < pages(); ++page)
    all.push_back(static_cast<std::int32_t>(page * shape_.layers));
  return all;
}

std::int32_t KvCache::take() {
  assert(!free_.empty());
  const std::int32_t page = free_.back();
  free_.pop_back();
  users_[place_of(page)] = 1;
  return page;
}

void KvCache::share(std::int32_t page) {
  assert(users_[place_of(page)] > 0);
  ++users_[place_of(page)];
}

void KvCache::give_back(std::int32_t page) {
  assert(users_[place_of(page)] > 0);
  if (--users_[place_of(page)] == 0) free_.push_back(page);
}

PagedKv KvCache::layer(std::int64_t l, const Tensor& table) const {
  PagedKv kv = layers_[static_cast<std::size_t>(l)];
  kv.table = table;
  return kv;
}

}  // namespace r1
