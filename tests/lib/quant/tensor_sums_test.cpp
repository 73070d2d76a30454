#include "lib/quant/tensor_sums.h"

#include <gtest/gtest.h>

namespace r1 {
namespace {

// Of 300,000 bytes, so that runs of 64 KiB are whole and one is not.
TEST(PooledSum, IsTheSameForAnyPartsAndThreadsAndKnowsEachByte) {
  std::vector<std::byte> bytes(300'000);
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::byte>(i * i >> 5);
  const auto sum = [&](int threads, std::size_t part) {
    ThreadPool pool(threads);
    PooledSum pooled(pool);
    for (std::size_t at = 0; at < bytes.size(); at += part)
      pooled.add(ByteSpan(bytes).subspan(at, std::min(part, bytes.size() - at)));
    return pooled.hex();
  };
  const std::string whole = sum(1, bytes.size());
  EXPECT_EQ(whole.size(), 64u);
  for (const std::size_t part : {977u, 65535u, 65536u, 65537u, 131072u, 299999u})
    EXPECT_EQ(sum(3, part), whole) << part;
  for (const std::size_t at : {0u, 65535u, 65536u, 299999u}) {
    bytes[at] ^= std::byte{1};
    EXPECT_NE(sum(3, 977), whole) << at;
    bytes[at] ^= std::byte{1};
  }
  bytes.resize(196'608);
  EXPECT_NE(sum(1, bytes.size()), whole);
  EXPECT_EQ(sum(1, bytes.size()), sum(2, 1000));
}

}  // namespace
}  // namespace r1
