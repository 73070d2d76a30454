#include "lib/nn/kv_cache.h"

#include <set>

#include <gtest/gtest.h>

#include "lib/backend/open_backend.h"

namespace r1 {
namespace {

const std::byte* at(const Tensor& t, std::int64_t page) {
  return t.as<std::byte>() +
         t.bytes() / static_cast<std::size_t>(t.shape[0]) * static_cast<std::size_t>(page);
}

// A short text must not touch memory of every layer's own: on huge pages that was 128 MB.
TEST(KvCache, ThePartsOfAPageLieOneBehindTheOther) {
  const auto backend = open_backend("cpu", {.threads = 1});
  const KvShape shape{
      .layers = 3, .kv_heads = 2, .head_dim = 32, .decay = true, .dtype = DType::f16};
  KvCache cache(*backend, shape, 4);
  const std::vector<std::int32_t> numbers = cache.numbers();
  std::set<const std::byte*> places;
  for (std::int64_t taken = 0; taken < cache.pages(); ++taken) {
    const std::int32_t page = cache.take();
    EXPECT_EQ(page, numbers[static_cast<std::size_t>(taken)]);
    for (std::int64_t l = 0; l < shape.layers; ++l) {
      const PagedKv kv = cache.layer(l, {});
      places.insert(at(kv.keys, page));
      EXPECT_EQ(at(kv.keys, page), at(cache.layer(0, {}).keys, page + l));
      EXPECT_EQ(at(kv.longest, page), at(cache.layer(0, {}).longest, page + l));
      EXPECT_LT(page, kv.keys.shape[0]);
    }
  }
  EXPECT_EQ(places.size(), 12u);
  EXPECT_EQ(cache.free_pages(), 0);
  cache.give_back(numbers[2]);
  cache.share(numbers[1]);
  EXPECT_EQ(cache.take(), numbers[2]);
  cache.give_back(numbers[1]);
  EXPECT_EQ(cache.free_pages(), 0);
  cache.give_back(numbers[1]);
  EXPECT_EQ(cache.free_pages(), 1);
}

}  // namespace
}  // namespace r1
