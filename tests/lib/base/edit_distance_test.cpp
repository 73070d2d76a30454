#include "lib/base/edit_distance.h"

#include <gtest/gtest.h>

namespace r1 {
namespace {

TEST(EditDistance, CountsBytesAddedDroppedOrChanged) {
  EXPECT_EQ(edit_distance("", ""), 0U);
  EXPECT_EQ(edit_distance("prompt", ""), 6U);
  EXPECT_EQ(edit_distance("", "prompt"), 6U);
  EXPECT_EQ(edit_distance("promt", "prompt"), 1U);
  EXPECT_EQ(edit_distance("prompt", "promt"), 1U);
  EXPECT_EQ(edit_distance("kitten", "sitting"), 3U);
  EXPECT_EQ(edit_distance("jsno", "json"), 2U);
}

}  // namespace
}  // namespace r1
