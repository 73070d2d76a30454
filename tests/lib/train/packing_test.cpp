#include "lib/train/packing.h"

#include <algorithm>
#include <map>
#include <set>

#include <gtest/gtest.h>

#include "lib/base/random.h"
#include "lib/train/permutation.h"

namespace r1 {
namespace {

TEST(Permutation, EachStandsOnceAndInAnotherOrderEachEpoch) {
  for (const std::int64_t count : {1, 2, 3, 16, 17, 1000}) {
    std::set<std::int64_t> seen;
    std::int64_t moved = 0;
    for (std::int64_t place = 0; place < count; ++place) {
      const std::int64_t at = permuted(place, count, 7, 0);
      EXPECT_TRUE(at >= 0 && at < count && seen.insert(at).second) << place << " of " << count;
      moved += at != permuted(place, count, 7, 1);
    }
    EXPECT_GE(moved, count > 100 ? count * 9 / 10 : 0);
  }
}

// Sample s is s, s, s … of its own length.
std::vector<TrainingSample> samples(std::int32_t count) {
  std::vector<TrainingSample> made;
  for (std::int32_t s = 0; s < count; ++s) {
    const std::size_t length = 2 + random_bits(1, 2, static_cast<std::uint64_t>(s)) % 30;
    made.push_back({std::vector<TokenId>(length, s), std::vector<std::uint8_t>(length, 1)});
  }
  return made;
}

TEST(Packer, AnEpochHasEachSampleOnceInPacksThatFit) {
  const std::vector<TrainingSample> all = samples(3000);
  for (const bool together : {true, false}) {
    const Packer packer(all, 64, together, 5);
    for (const std::int64_t epoch : {2, 0, 1}) {
      std::map<std::int32_t, std::int64_t> rows;
      const std::int64_t begin = packer.first_of_epoch(epoch);
      const std::int64_t end = packer.first_of_epoch(epoch + 1);
      std::int64_t sum = 0;
      for (std::int64_t n = begin; n < end; ++n) {
        const Pack pack = packer.pack(n);
        ASSERT_LE(pack.rows(), 64);
        sum += pack.rows();
        for (std::size_t t = 0; t < pack.ids.size(); ++t) {
          ++rows[pack.ids[t]];
          ASSERT_EQ(pack.target[t], pack.ids[t]);
          ASSERT_EQ(pack.ids[static_cast<std::size_t>(pack.start[t])], pack.ids[t]);
          ASSERT_EQ(pack.position[t], static_cast<std::int32_t>(t) - pack.start[t]);
        }
      }
      ASSERT_EQ(rows.size(), all.size());
      for (const auto& [s, n] : rows)
        ASSERT_EQ(n + 1, std::ssize(all[static_cast<std::size_t>(s)].ids));
      EXPECT_EQ(end - begin == std::ssize(all), !together);
      EXPECT_GT(static_cast<double>(sum) / static_cast<double>(end - begin), together ? 60 : 10);
    }
  }
}

TEST(Packer, PackNIsTheSameWhateverWasAskedBefore) {
  const std::vector<TrainingSample> all = samples(100);
  const Packer once(all, 64, true, 5), again(all, 64, true, 5), other(all, 64, true, 6);
  for (const std::int64_t n : {200, 3, 70, 0}) EXPECT_EQ(once.pack(n).ids, again.pack(n).ids);
  EXPECT_EQ(once.pack(0).ids, again.pack(0).ids);
  EXPECT_NE(once.pack(0).ids, other.pack(0).ids);
}

TEST(Pack, WhatIsAddedKeepsItsDocuments) {
  Pack two{{1, 2}, {0, 1}, {0, 0}, {2, -1}};
  two.append({{7}, {0}, {0}, {8}});
  EXPECT_EQ(two.start, (std::vector<std::int32_t>{0, 0, 2}));
  EXPECT_EQ(two.position, (std::vector<std::int32_t>{0, 1, 0}));
  EXPECT_EQ(two.trained(), 2);
  two.fill_up(4);
  two.fill_up(4);
  EXPECT_EQ(two.ids, (std::vector<std::int32_t>{1, 2, 7, 1}));
  EXPECT_EQ(two.start, (std::vector<std::int32_t>{0, 0, 2, 3}));
  EXPECT_EQ(two.position, (std::vector<std::int32_t>{0, 1, 0, 0}));
  EXPECT_EQ(two.trained(), 2);
}

}  // namespace
}  // namespace r1
