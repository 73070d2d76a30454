#include "tools/bench/ranges.h"

#include <gtest/gtest.h>

#include "tests/support/fails.h"

namespace r1 {
namespace {

using Numbers = std::vector<std::int64_t>;

Numbers parse(std::string_view text) { return parse_ranges(text, "-n", 0, 100'000); }

TEST(Ranges, ListsAndStepsAndFactorsAreWrittenOut) {
  EXPECT_EQ(parse("512"), (Numbers{512}));
  EXPECT_EQ(parse("4,1,2"), (Numbers{4, 1, 2}));
  EXPECT_EQ(parse("3-5"), (Numbers{3, 4, 5}));
  EXPECT_EQ(parse("1-16*2"), (Numbers{1, 2, 4, 8, 16}));
  EXPECT_EQ(parse("1-20*2"), (Numbers{1, 2, 4, 8, 16}));
  EXPECT_EQ(parse("0-4096+2048,1,0"), (Numbers{0, 2048, 4096, 1}));
}

TEST(Ranges, WhatIsNoRangeIsRefused) {
  for (const char* text : {"", ",", "1,", "-1", "1-", "5-3", "0-8*2", "1-8*1", "1-8+0", "1-8+", "x",
                           "1.5", "1 2", "0x10", "9999999999", "1-3-5"}) {
    SCOPED_TRACE(text);
    EXPECT_FAILS(ErrorKind::usage, "", parse(text));
  }
  EXPECT_FAILS(ErrorKind::usage, "", parse("0-5000"));  // too many
  EXPECT_FAILS(ErrorKind::usage, "", parse("100001"));  // too large
}

TEST(Ranges, APriceWantsItsUnit) {
  EXPECT_EQ(parse_price("2.50/h", "x"), 2.5);
  for (const char* text : {"2.5", "/h", "-1/h", "2,5/h"})
    EXPECT_FAILS(ErrorKind::usage, "", parse_price(text, "x"));
}

TEST(Ranges, AStarStandsForAnything) {
  EXPECT_TRUE(fits("rms_norm", "*"));
  EXPECT_TRUE(fits("rms_norm", "rms*"));
  EXPECT_TRUE(fits("rms_norm_backward", "*norm*ward"));
  EXPECT_TRUE(fits("rope", "r?pe"));
  EXPECT_FALSE(fits("rope", "rop"));
  EXPECT_FALSE(fits("rope", "rope?"));
  EXPECT_FALSE(fits("rope_table", "rope*x"));
  EXPECT_TRUE(fits("", "*"));
  EXPECT_FALSE(fits("", "?"));
}

}  // namespace
}  // namespace r1
