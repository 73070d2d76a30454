#include "tools/complete/records.h"

#include <gtest/gtest.h>

namespace r1 {
namespace {

// Levels of r1(7).
TEST(Records, NameWhatTheirBytesDependOn) {
  CompleteSettings s;
  EXPECT_EQ(determinism_of(s, "cpu"), "D2");
  EXPECT_EQ(determinism_of(s, "ref"), "D2");
  EXPECT_EQ(determinism_of(s, "cuda"), "D1");
  s.jsonl = true;  // requests, from standard input
  EXPECT_EQ(determinism_of(s, "cuda"), "none");
  EXPECT_EQ(determinism_of(s, "cpu"), "D2");
  s.operands = {"requests.jsonl"};
  EXPECT_EQ(determinism_of(s, "cuda"), "D1");
  s.operands = {"requests.jsonl", "-"};
  EXPECT_EQ(determinism_of(s, "cuda"), "none");
  s.deterministic = true;
  EXPECT_EQ(determinism_of(s, "cuda"), "D2");
}

// What --deterministic changes on a card are the bytes themselves.
TEST(Records, ADeterministicCardHasARecipeOfItsOwn) {
  CompleteSettings plain, deterministic;
  deterministic.deterministic = true;
  EXPECT_EQ(recipe_of(plain, "m", "cpu"), recipe_of(deterministic, "m", "cpu"));
  EXPECT_NE(recipe_of(plain, "m", "cuda"), recipe_of(deterministic, "m", "cuda"));
}

}  // namespace
}  // namespace r1
