// DPO: its loss by hand, its slope by finite differences, and what it teaches.
#include "lib/train/preference.h"

#include <cmath>
#include <memory>

#include <gtest/gtest.h>

#include "lib/models/adapter.h"
#include "lib/train/trainer.h"
#include "tests/support/adapter_pupil.h"
#include "tests/support/backends.h"
#include "tests/support/tiny.h"

namespace r1 {
namespace {

// Two pairs: rows 0 … 2 against 3 … 5, and 6, 7 against 8 … 10. Row 0, 3 and 9 are not trained.
struct Scene {
  Scene() {
    pack.pairs = {{0, 3, 6, nullptr}, {6, 8, 11, nullptr}};
    rows = {1, 2, 4, 5, 6, 7, 8, 10};
    losses = {1.0f, 2.0f, 3.0f, 0.5f, 0.7f, 1.1f, 0.2f, 0.4f};
  }
  double sum(const std::vector<float>& l) const {
    return preference_loss(pack, rows, l, reference, 0.3, 1).sum;
  }
  Pack pack;
  std::vector<std::int32_t> rows;
  std::vector<float> losses;
  std::vector<double> reference = {0.2, -0.5};
};

TEST(Preference, IsWhatTheChosenDocumentIsLikelierBy) {
  const Scene s;
  const std::vector<double> found = preferences(s.pack, s.rows, s.losses);
  ASSERT_EQ(found.size(), 2u);
  EXPECT_NEAR(found[0], -3.0 + 3.5, 1e-6);
  EXPECT_NEAR(found[1], -1.8 + 0.6, 1e-6);
}

TEST(Preference, TheLossIsThatOfThePaper) {
  const Scene s;
  const auto nats = [](double z) { return -std::log(1 / (1 + std::exp(-z))); };
  EXPECT_NEAR(s.sum(s.losses), nats(0.3 * (0.5 - 0.2)) + nats(0.3 * (-1.2 + 0.5)), 1e-6);
}

TEST(Preference, SlopesAreTheSlopesOfTheLoss) {
  const Scene s;
  const std::vector<float> slopes =
      preference_loss(s.pack, s.rows, s.losses, s.reference, 0.3, 0.25).slopes;
  constexpr float kStep = 0x1p-8;
  for (std::size_t i = 0; i < s.losses.size(); ++i) {
    std::vector<float> up = s.losses, down = s.losses;
    up[i] += kStep;
    down[i] -= kStep;
    EXPECT_NEAR(slopes[i], 0.25 * (s.sum(up) - s.sum(down)) / (2 * kStep), 1e-5) << i;
  }
}

// Pairs of the same prompt, the first of a rising text, the second of a falling one.
std::vector<TrainingSample> pairs() {
  std::vector<TrainingSample> all;
  for (TokenId p = 0; p < 6; ++p) {
    TrainingSample& s = all.emplace_back();
    for (const TokenId way : {1, -1}) {
      if (way < 0) s.rejected = s.ids.size();
      for (TokenId t = 0; t < 8 + p; ++t) {
        s.ids.push_back(t < 3 ? p + t : 16 + way * (t - 3));
        s.trained.push_back(t >= 3);
      }
    }
  }
  return all;
}

class Liker : public test::AdapterPupil {
 public:
  Liker(const test::Candidate& candidate, std::int64_t length, std::int64_t batch)
      : AdapterPupil(candidate, pairs(), length, options(batch)) {}

 private:
  static TrainOptions options(std::int64_t batch) {
    TrainOptions o{.batch = batch, .beta = 0.5};
    o.schedule.schedule = Schedule::constant;
    o.optimizer.rate = 0.01;
    return o;
  }
};

TEST(Preference, BeginsAtLogTwoAndFalls) {
  Liker liker({"cpu", 2}, 64, 2);
  const std::int64_t packs = liker.packer().first_of_epoch(1);
  EXPECT_NEAR(liker.trainer().evaluate(liker.packer(), packs), std::log(2.0), 1e-12);
  EXPECT_NEAR(liker.trainer().step().loss, std::log(2.0), 1e-12);
  for (int i = 0; i < 60; ++i) liker.trainer().step();
  EXPECT_LT(liker.trainer().evaluate(liker.packer(), packs), 0.1);
}

TEST(Preference, IsDividedByPairsHoweverTheyArePacked) {
  std::vector<TrainStep> first, second;
  for (const std::int64_t length : {16, 64, 1000}) {
    const std::int64_t packs = Liker({"ref"}, length, 1).packer().first_of_epoch(1);
    Liker liker({"ref"}, length, packs);
    first.push_back(liker.trainer().step());
    second.push_back(liker.trainer().step());
  }
  for (std::size_t i = 1; i < first.size(); ++i) {
    EXPECT_NEAR(first[i].norm, first[0].norm, 1e-6 * first[0].norm);
    EXPECT_NEAR(second[i].loss, second[0].loss, 1e-6);
    EXPECT_EQ(second[i].tokens, second[0].tokens);
  }
}

}  // namespace
}  // namespace r1
