#include "lib/decode/prefix_index.h"

#include <vector>

#include <gtest/gtest.h>

#include "lib/backend/open_backend.h"

namespace r1 {
namespace {

using Ids = std::vector<std::int32_t>;

Ids page_of(std::int32_t id) { return Ids(static_cast<std::size_t>(kPageTokens), id); }
Ids joined(const std::vector<Ids>& parts) {
  Ids all;
  for (const Ids& part : parts) all.insert(all.end(), part.begin(), part.end());
  return all;
}

class PrefixIndexTest : public testing::Test {
 protected:
  // Remembers pages one after another and keeps no use of its own.
  void remember(const std::vector<Ids>& pages) {
    PrefixIndex::Known known = 0;
    for (const Ids& ids : pages) {
      const std::int32_t page = cache_.take();
      known = index_.remember(known, ids, page);
      cache_.give_back(page);
    }
  }
  // How many pages of the text are known; uses them not.
  std::size_t known(const Ids& ids) {
    const PrefixIndex::Beginning found = index_.take(ids);
    for (const std::int32_t page : found.pages) cache_.give_back(page);
    return found.pages.size();
  }

  std::unique_ptr<Backend> backend_ = open_backend("ref");
  KvCache cache_{*backend_, {.layers = 1, .kv_heads = 1, .head_dim = 8}, 6};
  PrefixIndex index_{cache_};
};

TEST_F(PrefixIndexTest, TheLongestKnownBeginningIsTaken) {
  remember({page_of(1), page_of(2)});
  EXPECT_EQ(known(joined({page_of(1), page_of(2), {9}})), 2u);
  EXPECT_EQ(known(joined({page_of(1), page_of(3), {9}})), 1u);
  EXPECT_EQ(known(joined({page_of(3), page_of(2), {9}})), 0u);
}

TEST_F(PrefixIndexTest, TheLastIdIsAlwaysLeftToRead) {
  remember({page_of(1), page_of(2)});
  EXPECT_EQ(known(joined({page_of(1), page_of(2)})), 1u);
  EXPECT_EQ(known(page_of(1)), 0u);
  EXPECT_EQ(known({}), 0u);
}

TEST_F(PrefixIndexTest, TheSameIdsElsewhereAreAnotherPage) {
  remember({page_of(1), page_of(2)});
  EXPECT_EQ(known(joined({page_of(2), {9}})), 0u);
  EXPECT_EQ(known(joined({page_of(2), page_of(2), {9}})), 0u);
  EXPECT_EQ(known(joined({page_of(1), page_of(1), {9}})), 1u);
}

TEST_F(PrefixIndexTest, ABeginningThatIsKnownIsNotKeptTwice) {
  remember({page_of(1), page_of(2)});
  remember({page_of(1), page_of(2)});
  remember({page_of(1), page_of(3)});
  EXPECT_EQ(cache_.free_pages(), 6 - 3);
}

TEST_F(PrefixIndexTest, WhatWasWantedLeastRecentlyGoesFirstAndEndsBeforeBeginnings) {
  remember({page_of(1), page_of(2)});
  remember({page_of(3), page_of(4)});
  EXPECT_EQ(known(joined({page_of(1), page_of(2), {9}})), 2u);
  index_.make_room(4);
  EXPECT_EQ(known(joined({page_of(3), page_of(4), {9}})), 0u);
  index_.make_room(5);
  EXPECT_EQ(known(joined({page_of(1), page_of(2), {9}})), 1u);
  index_.make_room(6);
  EXPECT_EQ(cache_.free_pages(), 6);
  index_.make_room(7);  // there are no more: nothing happens
}

TEST_F(PrefixIndexTest, ARefreshedTextLosesItsEndFirst) {
  remember({page_of(1), page_of(2), page_of(3)});
  const Ids text = joined({page_of(1), page_of(2), page_of(3), {9}});
  index_.refresh(text);
  index_.make_room(4);
  EXPECT_EQ(known(text), 2u);
}

TEST_F(PrefixIndexTest, APageInUseOutlivesItsPlaceInTheIndex) {
  remember({page_of(1)});
  const PrefixIndex::Beginning held = index_.take(joined({page_of(1), {9}}));
  index_.make_room(6);  // cannot be had: nothing is forgotten for it
  EXPECT_EQ(cache_.free_pages(), 5);
  cache_.give_back(held.pages.at(0));
  EXPECT_EQ(known(joined({page_of(1), {9}})), 1u);
  index_.make_room(6);
  EXPECT_EQ(cache_.free_pages(), 6);
}

TEST_F(PrefixIndexTest, WhatOthersUseStaysWhereRoomIsMade) {
  remember({page_of(1)});
  remember({page_of(2)});
  const PrefixIndex::Beginning held = index_.take(joined({page_of(1), {9}}));
  index_.refresh(joined({page_of(2), {9}}));  // wanted since
  index_.make_room(5);
  EXPECT_EQ(known(joined({page_of(2), {9}})), 0u);
  EXPECT_EQ(known(joined({page_of(1), {9}})), 1u);
  cache_.give_back(held.pages.at(0));
}

}  // namespace
}  // namespace r1
