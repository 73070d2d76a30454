#include "lib/quant/budget.h"

#include <gtest/gtest.h>

namespace r1 {
namespace {

using Offers = std::vector<std::vector<TypeOffer>>;
using Chosen = std::vector<std::size_t>;

TypeOffer offer(std::uint64_t bytes, double loss) { return {DType::q4_0, bytes, loss}; }

TEST(Budget, AByteGoesWhereItBuysMost) {
  const Offers offers = {{offer(10, 8), offer(20, 2)}, {offer(10, 9), offer(20, 8)}};
  EXPECT_EQ(choose_offers(offers, 20), (Chosen{0, 0}));
  EXPECT_EQ(choose_offers(offers, 29), (Chosen{0, 0}));
  EXPECT_EQ(choose_offers(offers, 30), (Chosen{1, 0}));
  EXPECT_EQ(choose_offers(offers, 40), (Chosen{1, 1}));
  EXPECT_EQ(choose_offers(offers, 1000), (Chosen{1, 1}));
}

// The small step of the first tensor is worth less than its large one.
TEST(Budget, AStepOverAPoorOfferIsTakenAtOnce) {
  const Offers offers = {{offer(10, 10), offer(12, 9.9), offer(20, 0)},
                         {offer(10, 5), offer(20, 0)}};
  EXPECT_EQ(choose_offers(offers, 30), (Chosen{2, 0}));
  EXPECT_EQ(choose_offers(offers, 22), (Chosen{1, 0}));  // what is left fits no better one
}

TEST(Budget, NoByteIsSpentForNothing) {
  const Offers offers = {{offer(10, 1), offer(20, 1), offer(30, 2)}, {offer(5, 0), offer(6, 0)}};
  EXPECT_EQ(choose_offers(offers, 1000), (Chosen{0, 0}));
}

TEST(Budget, WithoutRoomForTheSmallestThereIsNoChoice) {
  const Offers offers = {{offer(20, 1), offer(10, 3)}, {offer(10, 2)}};
  EXPECT_EQ(choose_offers(offers, 19), std::nullopt);
  EXPECT_EQ(choose_offers(offers, 20), (Chosen{1, 0}));
  EXPECT_EQ(choose_offers({}, 0), Chosen{});
}

}  // namespace
}  // namespace r1
