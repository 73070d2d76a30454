#include "lib/base/reserved_pages.h"

#include <algorithm>
#include <utility>

#include <gtest/gtest.h>

namespace r1 {
namespace {

TEST(ReservedPages, CommittedBytesAreZeroEachTimeAndKeepTheirPlace) {
  ReservedPages pages(10'000);
  const std::byte* place = pages.data();
  for (int time = 0; time < 2; ++time) {
    pages.commit();
    EXPECT_TRUE(pages.committed());
    EXPECT_TRUE(std::all_of(place, place + 10'000, [](std::byte b) { return b == std::byte{0}; }));
    std::fill_n(pages.data(), 10'000, std::byte{7});
    pages.commit();  // is already
    EXPECT_EQ(place[9'999], std::byte{7});
    pages.decommit();
    EXPECT_FALSE(pages.committed());
    EXPECT_EQ(pages.data(), place);
  }
  const ReservedPages moved(std::move(pages));
  EXPECT_EQ(moved.data(), place);
  EXPECT_EQ(pages.data(), nullptr);
}

TEST(ReservedPagesDeathTest, WhatIsNotCommittedCannotBeRead) {
  ReservedPages pages(1);
  const volatile std::byte* byte = pages.data();
  EXPECT_DEATH(static_cast<void>(*byte), "");
  pages.commit();
  const std::byte now = *byte;
  EXPECT_EQ(now, std::byte{0});
  pages.decommit();
  EXPECT_DEATH(static_cast<void>(*byte), "");
}

}  // namespace
}  // namespace r1
