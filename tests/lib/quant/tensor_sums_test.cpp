#include "lib/quant/tensor_sums.h"

#include <algorithm>
#include <vector>

#include <gtest/gtest.h>

namespace r1 {
namespace {

TEST(Checksum, IsTheSameForAnyPartsAndKnowsEachByte) {
  std::vector<std::byte> bytes(300'000);
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::byte>(i * i >> 5);
  const auto sum = [&](std::size_t part) {
    Checksum checksum;
    for (std::size_t at = 0; at < bytes.size(); at += part)
      checksum.add(ByteSpan(bytes).subspan(at, std::min(part, bytes.size() - at)));
    return checksum.hex();
  };
  const std::string whole = sum(bytes.size());
  EXPECT_EQ(whole.size(), 32u);
  for (const std::size_t part : {1u, 977u, 65536u, 299999u}) EXPECT_EQ(sum(part), whole) << part;
  for (const std::size_t at : {0u, 65535u, 299999u}) {
    bytes[at] ^= std::byte{1};
    EXPECT_NE(sum(977), whole) << at;
    bytes[at] ^= std::byte{1};
  }
  bytes.resize(196'608);
  EXPECT_NE(sum(bytes.size()), whole);
}

// The published value for no bytes, so that what one version of r1 notes another can read.
TEST(Checksum, IsXxh3) { EXPECT_EQ(Checksum().hex(), "99aa06d3014798d86001c324468d497f"); }

}  // namespace
}  // namespace r1
